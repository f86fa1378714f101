// The tables of the center's database, and how a file of an older version becomes one of this version.
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/** Stands in the header of every center's database: 'PRLC'. */
export const applicationId = 0x50524c43;
/** In that of a backup: 'PRLB'. */
export const backupId = 0x50524c42;

/** Sums must stay far from where SQLite goes over to floating point; a single wrong bit never leaves this remainder as it was. */
const modulus = 2 ** 31 - 1;

/** SQL: the checksum of a row of mailboxes, from its values in SQL. */
export function mailboxSum({
  account = 'account',
  ackedTo = 'acked_to',
  last = 'last',
  reservedTo = 'reserved_to',
} = {}) {
  return sum(account, ackedTo, last, reservedTo);
}

/** SQL: the checksum of a row of marks, from its values in SQL. */
export function markSum({
  sender = 'sender',
  recipient = 'recipient',
  accepted = 'accepted',
  stored = 'stored',
} = {}): string {
  return sum(sender, recipient, accepted, stored);
}

/** The same checksum of values that are at hand. */
export function rowSum(...values: number[]): number {
  return values.reduce((total, value, index) => total + (2 * index + 1) * (value % modulus), 0);
}

function sum(...values: string[]): string {
  return values.map((value, index) => `${2 * index + 1} * ((${value}) % ${modulus})`).join(' + ');
}

/**
 * One entry a version, only ever added to: the first makes version 1 of an empty file, the next version 2 of that.
 *
 * runs has a rowid, and not its place as the key, so that the blobs of one commit lie side by side; the index
 * carries all columns that are asked for without the frames.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at_ms REAL NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    jti TEXT,
    next_jti TEXT,
    session_key TEXT,
    session_expires_at_ms REAL,
    banned_until_ms REAL,
    ban_reason TEXT NOT NULL DEFAULT '',
    online INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closing', 'removed'))
  ) STRICT;

  CREATE INDEX accounts_online ON accounts (id) WHERE online = 1;

  CREATE TABLE mailboxes (
    account INTEGER PRIMARY KEY,
    acked_to INTEGER NOT NULL DEFAULT 0,
    last INTEGER NOT NULL DEFAULT 0,
    reserved_to INTEGER NOT NULL DEFAULT 1
  ) STRICT;

  CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    frames BLOB NOT NULL
  ) STRICT;
  CREATE INDEX runs_by_place ON runs (account, first, last, bytes, received_at_ms);

  CREATE TABLE marks (
    sender INTEGER NOT NULL,
    outbox BLOB NOT NULL,
    recipient INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    PRIMARY KEY (sender, outbox, recipient)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX marks_by_recipient ON marks (recipient, sender);

  CREATE TABLE blocks (
    account INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    PRIMARY KEY (account, blocked)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE familiar (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    key TEXT NOT NULL,
    address TEXT NOT NULL
  ) STRICT;
  CREATE INDEX familiar_by_account ON familiar (account, id);

  CREATE TABLE invites (
    code TEXT PRIMARY KEY,
    created_at_ms REAL NOT NULL,
    expires_at_ms REAL NOT NULL,
    uses_left INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE lockouts (
    key TEXT PRIMARY KEY,
    until_ms REAL NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE center (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    time_ms REAL NOT NULL
  ) STRICT;
  INSERT INTO center (one, time_ms) VALUES (1, 0);
  `,
  // A wrong bit in these numbers loses messages as surely as one in the messages.
  `
  ALTER TABLE mailboxes RENAME TO old_mailboxes;
  CREATE TABLE mailboxes (
    account INTEGER PRIMARY KEY,
    acked_to INTEGER NOT NULL,
    last INTEGER NOT NULL,
    reserved_to INTEGER NOT NULL,
    checksum INTEGER NOT NULL CHECK (checksum = ${mailboxSum()})
  ) STRICT;
  INSERT INTO mailboxes SELECT account, acked_to, last, reserved_to, ${mailboxSum()} FROM old_mailboxes;
  DROP TABLE old_mailboxes;

  DROP INDEX marks_by_recipient;
  ALTER TABLE marks RENAME TO old_marks;
  CREATE TABLE marks (
    sender INTEGER NOT NULL,
    outbox BLOB NOT NULL,
    recipient INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    checksum INTEGER NOT NULL CHECK (checksum = ${markSum()}),
    PRIMARY KEY (sender, outbox, recipient)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX marks_by_recipient ON marks (recipient, sender);
  INSERT INTO marks SELECT sender, outbox, recipient, accepted, stored, ${markSum()} FROM old_marks;
  DROP TABLE old_marks;
  `,
  `
  CREATE TABLE consents (
    giver INTEGER NOT NULL,
    asker INTEGER NOT NULL,
    until_ms REAL NOT NULL,
    once INTEGER NOT NULL,
    PRIMARY KEY (giver, asker)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX consents_by_asker ON consents (asker);

  -- silent_until_ms: denied until then; 0: open.
  CREATE TABLE address_requests (
    target INTEGER NOT NULL,
    asker INTEGER NOT NULL,
    asked_at_ms REAL NOT NULL,
    silent_until_ms REAL NOT NULL,
    PRIMARY KEY (target, asker)
  ) STRICT, WITHOUT ROWID;
  `,
  // A later step that changes what short runs settle into (runs, mailboxes, marks), or their bytes, finds some here.
  `
  CREATE TABLE recent (
    id INTEGER PRIMARY KEY,
    checksum INTEGER NOT NULL,
    runs BLOB NOT NULL
  ) STRICT;

  CREATE TABLE recent_ends (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    settled_to INTEGER NOT NULL,
    written_to INTEGER NOT NULL
  ) STRICT;
  INSERT INTO recent_ends (one, settled_to, written_to) VALUES (1, 0, 0);
  `,
];

/** A file that this program must not touch; the text says what it is and what to do. */
export class WrongVersion extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'WrongVersion';
  }
}

