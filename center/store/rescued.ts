// What a salvage has found so far: rows of a damaged database, each taken once, the newest and soundest of each.
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { foldName } from '../../shared/names.ts';
import { query } from './acts.ts';
import { type RunRow, runChecksum } from './chain.ts';
import type { Damage } from './damage.ts';
import type { ScannedRow, Value } from './page-scan.ts';
import { NewestMail } from './rescued-recent.ts';
import { mailboxSum, markSum, rowSum } from './schema.ts';

/** The columns of each table, in the order in which rows of it are given. */
export const columns = {
  accounts: [
    'id',
    'name',
    'folded',
    'password_hash',
    'created_at_ms',
    'generation',
    'jti',
    'next_jti',
    'session_key',
    'session_expires_at_ms',
    'banned_until_ms',
    'ban_reason',
    'online',
    'state',
  ],
  mailboxes: ['account', 'acked_to', 'last', 'reserved_to', 'checksum'],
  runs: ['account', 'first', 'last', 'previous', 'count', 'bytes', 'received_at_ms', 'checksum', 'frames'],
  marks: ['sender', 'outbox', 'recipient', 'accepted', 'stored', 'checksum'],
  blocks: ['account', 'blocked'],
  familiar: ['account', 'key', 'address'],
  invites: ['code', 'created_at_ms', 'expires_at_ms', 'uses_left'],
  lockouts: ['key', 'until_ms'],
  address_requests: ['target', 'asker', 'asked_at_ms', 'silent_until_ms'],
  center: ['time_ms'],
  recent: ['id', 'checksum', 'runs'],
  recent_ends: ['one', 'settled_to', 'written_to'],
} as const;

/** Tables that are not rescued: a consent that was taken back must not be there again. */
export const leftOut = ['consents'];

export type TableName = keyof typeof columns;

/** Of what has no unique key in its table. */
const onceOnly: Partial<Record<TableName, string>> = {
  familiar: 'SELECT 1 FROM familiar WHERE account = ? AND key = ? AND address = ?',
};

export class Rescued {
  /** What was taken and may be wrong. */
  readonly doubts: Damage[] = [];
  readonly #newest: NewestMail;
  readonly #take: { readonly [Name in TableName]: (values: Value[]) => void };

  /** db: of the tables of today, empty */
  constructor(db: DatabaseSync) {
    const insert = (table: TableName) => {
      const names = columns[table];
      const marks = names.map(() => '?').join(', ');
      const statement = query(db, `INSERT OR IGNORE INTO ${table} (${names.join(', ')}) VALUES (${marks})`);
      const once = onceOnly[table];
      const known = once === undefined ? null : query(db, once);
      return (values: SQLInputValue[]) => {
        if (!known?.get(...values)) statement.run(...values);
      };
    };
    this.#take = {
      accounts: this.#accountTaker(insert('accounts')),
      mailboxes: mailboxTaker(db),
      runs: runTaker(db, insert('runs')),
      marks: markTaker(db),
      blocks: insert('blocks'),
      familiar: insert('familiar'),
      invites: insert('invites'),
      lockouts: insert('lockouts'),
      address_requests: insert('address_requests'),
      center: timeTaker(db),
      recent: (values) => this.#newest.takeRow(values),
      recent_ends: (values) => this.#newest.takeEnds(values),
    };
    this.#newest = new NewestMail(db, { marks: this.#take.marks, runs: insert('runs') });
  }

  /** To be called when all was taken. */
  finish(): void {
    this.doubts.push(...this.#newest.finish());
  }

  /** values: of all columns of this table. What cannot be one of its rows is left out. */
  take(table: TableName, values: Value[]): void {
    try {
      this.#take[table](values);
    } catch {
      // The tables are strict: this is not what was written.
    }
  }

  /** The same for a row of which only its values are known: tables with a checksum, and accounts, can be told by it. */
  takeScanned({ kind, rowid, values }: ScannedRow): void {
    const [, ...rest] = values;
    if (kind === 'index') {
      if (values.length === columns.marks.length) this.take('marks', values);
    } else if (values.length === columns.accounts.length) this.take('accounts', [rowid, ...rest]);
    else if (values.length === columns.mailboxes.length) this.take('mailboxes', [rowid, ...rest]);
    // The key of a run is its own.
    else if (values.length === columns.runs.length + 1) this.take('runs', rest);
    else if (values.length === columns.recent.length) {
      this.take(values[2] instanceof Uint8Array ? 'recent' : 'recent_ends', [rowid, ...rest]);
    }
  }

  #accountTaker(insert: (values: Value[]) => void): (values: Value[]) => void {
    return (values) => {
      const [id, name, folded, ...rest] = values;
      if (typeof id !== 'number' || typeof name !== 'string' || typeof folded !== 'string') return;
      insert([id, name, foldName(name), ...rest]);
      if (foldName(name) === folded || this.doubts.some(({ account }) => account === id)) return;
      const text = `its name is ${name}, or was ${folded}`;
      this.doubts.push({ account: id, positions: null, text });
    };
  }
}

function mailboxTaker(db: DatabaseSync): (values: Value[]) => void {
  const higher = {
    ackedTo: 'max(acked_to, excluded.acked_to)',
    last: 'max(last, excluded.last)',
    reservedTo: 'max(reserved_to, excluded.reserved_to)',
  };
  const put = query(
    db,
    `INSERT INTO mailboxes VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET acked_to = ${higher.ackedTo},
       last = ${higher.last}, reserved_to = ${higher.reservedTo}, checksum = ${mailboxSum(higher)}`,
  );
  return (values) => {
    const numbers = values.filter((value) => typeof value === 'number');
    const [account, ackedTo, last, reservedTo, checksum] = numbers;
    if (numbers.length === values.length && rowSum(account!, ackedTo!, last!, reservedTo!) === checksum)
      put.run(...numbers);
  };
}

function markTaker(db: DatabaseSync): (values: Value[]) => void {
  const higher = { accepted: 'max(accepted, excluded.accepted)', stored: 'max(stored, excluded.stored)' };
  const put = query(
    db,
    `INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET accepted = ${higher.accepted},
       stored = ${higher.stored}, checksum = ${markSum(higher)}`,
  );
  return (values) => {
    const [sender, outbox, recipient, accepted, stored, checksum] = values;
    const numbers = [sender, recipient, accepted, stored].filter((value) => typeof value === 'number');
    if (numbers.length === 4 && outbox instanceof Uint8Array && rowSum(...numbers) === checksum) put.run(...values);
  };
}

function runTaker(db: DatabaseSync, insert: (values: Value[]) => void): (values: Value[]) => void {
  const known = query(db, 'SELECT 1 FROM runs WHERE account = ? AND first = ?');
  return (values) => {
    const [account, first, last, previous, count, _bytes, receivedAtMs, checksum, frames] = values;
    if (typeof account !== 'number' || typeof first !== 'number' || !(frames instanceof Uint8Array)) return;
    const run = { first, last, previous, count, received_at_ms: receivedAtMs, frames } as RunRow;
    if (runChecksum(account, run) === checksum && !known.get(account, first)) {
      // No checksum is over that one.
      insert(values.with(5, frames.length));
    }
  };
}

function timeTaker(db: DatabaseSync): (values: Value[]) => void {
  const put = query(db, 'UPDATE center SET time_ms = max(time_ms, ?)');
  return ([timeMs]) => {
    if (typeof timeMs === 'number') put.run(timeMs);
  };
}
