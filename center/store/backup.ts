// Backups: one file, which is an SQLite database with all that the center's has and its identity, so that what is made
// of it is the same center to its peers.
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { query } from './acts.ts';
import { countContents, findDamage, tellDamage } from './damage.ts';
import { MailboxRows } from './mailbox-rows.ts';
import { moveInto } from './place.ts';
import { Recent } from './recent.ts';
import { recentSince } from './recent-rows.ts';
import { rewind } from './rewind.ts';
import { applicationId, backupId, migrate, migrations, pragma } from './schema.ts';
import { StoreError } from './store.ts';

export interface BackupFacts {
  /** By the clock of the machine that made it, or by its center's where that was ahead. */
  takenAtMs: number;
  /** The text of the identity's file. */
  identity: string;
  accounts: number;
  /** Waiting messages. */
  messages: number;
}

/** It is no backup, or damaged, or cannot be read; the text names the file. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

const busyTimeoutMs = 10_000;

/**
 * Copies the database at one moment, whether a center has it open or not: commits go on meanwhile. The file is there
 * whole, for its owner alone, or not at all.
 * @throws BackupError where what was copied is damaged; Error where it cannot be written
 */
export function writeBackup(options: { file: string; to: string; identity: string; nowMs: number }): BackupFacts {
  const { file, to, identity, nowMs } = options;
  const unfinished = `${to}.unfinished`;
  rmSync(unfinished, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  try {
    copySnapshot(file, unfinished);
    const db = new DatabaseSync(unfinished);
    try {
      db.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA application_id = ${backupId};
        CREATE TABLE backup (taken_at_ms REAL NOT NULL, identity TEXT NOT NULL) STRICT`);
      settle(db);
      db.prepare('INSERT INTO backup SELECT max(time_ms, ?), ? FROM center').run(nowMs, identity);
    } finally {
      db.close();
    }
    const facts = readBackup(unfinished, file);
    moveInto(unfinished, to);
    return facts;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/** So that whoever reads a backup finds all of it in its place. What is damaged is left, and found when it is read. */
function settle(db: DatabaseSync): void {
  if (pragma(db, 'user_version') < recentSince) return;
  db.exec('BEGIN');
  try {
    new Recent(db, new MailboxRows(db)).settleAll();
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    if (!(error instanceof StoreError)) throw error;
  }
}

function copySnapshot(file: string, to: string): void {
  // Only reading: whoever closes a database last after writing moves its log.
  const db = new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs });
  try {
    db.prepare('VACUUM INTO ?').run(to);
  } finally {
    db.close();
  }
}

/**
 * What is in a backup, all of it looked at.
 * @param source what is damaged if it is: the backup, or whatever it was just made of
 * @throws BackupError
 */
export function readBackup(path: string, source = path): BackupFacts {
  if (!existsSync(path)) throw new BackupError(`There is no file ${path}.`);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const id = pragma(db, 'application_id');
    if (id === applicationId) {
      throw new BackupError(`${path} is the database of a center, not a backup: \`center backup\` makes those.`);
    }
    if (id !== backupId) throw new BackupError(`${path} is not a backup of a Parley center.`);
    if (pragma(db, 'user_version') > migrations.length) {
      throw new BackupError(`${path} was made by a newer version of the center: use that one.`);
    }
    const [damage] = findDamage(db);
    if (damage) throw new BackupError(`${source} is damaged: ${tellDamage(damage)}.`);
    return factsOf(db);
  } catch (error) {
    if (error instanceof BackupError) throw error;
    const why = (error as Error).message;
    throw new BackupError(`${path} is not a backup of a Parley center, or a damaged one: ${why}.`, { cause: error });
  } finally {
    db?.close();
  }
}

function factsOf(db: DatabaseSync): BackupFacts {
  const facts = query<Pick<BackupFacts, 'takenAtMs' | 'identity'>>(
    db,
    'SELECT taken_at_ms AS takenAtMs, identity FROM backup',
  ).get();
  if (!facts) throw new Error('it names no center');
  return { ...facts, ...countContents(db) };
}

/** Makes a center's database, yet to be put in its place, of a copy of a backup. @param timeMs not to be gone behind */
export function unpackBackup(copy: string, timeMs: number): void {
  const db = new DatabaseSync(copy);
  try {
    db.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; DROP TABLE backup;
      PRAGMA application_id = ${applicationId}`);
    migrate(db, copy);
    db.prepare('UPDATE center SET time_ms = max(time_ms, ?)').run(timeMs);
    rewind(db);
  } finally {
    db.close();
  }
}
