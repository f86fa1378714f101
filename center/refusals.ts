// Errors as frames: what a peer is told when something is refused, or before its connection is closed.
import { errorCodes, ParleyError } from '../shared/errors.ts';
import { encodeFrame } from '../shared/frames.ts';
import type { parley } from '../shared/protocol.js';
import type { RefusalCode } from './delivery/outbox.ts';

/** As the reply to a request, or as the last word of the center. */
export function errorBody({ code, message, retryAfterMs, attemptsLeft }: ParleyError): {
  error: parley.Error.$Properties;
} {
  return { error: { code, text: message, retryAfterMs: Math.ceil(retryAfterMs), attemptsLeft } };
}

/** One message was refused: this one to that account. */
export function refusedBody(to: number, number: number, code: RefusalCode): { refused: parley.Refused.$Properties } {
  return { refused: { to, number, error: { code, text: sentence(errorCodes[code]) } } };
}

export function notInTime(): ParleyError {
  return new ParleyError('timeout', 'Nobody logged in over this connection in time.');
}

/** The frame with which a connection is closed over which nobody said anything. */
export function farewell(): Buffer {
  return encodeFrame(errorBody(notInTime()));
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
