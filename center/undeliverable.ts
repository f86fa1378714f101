// Tells senders of accepted mail that it will not be delivered: a notice goes to each by way of its own mailbox.
import { createHash } from 'node:crypto';
import type { ErrorCode } from '../shared/errors.ts';
import { decodeFrame, encodeFrame, lengthBytes } from '../shared/frames.ts';
import type { MailboxRun, MailboxState, Store } from './store/store.ts';

/** The center itself, as a sender. */
export const centerAccount = 0;
export const noticeOutboxBytes = 16;
/** How much of a mailbox is held in memory at once. */
const maxReadBytes = 1_048_576;

export type NoticeCode = Extract<ErrorCode, 'undeliverable' | 'expired'>;

/** One message that will not be delivered. */
export interface Notice {
  code: NoticeCode;
  /** The account whose mailbox it waited in, and its name as registered. */
  recipient: number;
  recipientName: string;
  /** Its position in that mailbox: the number of the notice in the center's outbox for it. */
  position: number;
  /** The message's id: its sender's outbox and number. */
  outbox: Uint8Array;
  number: number;
}

/**
 * Puts notices, of rising position and all about one recipient, into this sender's mailbox; resolves when they are
 * durable. Those told before (noticeOutbox and position are their id) are left out; a sender that is gone is no error.
 */
export type DeliverNotices = (sender: number, notices: Notice[]) => Promise<void>;

/**
 * The outbox that notices about this account's mailbox come from. It is derived, not random: a repeat after an
 * unknown outcome gets the same ids, and the marks know it.
 */
export function noticeOutbox(recipient: number): Uint8Array {
  return createHash('sha256').update(`undeliverable${recipient}`).digest().subarray(0, noticeOutboxBytes);
}

/** The whole frame of a notice, with its length in front, for this position of the sender's mailbox. */
export function encodeNotice(notice: Notice, position: number, receivedAtMs: number): Buffer {
  return encodeFrame({
    deliver: {
      position,
      from: centerAccount,
      outbox: noticeOutbox(notice.recipient),
      receivedAtMs,
      number: notice.position,
      sentAtMs: receivedAtMs,
      undeliverable: {
        to: notice.recipient,
        toName: notice.recipientName,
        outbox: notice.outbox,
        number: notice.number,
        code: notice.code,
      },
    },
  });
}

/** Whose mail, from which position on (not included), and why it is not delivered. */
export interface UndeliverableMail {
  account: number;
  name: string;
  after: number;
  /** The last position that it is about; without it, all there are. */
  upTo?: number;
  code: NoticeCode;
}

/**
 * Reports each message of a mailbox to its sender, in order. Can be repeated after any failure. Returns up to which
 * position all are reported, and how many messages those are.
 */
export async function reportUndeliverable(
  mail: UndeliverableMail,
  store: Pick<Store, 'read'>,
  deliver: DeliverNotices,
): Promise<{ position: number; count: number }> {
  const upTo = mail.upTo ?? Number.MAX_SAFE_INTEGER;
  let position = mail.after;
  let count = 0;
  while (position < upTo) {
    const runs = await store.read(mail.account, position, maxReadBytes);
    const last = runs.at(-1)?.last;
    if (last === undefined) break;
    const { groups, messages } = groupBySender(runs, { ...mail, after: position, upTo });
    for (const [sender, notices] of groups) await deliver(sender, notices);
    count += messages;
    position = Math.min(last, upTo);
  }
  return { position, count };
}

/** Puts notices straight into the store: for a center that does not run. */
export function storeNotices(store: Store, nowMs: () => number): DeliverNotices {
  return async (sender, notices) => {
    const [first] = notices;
    if (!first) return;
    const outbox = noticeOutbox(first.recipient);
    const marks = await store.outbox(centerAccount, outbox);
    const told = marks.find((mark) => mark.recipient === sender)?.accepted ?? 0;
    const fresh = notices.filter((notice) => notice.position > told);
    const newest = fresh.at(-1);
    if (!newest) return;
    const mailbox = await openAnyMailbox(sender, store);
    if (mailbox === 'gone') return;
    const receivedAtMs = nowMs();
    const frames = fresh.map((notice, index) => encodeNotice(notice, mailbox.next + index, receivedAtMs));
    const last = mailbox.next + fresh.length - 1;
    await store.append(sender, {
      first: mailbox.next,
      last,
      count: fresh.length,
      frames: Buffer.concat(frames),
      marks: [{ sender: centerAccount, outbox, accepted: newest.position, stored: 0 }],
      reservedTo: last + 1,
    });
  };
}

/** Where no center runs, a deletion that was interrupted is over, as it is at the next start. */
async function openAnyMailbox(account: number, store: Store): Promise<MailboxState | 'gone'> {
  const mailbox = await store.openMailbox(account);
  if (mailbox !== 'gone' || (await store.account(account))?.state !== 'closing') return mailbox;
  await store.setState(account, 'open');
  return store.openMailbox(account);
}

function groupBySender(
  runs: MailboxRun[],
  mail: UndeliverableMail & { upTo: number },
): { groups: Map<number, Notice[]>; messages: number } {
  const groups = new Map<number, Notice[]>();
  let messages = 0;
  for (const { from, position, outbox, number } of runs.flatMap((run) => [...deliversIn(run)])) {
    if (position <= mail.after || position > mail.upTo) continue;
    messages++;
    // Notices are not answered by notices, and nobody is told about mail to themselves.
    if (from === centerAccount || from === mail.account) continue;
    const notice: Notice = {
      code: mail.code,
      recipient: mail.account,
      recipientName: mail.name,
      position,
      outbox,
      number,
    };
    const group = groups.get(from);
    if (group) group.push(notice);
    else groups.set(from, [notice]);
  }
  return { groups, messages };
}

function* deliversIn(run: MailboxRun) {
  const frames = Buffer.from(run.frames.buffer, run.frames.byteOffset, run.frames.byteLength);
  for (let at = 0; at + lengthBytes <= frames.length; ) {
    const start = at + lengthBytes;
    at = start + frames.readUInt32BE(at);
    const { deliver } = decodeFrame(frames, start, at);
    if (!deliver) continue;
    yield {
      from: deliver.from ?? centerAccount,
      position: deliver.position ?? 0,
      number: deliver.number ?? 0,
      outbox: Uint8Array.from(deliver.outbox ?? []),
    };
  }
}
