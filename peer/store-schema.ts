// The tables of a peer's history.db. Migrations are only ever added: user_version counts those that ran.
import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { ParleyError } from '../shared/errors.ts';

export const outboxIdBytes = 16;

const migrations: readonly ((db: DatabaseSync) => void)[] = [
  (db) => {
    db.exec(`
      -- The one outbox: its id on the wire, and the highest number that was ever given.
      CREATE TABLE outbox (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id BLOB NOT NULL,
        highest INTEGER NOT NULL
      ) STRICT;

      -- Every message, in and out, in the order in which it came or was written.
      CREATE TABLE history (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        incoming INTEGER NOT NULL,
        account INTEGER,                 -- the other one's; null until it was looked up
        name TEXT NOT NULL COLLATE NOCASE,
        text TEXT NOT NULL,
        sent_at_ms INTEGER NOT NULL,
        received_at_ms INTEGER NOT NULL, -- the center's time; 0 for one's own
        shown INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX history_with ON history (name, row);
      CREATE INDEX history_unshown ON history (row) WHERE shown = 0;

      -- Of each outbox that writes to this account, the highest number in the history: at or below is a repeat.
      CREATE TABLE marks (
        account INTEGER NOT NULL,
        outbox BLOB NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (account, outbox)
      ) WITHOUT ROWID, STRICT;

      -- What became of one's own messages. written: a connection may have carried it to the center.
      CREATE TABLE sent (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        row INTEGER NOT NULL REFERENCES history (row),
        outbox BLOB NOT NULL,
        number INTEGER NOT NULL,
        account INTEGER,
        state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'stored', 'failed')),
        reason TEXT NOT NULL,
        written INTEGER NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX sent_row ON sent (row);
      CREATE UNIQUE INDEX sent_number ON sent (outbox, number);
      CREATE INDEX sent_pending ON sent (id) WHERE state = 'pending';
      CREATE INDEX sent_unstored ON sent (account, number) WHERE state = 'accepted';
    `);
    db.prepare('INSERT INTO outbox VALUES (1, ?, 0)').run(randomBytes(outboxIdBytes));
  },
  (db) => {
    db.exec(`
      -- 1: over a private link, never through the center.
      ALTER TABLE history ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE sent ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX sent_private ON sent (account, number) WHERE private = 1 AND state = 'pending';

      -- The outbox of private messages to each account.
      CREATE TABLE private_outboxes (
        account INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        highest INTEGER NOT NULL
      ) STRICT;

      -- Keys with which an account may link: fingerprints.
      CREATE TABLE known_keys (
        account INTEGER NOT NULL,
        key TEXT NOT NULL,
        verified INTEGER NOT NULL,
        PRIMARY KEY (account, key)
      ) WITHOUT ROWID, STRICT;
    `);
  },
];

export const schemaVersion = migrations.length;

/** Brings a file to this version's tables. Throws bad_data for a file of a newer version. */
export function makeSchema(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version > schemaVersion) {
    throw new ParleyError(
      'bad_data',
      `${path} is from a newer version of this program (${version}; this one knows ${schemaVersion}). Use that version.`,
    );
  }
  for (const [index, migrate] of migrations.entries()) {
    if (index < version) continue;
    db.exec('BEGIN IMMEDIATE');
    migrate(db);
    db.exec(`PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
