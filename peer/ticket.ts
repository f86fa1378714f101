// The ticket that came with a token: with it a session is continued without signatures, over TLS without a certificate.
import type { KeyObject } from 'node:crypto';
import { maxTicketLength, ticketSecret } from '../shared/ticket.ts';

/** What is longer, or no text of one byte a character, TLS or the center would stumble over at each attempt. */
const shape = new RegExp(`^[!-~]{1,${maxTicketLength}}$`);

/** A center that is busy takes its time; what stands in between may let no such TLS pass, and say nothing. */
const triesInSilence = 2;

/** What a session is continued with. */
export interface Pass {
  key: KeyObject;
  token: string;
  /** null: the key has to sign. */
  ticket: Ticket | null;
}

export class Ticket {
  readonly text: string;
  /** Only the center and this peer can derive it. */
  readonly secret: Buffer;
  #triesLeft = triesInSilence;

  constructor(text: string, secret: Buffer) {
    this.text = text;
    this.secret = secret;
  }

  /** False where TLS failed that was begun with it: it may have been for that. */
  get isGood(): boolean {
    return this.#triesLeft > 0;
  }

  /** TLS that was begun with it failed: by itself, or because nothing was heard. */
  failed(code: 'disconnected' | 'timeout'): void {
    this.#triesLeft = code === 'timeout' ? this.#triesLeft - 1 : 0;
  }
}

/** What to come back with after this Welcome. identityKey: the center's. before: what was come with, if anything. */
export function nextPass(
  welcome: { token: string; ticket: string },
  key: KeyObject,
  identityKey: Uint8Array,
  before: Pass | null = null,
): Pass {
  const { token, ticket } = welcome;
  if (shape.test(ticket)) return { key, token, ticket: new Ticket(ticket, ticketSecret(key, identityKey, token)) };
  return { key, token, ticket: before?.token === token ? before.ticket : null };
}
