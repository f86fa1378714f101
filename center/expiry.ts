// Mail that has waited longer than the operator allows: its senders are told, then it goes.
import type { Mail } from './delivery/mail.ts';
import { storedFrames } from './store/frames.ts';
import type { Store } from './store/store.ts';
import { type DeliverNotices, reportUndeliverable } from './undeliverable.ts';

/** Mailboxes asked for at once. */
const pageMailboxes = 100;
const readBytes = 1_048_576;

export interface ExpiryServices {
  store: Store;
  mail: Mail;
  deliver: DeliverNotices;
}

/**
 * Takes away what was received before this time, in mailboxes that nobody is reading; returns how many messages. What
 * fails in one mailbox does not keep it from the others: the first such error is thrown at the end.
 */
export async function expireMail(services: ExpiryServices, receivedBeforeMs: number): Promise<number> {
  let expired = 0;
  const errors: unknown[] = [];
  for (let after = 0; ; ) {
    const ids = await services.store.mailboxesOlderThan(receivedBeforeMs, { after, limit: pageMailboxes });
    const last = ids.at(-1);
    if (last === undefined) break;
    after = last;
    for (const id of ids) {
      try {
        expired += await expireMailbox(services, id, receivedBeforeMs);
      } catch (error) {
        errors.push(error);
      }
    }
  }
  if (errors.length > 0) throw errors[0];
  return expired;
}

async function expireMailbox(
  { store, mail, deliver }: ExpiryServices,
  id: number,
  receivedBeforeMs: number,
): Promise<number> {
  let expired = 0;
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
    expired = count;
  });
  return expired;
}

/** The position of the last of the oldest messages after this one that are older than this; `first` for none. */
async function lastBefore(store: Store, account: number, first: number, receivedBeforeMs: number): Promise<number> {
  let found = first;
  for (let after = first; ; ) {
    const runs = await store.read(account, after, readBytes);
    for (const run of runs) {
      for (const { position, receivedAtMs } of storedFrames(run.frames)) {
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
