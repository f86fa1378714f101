// Events as lines to read: pure, and the only place where their words are. Answers to commands: render-reply.ts.
import { ParleyError } from '../shared/errors.ts';
import { indentFurtherLines, safeLine, safeText } from '../shared/text.ts';
import type { IncomingMessage, OutgoingMessage, PeerEvent } from './events.ts';

/** How a line is meant: terminals color by it, pipes send `warning` and `error` to stderr. */
export type Tone = 'message' | 'own' | 'presence' | 'status' | 'faint' | 'warning' | 'error';

export interface Line {
  /** Further lines of remote text are indented, so that it never begins a line. */
  text: string;
  tone: Tone;
  /** Lines with the same key tell of the same thing: where one directly follows the other, it may replace it. */
  key?: string;
  /** Where its further rows begin on a terminal, in columns; a few where nothing is said. */
  indent?: number;
}

/** A private message that came so long after it was written had waited; clocks may differ by less. */
const lateAfterMs = 5 * 60_000;

/** `3 messages`, `1 message`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** `2026-11-21 09:14`, in the time zone of whoever reads it. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return 'at an unknown time';
  const two = (n: number) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** How long ago, in the largest unit that says enough. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return count(Math.floor(seconds / 86_400), 'day');
}

/** Remote or pasted text within a line. */
export function body(text: string): string {
  return indentFurtherLines(safeText(text));
}

export function line(text: string, tone: Tone, key?: string): Line {
  return key === undefined ? { text, tone } : { text, tone, key };
}

/** What went wrong, as one line: the text of an error of ours, or that of the system. */
export function errorText(error: unknown): string {
  if (error instanceof ParleyError) return body(error.message);
  return body(error instanceof Error ? error.message : String(error));
}

export function renderError(error: unknown): Line {
  return line(errorText(error), 'error');
}

/** When a message that waited was there; null for one that did not. */
function waitedSinceMs(message: IncomingMessage): number | null {
  if (message.waited) return message.receivedAtMs;
  // It waited with its sender, whose clock is all there is to tell.
  const isLate = message.private && message.receivedAtMs - message.sentAtMs > lateAfterMs;
  return isLate ? message.sentAtMs : null;
}

function renderIncoming(message: IncomingMessage): Line {
  const again = message.again ? '(again) ' : '';
  const waited = waitedSinceMs(message);
  const time = waited === null ? '' : `(${localTime(waited)}) `;
  const from = `${privateMark(message)}<${safeLine(message.from)}>`;
  return line(`${again}${time}${from}: ${body(message.text)}`, 'message');
}

/** Stands right before the name, so that what scripts look for is in one piece. */
export function privateMark(message: { private: boolean }): string {
  return message.private ? '(private) ' : '';
}

/** `(pending) `, `(stored) `, …; nothing for what is as it should be: accepted, and a private message stored. */
export function stateMark({ state, private: isPrivate }: Pick<OutgoingMessage, 'state' | 'private'>): string {
  return state === (isPrivate ? 'stored' : 'accepted') ? '' : `(${state}) `;
}

/** `to google: Hello`, marked if it is private. */
export function outgoingText(message: OutgoingMessage): string {
  return `${privateMark(message)}to ${safeLine(message.to)}: ${body(message.text)}`;
}

/** A message of one's own: marked `(pending)` until the center has accepted it. */
export function renderOutgoing(message: OutgoingMessage): Line {
  const tone = message.state === 'pending' ? 'faint' : 'own';
  return line(`${stateMark(message)}${outgoingText(message)}`, tone, `message ${message.id}`);
}

/** What a private message waits for that goes only when there is a link. */
export function renderResting({ to }: OutgoingMessage): Line {
  const name = safeLine(to);
  const text = `Private messages to ${name} wait here until you two are linked. why ${name} tells what is missing; if it is consent, getaddress ${name} asks for it.`;
  return line(text, 'status');
}

/** That a message is not delivered, why, and its text, so that it is not lost. */
export function renderFailed(message: OutgoingMessage, why: string): Line {
  const reason = sentence(safeLine(why)) || 'It was refused.';
  const what = message.private ? 'private message' : 'message';
  return line(
    `Your ${what} to ${safeLine(message.to)} was not delivered. ${reason}\n    ${body(message.text)}`,
    'error',
  );
}

/** `text` with a full stop, if it says anything. */
function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function unsentLine(unsent: number): Line {
  if (unsent === 0) return line('No messages are unsent.', 'status');
  const stay = unsent === 1 ? 'is unsent; it goes' : 'are unsent; they go';
  return line(`${count(unsent, 'message')} ${stay} when you log in here again.`, 'warning');
}

