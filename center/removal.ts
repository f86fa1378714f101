// Takes an account away for its operator: mail that waits stops that, or is thrown away and its senders told.
import { safeLine } from '../shared/text.ts';
import { AdminError } from './acts.ts';
import type { AdminServices } from './admin.ts';
import { countOf } from './quantities.ts';
import type { AccountRecord, Store } from './store/store.ts';
import { reportUndeliverable } from './undeliverable.ts';

const readBytes = 1_048_576;
const removedText = 'The operator has removed the account.';

/**
 * Removes an account; its name stays reserved. Rejects with AdminError where mail waits and is not to be discarded.
 * After any other failure the same call goes on from where it was. Returns how many messages were thrown away.
 */
export async function removeAccount(
  account: AccountRecord,
  discard: boolean,
  services: AdminServices,
): Promise<{ discarded: number }> {
  const { store, live } = services;
  const waiting = await countWaiting(account, store);
  if (waiting > 0 && !discard) throw mailWaits(account, waiting);
  const discarded = discard ? await emptyMailbox(account, services) : 0;
  const outcome = await store.removeAccount(account.id);
  if (outcome === 'waiting') throw mailWaits(account, await countWaiting(account, store));
  live?.accountChanged(account.id);
  live?.endSessions(account.id, 'account_deleted', removedText);
  return { discarded };
}

/** How many messages are in an account's mailbox on disk. */
export async function countWaiting(account: AccountRecord, store: Store): Promise<number> {
  const [first] = await store.read(account.id, 0, 1);
  if (!first) return 0;
  const mailbox = await store.openMailbox(account.id);
  if (mailbox !== 'gone') return mailbox.count;
  // It is closing. Of the first run some may be stored, which only an open mailbox tells.
  let count = 0;
  for (let after = 0; ; ) {
    const runs = await store.read(account.id, after, readBytes);
    const last = runs.at(-1)?.last;
    if (last === undefined) return count;
    for (const run of runs) count += run.count;
    after = last;
  }
}

async function emptyMailbox(account: AccountRecord, services: AdminServices): Promise<number> {
  const { store, live, deliverNotices } = services;
  // While senders are told that nobody will read it, nobody may log in and read it. A ban also outlives a crash.
  await store.setBan(account.id, Number.POSITIVE_INFINITY, removedText);
  live?.accountChanged(account.id);
  live?.endSessions(account.id, 'account_deleted', removedText);
  if (account.state === 'closing') await store.setState(account.id, 'open');
  // What its peer has stored must be in the store before the place of the mailbox is read there, and the mailbox must
  // take no more mail before its end is looked for: hence twice.
  await live?.closeMailbox(account.id);
  const mailbox = await store.openMailbox(account.id);
  if (mailbox === 'gone') return 0;
  await store.setState(account.id, 'closing');
  live?.accountChanged(account.id);
  await live?.closeMailbox(account.id);
  const { position, count } = await reportUndeliverable(
    { account: account.id, name: account.name, after: mailbox.ackedTo, code: 'undeliverable' },
    store,
    deliverNotices,
  );
  await store.discard(account.id, position);
  return count;
}

function mailWaits(account: AccountRecord, waiting: number): AdminError {
  const name = safeLine(account.name);
  const what = waiting === 1 ? '1 message waits' : `${countOf(waiting, 'message')} wait`;
  return new AdminError(
    `${what} for ${name}. With --discard each sender is told that it was not delivered, and the account goes.`,
  );
}
