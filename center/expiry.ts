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
    await mail.whileAway(id, async () => {
      const account = await store.account(id);
      const mailbox = await store.openMailbox(id);
      if (!account || mailbox === 'gone') return;
      const after = mailbox.ackedTo;
      const upTo = await lastBefore(store, id, after, receivedBeforeMs);
      if (upTo <= after) return;
      const mail = { account: id, name: account.name, after, upTo, code: 'expired' } as const;
      const { position, count } = await reportUndeliverable(mail, store, deliver);
      await store.discard(id, position);
      expired += count;
    });
  }
  return expired;
}

/** The position of the last of the oldest messages after this one that are older than this; `first` for none. */
async function lastBefore(store: Store, account: number, first: number, receivedBeforeMs: number): Promise<number> {
  let found = first;
  for (let after = first; ; ) {
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
