// The answers to commands as lines to read: pure, and the only place where their words are.
import { safeLine } from '../shared/text.ts';
import type { Reply } from './command.ts';
import type { Consent, HistoryLine, LinkInfo, OutgoingMessage, Person } from './events.ts';
import { age, body, count, type Line, line, localTime, outgoingText, privateMark, stateMark } from './render.ts';
import { secondColumn } from './wrapping.ts';

function renderPeople(people: readonly Person[], more: boolean, head: string, mark: boolean): Line[] {
  const lines = people.map((person) =>
    line(`  ${safeLine(person.name)}${mark && person.online ? ' (online)' : ''}`, 'status'),
  );
  if (more) lines.push(line('  … and more: narrow it down with users PATTERN.', 'faint'));
  return [line(head, 'status'), ...lines];
}

function renderHistory(row: HistoryLine): Line {
  const { direction, state } = row;
  const isWithdrawn = state === 'failed' && row.reason === 'cancelled';
  const mark = isWithdrawn ? '(withdrawn) ' : state !== null ? stateMark({ ...row, state }) : '';
  const who = direction === 'in' ? `<${safeLine(row.with)}>` : `to ${safeLine(row.with)}`;
  const said = `${privateMark(row)}${who}: ${body(row.text)}`;
  return line(`${mark}(${localTime(row.atMs)}) ${said}`, direction === 'in' ? 'message' : 'own');
}

/** The outbox: number, age and reason of each message that is not accepted. */
export function renderOutboxRows(messages: readonly OutgoingMessage[], nowMs: number): Line[] {
  return messages.map((message) => {
    const why = message.state === 'accepted' ? 'accepted' : message.reason;
    const reason = why === '' ? '' : `, ${safeLine(why)}`;
    const what = outgoingText(message);
    return line(`  ${message.id}  (${age(nowMs - message.createdAtMs)}${reason}) ${what}`, 'status');
  });
}

/** The same below what they wait for. */
export function renderOutbox(messages: readonly OutgoingMessage[], nowMs: number): Line[] {
  return [line(outboxHead(messages), 'status'), ...renderOutboxRows(messages, nowMs)];
}

function outboxHead(messages: readonly OutgoingMessage[]): string {
  const still = messages.some((message) => message.private) ? 'still in the outbox' : 'not accepted yet';
  return `${count(messages.length, 'message is', 'messages are')} ${still}:`;
}

/** Rows of cells as lines: each column is as wide as its widest cell. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `0.4 ms`, `12 ms`. */
function roundTrip(ms: number | null): string {
  if (ms === null) return '-';
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

function renderLinks(links: readonly LinkInfo[]): Line[] {
  if (links.length === 0) {
    return [
      line('There are no private links. getaddress NAME asks for one; consents lists who may have one.', 'status'),
    ];
  }
  const rows = links.map((link) => [
    safeLine(link.name),
    link.route,
    safeLine(link.where) || 'through the center',
    roundTrip(link.roundTripMs),
    link.verified ? 'verified' : 'unverified',
    `since ${localTime(link.sinceMs)}`,
  ]);
  return aligned(rows).map((text) => line(text, 'status'));
}

function renderConsents(consents: readonly Consent[], more: boolean): Line[] {
  if (consents.length === 0) {
    return [line('There are no consents. getaddress NAME asks for one; allow NAME gives one.', 'status')];
  }
  const rows = consents.map(({ name, given, untilMs, once }) => [
    safeLine(name),
    given ? 'allowed by you' : 'allows you',
    once ? 'until one of you logs out' : `until ${localTime(untilMs)}`,
  ]);
  const lines = aligned(rows).map((text) => line(text, 'status'));
  return more ? [...lines, line('… and more.', 'faint')] : lines;
}

/** `30 minutes`, `1 hour`, `2 days`; 0: a day. */
function period(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes === 0) return 'a day';
  if (minutes % 1440 === 0) return count(minutes / 1440, 'day');
  return minutes % 60 === 0 ? count(minutes / 60, 'hour') : count(minutes, 'minute');
}

/** The answer to a command, as lines. A queued message has none: it is shown when it is accepted or stored. */
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
      const others = count(reply.people.length, 'other account is', 'other accounts are');
      return renderPeople(reply.people, reply.more, `${others} online:`, false);
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
      return [line(`You have blocked ${safeLine(reply.name)}.`, 'status'), ...later(reply.later)];
    case 'unblock':
      return [line(`You no longer block ${safeLine(reply.name)}.`, 'status'), ...later(reply.later)];
    case 'getaddress': {
      const name = safeLine(reply.name);
      const then = reply.linked
        ? `You two are linked already: private ${name} TEXT.`
        : `If ${name} allows it, each of you is shown the other’s address.`;
      return [line('Request has been sent.', 'status'), line(then, 'faint')];
    }
    case 'allow': {
      const name = safeLine(reply.name);
      const until = reply.once ? 'until one of you logs out' : `for ${period(reply.forMs)}`;
      const text = `${name} may link with you ${until}, and each of you is shown the other’s address. revoke ${name} ends it.`;
      return [line(text, 'status')];
    }
    case 'deny': {
      const name = safeLine(reply.name);
      if (reply.consented) return [line(`There is a consent with ${name} already: revoke ${name} ends it.`, 'warning')];
      return [line(`${name} is not told your address, nor that you said no. allow ${name} changes that.`, 'status')];
    }
    case 'revoke':
      return [line(`You and ${safeLine(reply.name)} may not link any more.`, 'status'), ...later(reply.later)];
    case 'consents':
      return renderConsents(reply.consents, reply.more);
    case 'private':
      return [];
    case 'links':
      return renderLinks(reply.links);
    case 'why':
      return reply.lines.map((text) => line(body(text), 'status'));
    case 'verify': {
      const name = safeLine(reply.name);
      if (reply.confirmed) return [line(`${name} is verified.`, 'status')];
      return [line(`Both you and ${name} will see six digits…`, 'faint')];
    }
    case 'trust':
      return [line(`The machine that ${safeLine(reply.name)} uses now is trusted.`, 'status')];
    case 'untrust': {
      const name = safeLine(reply.name);
      return [line(`The keys of ${name} are forgotten: nothing is linked until trust ${name}.`, 'status')];
    }
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
      return renderOutbox(reply.messages, nowMs);
    case 'cancel':
      return [line(`Withdrawn: ${outgoingText(reply.message)}`, 'status')];
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
      return reply.lines.map((text) => ({ ...line(text, 'status'), indent: secondColumn(text) }));
  }
}

/** Of what is in force here, and not yet elsewhere. */
function later(isLater: boolean): Line[] {
  return isLater ? [line('The center is away: it hears of this when it is back.', 'warning')] : [];
}
