// What the file of a database must pass before the engine opens it, and what is said where it does not.
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { findDamage, tellDamage } from './damage.ts';
import { EngineStopped, failureOf } from './failures.ts';
import { findFileDamage } from './file-damage.ts';
import type { MailboxRows } from './mailbox-rows.ts';
import { Recent } from './recent.ts';
import { applicationId, migrations, pragma, WrongVersion } from './schema.ts';
import { StoreError } from './store.ts';
import { readTail } from './tail.ts';

/** Before it is opened for writing, which would move its log into it: what is damaged is left as it was found. */
export function refuseDamaged(file: string, maxCheckBytes: number, busyTimeoutMs: number): void {
  const damage = findFileDamage(file);
  if (damage !== null) throw damagedFile(file, damage.text);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || size > maxCheckBytes) return;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs });
    // Of another program or a newer version: migrate() says so.
    if (pragma(db, 'application_id') !== applicationId || pragma(db, 'user_version') > migrations.length) return;
    // One lock for all that is read, not one for each mailbox.
    db.exec('BEGIN');
    const first = findDamage(db).next().value;
    if (first !== undefined) throw damagedFile(file, tellDamage(first));
  } catch (error) {
    throw whyNotOpened(file, error);
  } finally {
    db?.close();
  }
}

/** What has not settled yet, all of it as it was written. */
export function openRecent(db: DatabaseSync, rows: MailboxRows, file: string): Recent {
  try {
    return new Recent(db, rows);
  } catch (error) {
    if (error instanceof StoreError) throw damagedFile(file, error.message);
    throw error;
  }
}

function damagedFile(file: string, what: string): StoreError {
  return new StoreError(
    'damaged',
    `${file} is damaged: ${what}. \`center check\` shows all of it, and \`center check --salvage\` rescues the rest; ` +
      'or restore a backup with `center restore`.',
  );
}

/** In words for the operator: what kept a database from being opened. */
export function whyNotOpened(file: string, error: unknown): Error {
  if (error instanceof WrongVersion || error instanceof StoreError || error instanceof EngineStopped) return error;
  const { reason, text } = failureOf(error);
  // A center's own database has a tail, and nothing else has.
  if (reason === 'damaged' && readTail(file) !== 'unknown') return damagedFile(file, text);
  return new Error(`${file} cannot be opened: ${text}`, { cause: error });
}
