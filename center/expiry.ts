// Mail that has waited longer than the operator allows: its senders are told, then it goes.
import { decodeFrame, lengthBytes } from '../shared/frames.ts';
import type { Mail } from './delivery/mail.ts';
import type { MailboxRun, Store } from './store/store.ts';
import { type DeliverNotices, reportUndeliverable } from './undeliverable.ts';

/** Mailboxes looked at in one round; the next round comes soon. */
const maxMailboxes = 100;
const readBytes = 1_048_576;

/** Takes away what was received before this time, in mailboxes that nobody is reading; returns how many messages. */
export async function expireMail(
  { store, mail, deliver }: { store: Store; mail: Mail; deliver: DeliverNotices },
  receivedBeforeMs: number,
): Promise<number> {
  let expired = 0;
  for (const id of await store.mailboxesOlderThan(receivedBeforeMs, maxMailboxes)) {
    // One that is in memory is being read or written to: it comes when it is not.
    if (mail.mailbox(id)) continue;
    const account = await store.account(id);
    const upTo = account ? await lastBefore(store, id, receivedBeforeMs) : 0;
    if (!account || upTo === 0) continue;
    const mailbox = { account: id, name: account.name, after: 0, upTo, code: 'expired' } as const;
    const { position, count } = await reportUndeliverable(mailbox, store, deliver);
    await store.discard(id, position);
    expired += count;
  }
  return expired;
}

/** The position of the last message of the oldest ones that is older than this; 0 for none. */
async function lastBefore(store: Store, account: number, receivedBeforeMs: number): Promise<number> {
  let found = 0;
  for (let after = 0; ; ) {
    const runs = await store.read(account, after, readBytes);
    for (const run of runs) {
      for (const { position, receivedAtMs } of deliversIn(run)) {
        if (position <= after) continue;
        if (receivedAtMs >= receivedBeforeMs) return found;
        found = position;
      }
    }
    const last = runs.at(-1)?.last;
    if (last === undefined || last <= after) return found;
    after = last;
  }
}

function* deliversIn(run: MailboxRun): Generator<{ position: number; receivedAtMs: number }> {
  const frames = Buffer.from(run.frames.buffer, run.frames.byteOffset, run.frames.byteLength);
  for (let at = 0; at < frames.length; ) {
    const start = at + lengthBytes;
    at = start + frames.readUInt32BE(at);
    const { deliver } = decodeFrame(frames, start, at);
    if (deliver) yield { position: deliver.position ?? 0, receivedAtMs: deliver.receivedAtMs ?? 0 };
  }
}
