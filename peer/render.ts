// Events and replies as lines to read: pure, and the only place where their words are.
import { ParleyError } from '../shared/errors.ts';
import { indentFurtherLines, safeLine, safeText } from '../shared/text.ts';
import type { Reply } from './command.ts';
import type { HistoryLine, IncomingMessage, OutgoingMessage, PeerEvent, Person } from './events.ts';

/** How a line is meant: terminals color by it, pipes send `warning` and `error` to stderr. */
export type Tone = 'message' | 'own' | 'presence' | 'status' | 'faint' | 'warning' | 'error';

export interface Line {
  /** Further lines of remote text are indented, so that it never begins a line. */
  text: string;
  tone: Tone;
  /** Lines with the same key tell of the same thing: where one directly follows the other, it may replace it. */
  key?: string;
}

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
function body(text: string): string {
  return indentFurtherLines(safeText(text));
}

function line(text: string, tone: Tone, key?: string): Line {
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

function renderIncoming(message: IncomingMessage): Line {
  const again = message.again ? '(again) ' : '';
  const waited = message.waited ? `(${localTime(message.receivedAtMs)}) ` : '';
  return line(`${again}${waited}<${safeLine(message.from)}>: ${body(message.text)}`, 'message');
}

/** A message of one's own: marked `(pending)` until the center has accepted it. */
export function renderOutgoing(message: OutgoingMessage): Line {
  const mark = message.state === 'accepted' ? '' : `(${message.state}) `;
  const tone = message.state === 'pending' ? 'faint' : 'own';
  return line(`${mark}to ${safeLine(message.to)}: ${body(message.text)}`, tone, `message ${message.id}`);
}

/** That a message is not delivered, why, and its text, so that it is not lost. */
export function renderFailed(message: OutgoingMessage, why: string): Line {
  const reason = sentence(safeLine(why)) || 'It was refused.';
  return line(
    `Your message to ${safeLine(message.to)} was not delivered. ${reason}\n    ${body(message.text)}`,
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

/** The lines of an event; `pending` never prints, it is for whoever can take it back. */
export function renderEvent(event: PeerEvent): Line[] {
  switch (event.type) {
    case 'pinned':
      return [
        line(
          `First contact with this center. Its fingerprint is ${safeLine(event.fingerprint)}: compare it with what the center printed at its start.`,
          'warning',
        ),
      ];
    case 'welcome':
      return [line(`Welcome, ${safeLine(event.name)}!`, 'status')];
    case 'waiting':
      return [line(`You have ${count(event.count, 'message')} waiting.`, 'status')];
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
    case 'link':
      return [];
    case 'verify': {
      const name = safeLine(event.name);
      const digits = `${event.digits.slice(0, 3)} ${event.digits.slice(3)}`;
      return [line(`Compare with ${name}, by voice: ${digits}. If both see the same: verify ${name} yes`, 'warning')];
    }
    case 'notice':
      return [line(body(event.text), 'warning')];
  }
}

function renderEnded(event: Extract<PeerEvent, { type: 'ended' }>): Line[] {
  switch (event.code) {
    case 'displaced':
      return [line('Logged on different location!', 'warning'), unsentLine(event.unsent)];
    case 'logged_out':
      return [line('Logged out.', 'status'), ...(event.unsent > 0 ? [unsentLine(event.unsent)] : [])];
    case 'account_deleted':
      return [line('The account is deleted.', 'status')];
    default:
      return [
        line(body(sentence(event.text) || 'The session ended.'), 'warning'),
        ...(event.unsent > 0 ? [unsentLine(event.unsent)] : []),
      ];
  }
}

function renderPeople(people: readonly Person[], more: boolean, head: string, mark: boolean): Line[] {
  const lines = people.map((person) =>
    line(`  ${safeLine(person.name)}${mark && person.online ? ' (online)' : ''}`, 'status'),
  );
  if (more) lines.push(line('  … and more: narrow it down with users PATTERN.', 'faint'));
  return [line(head, 'status'), ...lines];
}

function renderHistory(row: HistoryLine): Line {
  const mark = row.direction === 'out' && row.state !== null && row.state !== 'accepted' ? `(${row.state}) ` : '';
  const who = row.direction === 'in' ? `<${safeLine(row.with)}>` : `to ${safeLine(row.with)}`;
  return line(`${mark}(${localTime(row.atMs)}) ${who}: ${body(row.text)}`, row.direction === 'in' ? 'message' : 'own');
}

/** The outbox: number, age and reason of each message that is not accepted. */
export function renderOutbox(messages: readonly OutgoingMessage[], nowMs: number): Line[] {
  return messages.map((message) => {
    const reason = message.reason === '' ? '' : `, ${safeLine(message.reason)}`;
    const what = `to ${safeLine(message.to)}: ${body(message.text)}`;
    return line(`  ${message.id}  (${age(nowMs - message.createdAtMs)}${reason}) ${what}`, 'status');
  });
}

/** The answer to a command, as lines. A queued message has none: it is shown when it is accepted. */
export function renderReply(reply: Reply, nowMs: number): Line[] {
  switch (reply.reply) {
    case 'message':
      return [];
    case 'broadcast': {
      const sent =
        reply.handed === 0 && reply.leftOut === 0
          ? line('Nobody else is online.', 'status')
          : line(`(all) to ${count(reply.handed, 'recipient')}: ${body(reply.text)}`, 'own');
      const left = line('Your message could not be delivered to some recipients.', 'warning');
      return reply.leftOut > 0 ? [sent, left] : [sent];
    }
    case 'online': {
      if (reply.people.length === 0) return [line('Nobody else is online.', 'status')];
      const one = reply.people.length === 1 ? 'account is' : 'accounts are';
      return renderPeople(reply.people, reply.more, `${reply.people.length} ${one} online:`, false);
    }
    case 'users': {
      if (reply.people.length === 0) return [line('No account fits this pattern.', 'status')];
      return renderPeople(reply.people, reply.more, `${count(reply.people.length, 'account')}:`, true);
    }
    case 'blocked': {
      if (reply.people.length === 0) return [line('You have blocked nobody.', 'status')];
      return renderPeople(
        reply.people,
        reply.more,
        `You have blocked ${count(reply.people.length, 'account')}:`,
        false,
      );
    }
    case 'block':
      return [line(`You have blocked ${safeLine(reply.name)}.`, 'status')];
    case 'unblock':
      return [line(`You no longer block ${safeLine(reply.name)}.`, 'status')];
    case 'inbox':
      if (reply.coming === 0) return [line('No messages are waiting.', 'status')];
      return [line(`${count(reply.coming, 'message is', 'messages are')} coming.`, 'status')];
    case 'hold': {
      if (!reply.on) return [line('Messages are delivered as they come.', 'status')];
      const waiting = count(reply.waiting, 'message waits', 'messages wait');
      return [line(`Messages are held at the center: ${waiting}. inbox fetches them.`, 'status')];
    }
    case 'outbox':
      if (reply.messages.length === 0) return [line('The outbox is empty: everything is accepted.', 'status')];
      return [
        line(`${count(reply.messages.length, 'message is', 'messages are')} not accepted yet:`, 'status'),
        ...renderOutbox(reply.messages, nowMs),
      ];
    case 'cancel':
      return [line(`Withdrawn: to ${safeLine(reply.message.to)}: ${body(reply.message.text)}`, 'status')];
    case 'history':
      if (reply.lines.length === 0) return [line('There is no history.', 'status')];
      return reply.lines.map(renderHistory);
    case 'passwd':
      return [line('The password is changed. Sessions elsewhere are ended.', 'status')];
    case 'delete-account':
      return reply.deleted ? [] : [line('The account stays.', 'status')];
    case 'logout':
    case 'quit':
      return [];
    case 'help':
      return reply.lines.map((text) => line(text, 'status'));
  }
}