/** The lines of an event; that a link is down matters only where something waits for it. */
export function renderEvent(event: PeerEvent): Line[] {
  switch (event.type) {
    case 'pinned':
      return [
        line(
          `First contact with this center. Compare its fingerprint with what it printed:\n    ${safeLine(event.fingerprint)}`,
          'warning',
        ),
      ];
    case 'welcome':
      return [line(`Welcome, ${safeLine(event.name)}!`, 'status')];
    case 'waiting':
      return [line(`You have ${count(event.count, 'message')} waiting.`, 'status')];
    case 'repeated':
      return [];
    case 'message':
      return [renderIncoming(event.message)];
    case 'broadcast':
      return [line(`(all) <${safeLine(event.from)}>: ${body(event.text)}`, 'message')];
    case 'accepted':
    case 'stored':
      return [renderOutgoing({ ...event.message, state: event.type })];
    case 'failed':
      return [renderFailed(event.message, event.message.reason)];
    case 'delayed': {
      const why = sentence(safeLine(event.message.reason));
      return [line(`Your message to ${safeLine(event.message.to)} waits here and is tried again. ${why}`, 'warning')];
    }
    case 'presence':
      return [line(`${safeLine(event.name)} ${event.online ? 'has logged on.' : 'is offline.'}`, 'presence')];
    case 'disconnected':
      return [line(`Connection lost, ${count(event.unsent, 'message')} will be sent later.`, 'warning')];
    case 'reconnected':
      return [line('Connected again.', 'status')];
    case 'ended':
      return renderEnded(event);
    case 'address_request': {
      const from = safeLine(event.from);
      return [line(`Request: ${from} wants your address. [allow ${from}] to accept.`, 'warning')];
    }
    case 'introduced':
      return [line(`You can now privately message ${safeLine(event.name)}`, 'status')];
    case 'consent_ended':
      return [
        line(`You can no longer privately message ${safeLine(event.name)}. ${safeLine(event.reason)}`, 'warning'),
      ];
    case 'link': {
      if (event.state !== 'down') return [];
      return [line(`The link with ${safeLine(event.name)} is down; private messages wait.`, 'warning')];
    }
    case 'verify': {
      const name = safeLine(event.name);
      const digits = safeLine(`${event.digits.slice(0, 3)} ${event.digits.slice(3)}`);
      return [line(`Compare with ${name}, by voice: ${digits}. If both see the same: verify ${name} yes`, 'warning')];
    }
    case 'notice':
      return [line(body(event.text), 'warning')];
  }
}

/** At the login: private messages of an earlier session. */
export function renderRestingCount(resting: number): Line {
  const messages = count(resting, 'private message waits', 'private messages wait');
  return line(`${messages} for a link: outbox lists ${resting === 1 ? 'it' : 'them'}.`, 'status');
}

/** At the end: what stays in the outbox, and what becomes of it. */
export function renderUnsent(pending: readonly OutgoingMessage[], keepsOutbox: boolean): Line[] {
  const ofCenter = pending.filter((message) => !message.private).length;
  const kinds = [
    { unsent: ofCenter, what: 'message', when: 'at your next login' },
    { unsent: pending.length - ofCenter, what: 'private message', when: 'when you are linked' },
  ];
  return kinds
    .filter(({ unsent }) => unsent > 0)
    .map(({ unsent, what, when }) => {
      const it = unsent === 1 ? ['it goes', 'it is'] : ['they go', 'they are'];
      const then = keepsOutbox ? `${it[0]} ${when}.` : `${it[1]} lost, as --no-history keeps nothing.`;
      return line(`${count(unsent, `${what} is`, `${what}s are`)} unsent: ${then}`, 'warning');
    });
}

/** What was not delivered when a peer in a pipe stopped waiting; gaveUpAfterMs: without progress, null where the session ended. */
export function leftText(
  left: readonly OutgoingMessage[],
  { untilStored, gaveUpAfterMs }: { untilStored: boolean; gaveUpAfterMs: number | null },
): string {
  const ofCenter = left.some((message) => !message.private);
  const what = untilStored || !ofCenter ? 'not stored' : 'not accepted';
  const after = gaveUpAfterMs === null ? '' : ` after ${Math.ceil(gaveUpAfterMs / 1000)} s without progress`;
  const goes = left.every(({ state }) => state === 'accepted')
    ? 'The center delivers what it has accepted:'
    : `What waits in the outbox goes ${ofCenter ? 'at the next login' : 'when there is a link'}:`;
  return `${count(left.length, 'message is', 'messages are')} ${what}${after}. ${goes}`;
}

function renderEnded(event: Extract<PeerEvent, { type: 'ended' }>): Line[] {
  switch (event.code) {
    case 'displaced':
      return [line('Logged on different location!', 'warning'), unsentLine(event.unsent)];
    case 'logged_out':
      return [line('Logged out.', 'status'), ...(event.unsent > 0 ? [unsentLine(event.unsent)] : [])];
    case 'account_deleted':
      return [line(body(sentence(event.text) || 'The account is deleted.'), 'status')];
    default:
      return [
        line(body(sentence(event.text) || 'The session ended.'), 'warning'),
        ...(event.unsent > 0 ? [unsentLine(event.unsent)] : []),
      ];
  }
}
