// The rows of mailboxes in SQLite: numbers of each, runs of frames in a chain that shows what is missing, and marks.
import type { DatabaseSync } from 'node:sqlite';
import { type Query, query } from './acts.ts';
import { type RunRow, runChecksum } from './chain.ts';
import { mailboxSum, markSum } from './schema.ts';
import { type AccountRecord, type Mark, StoreError } from './store.ts';

/** The numbers of a mailbox, and what of its account matters to it. */
export interface Place {
  state: AccountRecord['state'];
  generation: number;
  acked_to: number;
  /** The last position that ever was on disk. */
  last: number;
  reserved_to: number;
}

export class MailboxRows {
  readonly #placeOf: Query<Place & { sound: number }>;
  readonly #reserve: Query<never>;
  readonly #grow: Query<never>;
  readonly #ack: Query<never>;
  readonly #insertRun: Query<never>;
  readonly #runsAround: Query<RunRow>;
  readonly #runsAfter: Query<RunRow>;
  readonly #deleteRuns: Query<never>;
  readonly #setMark: Query<never>;

  constructor(db: DatabaseSync) {
    this.#placeOf = query(
      db,
      `SELECT a.state, a.generation, m.acked_to, m.last, m.reserved_to, m.checksum = ${mailboxSum()} AS sound
       FROM accounts a JOIN mailboxes m ON m.account = a.id WHERE a.id = ?`,
    );
    this.#reserve = updateMailbox(db, { reservedTo: 'max(reserved_to, ?1)' }, '?2');
    this.#grow = updateMailbox(db, { last: '?1', reservedTo: 'max(reserved_to, ?2)' }, '?3');
    this.#ack = updateMailbox(db, { ackedTo: 'max(acked_to, ?1)' }, '?2');
    this.#insertRun = query(
      db,
      `INSERT INTO runs (account, first, last, previous, count, bytes, received_at_ms, checksum, frames)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const columns = 'first, last, previous, count, received_at_ms, checksum, frames';
    this.#runsAround = query(
      db,
      `SELECT ${columns} FROM runs WHERE account = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1`,
    );
    // Runs do not overlap: the first with anything above ?2 is the one that begins at or below it, or the next.
    this.#runsAfter = query(
      db,
      `SELECT ${columns} FROM runs WHERE account = ?1 AND last > ?2
         AND first >= coalesce((SELECT max(first) FROM runs WHERE account = ?1 AND first <= ?2), 0)
       ORDER BY first`,
    );
    this.#deleteRuns = query(db, 'DELETE FROM runs WHERE account = ? AND first <= ? AND last <= ?');
    const higher = { accepted: 'max(accepted, excluded.accepted)', stored: 'max(stored, excluded.stored)' };
    this.#setMark = query(
      db,
      `INSERT INTO marks (sender, outbox, recipient, accepted, stored, checksum)
       VALUES (?1, ?2, ?3, ?4, ?5, ${markSum({ sender: '?1', recipient: '?3', accepted: '?4', stored: '?5' })})
       ON CONFLICT DO UPDATE SET accepted = ${higher.accepted}, stored = ${higher.stored},
         checksum = checksum + (${markSum(higher)}) - (${markSum()})`,
    );
  }

  /** @throws StoreError where these numbers are not what was written */
  place(account: number): Place | undefined {
    const place = this.#placeOf.get(account);
    if (place?.sound === 0) {
      throw new StoreError('damaged', `the numbers of the mailbox of account ${account} are damaged`);
    }
    return place;
  }

  reserve(account: number, reservedTo: number): void {
    this.#reserve.run(reservedTo, account);
  }

  /** The last position is on disk, be it that its run is gone again. */
  grow(account: number, last: number, reservedTo: number): void {
    this.#grow.run(last, reservedTo, account);
  }

  insertRun(account: number, run: Omit<RunRow, 'checksum'>): void {
    const { first, last, previous, count, received_at_ms, frames } = run;
    const sum = runChecksum(account, run);
    this.#insertRun.run(account, first, last, previous, count, frames.length, received_at_ms, sum, frames);
  }

  /** The run that begins at or before this position. */
  runAround(account: number, position: number): RunRow | undefined {
    return this.#runsAround.get(account, position);
  }

  /** Those with anything above `after`, in order. */
  runsAfter(account: number, after: number): Iterable<RunRow> {
    return this.#runsAfter.iterate(account, after);
  }

  /** Up to this position all goes, but for a run that goes on behind it. */
  takeAway(account: number, position: number): void {
    this.#ack.run(position, account);
    this.#deleteRuns.run(account, position, position);
  }

  raiseMarks(recipient: number, marks: Iterable<Mark>): void {
    for (const { sender, outbox, accepted, stored } of marks) {
      this.#setMark.run(sender, outbox, recipient, accepted, stored);
    }
  }
}

/** Sets numbers of a mailbox. Its checksum changes by as much as they do, so that what was wrong stays wrong. */
function updateMailbox(
  db: DatabaseSync,
  values: { ackedTo?: string; last?: string; reservedTo?: string },
  account: string,
): Query<never> {
  const columns = { ackedTo: 'acked_to', last: 'last', reservedTo: 'reserved_to' };
  const names = Object.keys(values) as (keyof typeof values)[];
  const sets = names.map((name) => `${columns[name]} = ${values[name]}`);
  sets.push(`checksum = checksum + (${mailboxSum(values)}) - (${mailboxSum()})`);
  return query(db, `UPDATE mailboxes SET ${sets.join(', ')} WHERE account = ${account}`);
}