/**
 * Brings the open database of this file to the newest version, each step in one commit. What is not empty is first
 * copied to `<file>.bak-v<its version>`.
 * @returns the version it had, 0 for an empty file
 * @throws WrongVersion for a file of a newer version, or of another program
 */
export function migrate(db: DatabaseSync, file: string, steps: readonly string[] = migrations): number {
  const version = pragma(db, 'user_version');
  if (version === 0 && !isEmpty(db)) {
    throw new WrongVersion(`${file} is not the database of a Parley center.`);
  }
  if (pragma(db, 'application_id') === backupId) {
    throw new WrongVersion(`${file} is a backup: \`center restore\` makes a data directory of it.`);
  }
  if (version !== 0 && pragma(db, 'application_id') !== applicationId) {
    throw new WrongVersion(`${file} is not the database of a Parley center.`);
  }
  if (version > steps.length) {
    throw new WrongVersion(
      `${file} has version ${version}, and this program knows no later one than ${steps.length}. ` +
        'Run the newer program that wrote it, or restore a backup from before.',
    );
  }
  if (version > 0 && version < steps.length) copyBefore(db, file, version);
  steps.slice(version).forEach((step, index) => {
    db.exec('BEGIN IMMEDIATE');
    db.exec(step);
    db.exec(`PRAGMA application_id = ${applicationId}`);
    db.exec(`PRAGMA user_version = ${version + index + 1}`);
    db.exec('COMMIT');
  });
  return version;
}

function copyBefore(db: DatabaseSync, file: string, version: number): void {
  const copy = `${file}.bak-v${version}`;
  // Under another name until it is whole: a copy cut short by a crash is not taken for a backup.
  const unfinished = `${copy}.unfinished`;
  rmSync(unfinished, { force: true });
  db.prepare('VACUUM INTO ?').run(unfinished);
  const written = openSync(unfinished, 'r+');
  fsyncSync(written);
  closeSync(written);
  renameSync(unfinished, copy);
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}

/** The value of a pragma that is one number. */
export function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name]);
}
