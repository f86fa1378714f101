// Everything that can be seen to be wrong in a center's database from within: what SQLite finds, and what our own
// checksums and chains do.
import type { DatabaseSync } from 'node:sqlite';
import { foldName } from '../../shared/names.ts';
import { query } from './acts.ts';
import { followChain, type MailboxEnds, type RunRow, runChecksum } from './chain.ts';
import { storedFrames } from './frames.ts';
import { type RecentRun, readRecent, recentSince, wholeRuns } from './recent-rows.ts';
import { mailboxSum, markSum, pragma } from './schema.ts';

/** Something that is not as it was written. */
export interface Damage {
  /** Whose it is, where that can be told. */
  account: number | null;
  /** Of that account's mailbox: positions that are lost or not to be trusted. */
  positions: { from: number; to: number } | null;
  /** What is wrong, as a sentence without its end. */
  text: string;
}

/** As a line for the operator. @param nameOf the account's name, null where it is not known */
export function tellDamage(damage: Damage, nameOf: (account: number) => string | null = () => null): string {
  const { account, positions, text } = damage;
  if (account === null) return text;
  const name = nameOf(account);
  const whose = name === null ? `account ${account}` : `${name} (account ${account})`;
  if (positions === null) return `${whose}: ${text}`;
  const { from, to } = positions;
  return `${whose}, ${from === to ? `position ${from}` : `positions ${from} to ${to}`} of its mailbox: ${text}`;
}

/** integrity_check goes on to the next trouble until it has found so many. */
const maxTroubles = 100;
/** Since which version of the tables mailboxes and marks have checksums. */
const checksumsSince = 2;

/** Finds all of it, the database itself first; nothing is changed. */
export function* findDamage(db: DatabaseSync): Generator<Damage> {
  const parts = [integrity, accounts, recent, mailboxes, strayRuns, marks];
  const version = pragma(db, 'user_version');
  for (const part of parts) {
    try {
      yield* part(db, version);
    } catch (error) {
      yield { account: null, positions: null, text: textOf(error) };
    }
  }
}

function* integrity(db: DatabaseSync): Generator<Damage> {
  for (const row of query<{ integrity_check: string }>(db, `PRAGMA integrity_check(${maxTroubles})`).iterate()) {
    if (row.integrity_check !== 'ok') yield { account: null, positions: null, text: row.integrity_check };
  }
}

function* accounts(db: DatabaseSync): Generator<Damage> {
  const all = query<{ id: number; name: string; folded: string }>(db, 'SELECT id, name, folded FROM accounts');
  for (const { id, name, folded } of all.iterate()) {
    if (foldName(name) !== folded) yield { account: id, positions: null, text: 'its name does not fit itself' };
  }
}

function* recent(db: DatabaseSync, version: number): Generator<Damage> {
  if (version < recentSince) return;
  for (const text of readRecent(db).damage) yield { account: null, positions: null, text };
}

/** Runs that have not come to their place yet, by account, of the rows that are whole. */
function recentRuns(db: DatabaseSync, version: number): Map<number, RecentRun[]> {
  const runs = new Map<number, RecentRun[]>();
  if (version < recentSince) return runs;
  for (const row of readRecent(db).rows) {
    for (const run of wholeRuns(row.runs)) {
      const known = runs.get(run.account);
      if (known) known.push(run);
      else runs.set(run.account, [run]);
    }
  }
  return runs;
}

function* mailboxes(db: DatabaseSync, version: number): Generator<Damage> {
  const sound = version < checksumsSince ? '1' : `checksum = ${mailboxSum()}`;
  // Most are empty, as they should be: looking at each took longer than all else here.
  const some = query<MailboxEnds & { account: number; sound: number }>(
    db,
    `SELECT account, acked_to, last, ${sound} AS sound FROM mailboxes
     WHERE sound IS NOT TRUE OR last > acked_to OR account IN (SELECT account FROM runs)
       OR account IN (SELECT value FROM json_each(?)) ORDER BY account`,
  );
  const runs = query<RunRow>(db, 'SELECT * FROM runs WHERE account = ? ORDER BY first');
  const newest = recentRuns(db, version);
  for (const mailbox of some.all(JSON.stringify([...newest.keys()]))) {
    const { account } = mailbox;
    const unsettled = newest.get(account)?.filter(({ last }) => last > mailbox.last) ?? [];
    if (!mailbox.sound) yield { account, positions: null, text: 'the numbers of its mailbox are damaged' };
    try {
      yield* mailboxRuns(mailbox, runs.iterate(account), unsettled);
    } catch (error) {
      yield { account, positions: null, text: `its mailbox cannot be read: ${textOf(error)}` };
    }
  }
}

function* mailboxRuns(
  mailbox: MailboxEnds & { account: number },
  runs: Iterable<RunRow>,
  unsettled: RecentRun[],
): Generator<Damage> {
  const { account, acked_to } = mailbox;
  const rows = function* (): Generator<RunRow> {
    yield* runs;
    for (const run of unsettled) yield { ...run, checksum: runChecksum(account, run) };
  };
  const ends = { acked_to, last: unsettled.at(-1)?.last ?? mailbox.last };
  for (const step of followChain(account, ends, rows(), acked_to)) {
    if ('damage' in step) {
      const { from, to, text } = step.damage;
      yield { account, positions: { from, to }, text };
    } else if (!framesFit(step.row)) {
      const { first: from, last: to } = step.row;
      yield { account, positions: { from, to }, text: 'a run does not hold what it says' };
    }
  }
}

function framesFit({ first, last, count, frames }: RunRow): boolean {
  let seen = 0;
  let before = first - 1;
  try {
    for (const { position } of storedFrames(frames)) {
      if (position <= before) return false;
      before = position;
      seen++;
    }
  } catch {
    return false;
  }
  return seen === count && before === last;
}

function* strayRuns(db: DatabaseSync): Generator<Damage> {
  const sql = 'SELECT DISTINCT account FROM runs WHERE account NOT IN (SELECT account FROM mailboxes)';
  for (const { account } of query<{ account: number }>(db, sql).iterate()) {
    yield { account, positions: null, text: 'there is mail, and no mailbox' };
  }
}

function* marks(db: DatabaseSync, version: number): Generator<Damage> {
  if (version < checksumsSince) return;
  const sql = `SELECT sender, recipient FROM marks WHERE checksum <> ${markSum()}`;
  for (const { sender, recipient } of query<{ sender: number; recipient: number }>(db, sql).iterate()) {
    const text = `how far its messages to account ${recipient} came is damaged`;
    yield { account: sender, positions: null, text };
  }
}

/** How many accounts and waiting messages there are. */
export function countContents(db: DatabaseSync): { accounts: number; messages: number } {
  const sql = `SELECT (SELECT count(*) FROM accounts WHERE state <> 'removed') AS accounts,
    (SELECT coalesce(sum(count), 0) FROM runs) AS messages`;
  const { accounts, messages } = {
    accounts: 0,
    messages: 0,
    ...query<{ accounts: number; messages: number }>(db, sql).get(),
  };
  const endsOf = query<MailboxEnds>(db, 'SELECT acked_to, last FROM mailboxes WHERE account = ?');
  let unsettled = 0;
  for (const [account, runs] of recentRuns(db, pragma(db, 'user_version'))) {
    const { acked_to, last: settled } = { acked_to: 0, last: 0, ...endsOf.get(account) };
    for (const { last, count } of runs) if (last > Math.max(acked_to, settled)) unsettled += count;
  }
  return { accounts, messages: messages + unsettled };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
