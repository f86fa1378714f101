// What SQLite's errors mean to the engine, and to whoever asked it for something.
import { StoreError, type StoreFailure } from './store.ts';

/** After a failed fsync nobody knows what is on the disk: the engine must not go on, nor try again. */
export class EngineStopped extends Error {}

export const fsyncText = 'the disk failed to keep what was written (fsync)';

// https://www.sqlite.org/rescode.html
const sqlite = { busy: 5, corrupt: 11, full: 13, notADatabase: 26, check: 275, fsync: 1034, directoryFsync: 1290 };

function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
}

export function isFull(error: unknown): boolean {
  return (sqliteCode(error) & 255) === sqlite.full;
}

/** Another process writes to the database and does not end. */
export function isBusy(error: unknown): boolean {
  return (sqliteCode(error) & 255) === sqlite.busy;
}

/** @throws EngineStopped for an error after which nobody knows what is on the disk */
export function stopIfLost(error: unknown): void {
  const found = sqliteCode(error);
  if (found === sqlite.fsync || found === sqlite.directoryFsync) {
    throw new EngineStopped(fsyncText, { cause: error });
  }
}

export function noRoom(): StoreError {
  return new StoreError('full', 'there is no room left on the disk');
}

/** What an error means to whoever asked for an act. */
export function failureOf(error: unknown): { reason: StoreFailure; text: string } {
  if (error instanceof StoreError) return { reason: error.reason, text: error.message };
  if (isFull(error)) return failureOf(noRoom());
  const text = error instanceof Error ? error.message : String(error);
  const code = sqliteCode(error);
  // The only rows with a condition are those with a checksum.
  const isDamage =
    [sqlite.corrupt, sqlite.notADatabase].includes(code & 255) ||
    code === sqlite.check ||
    // A number that none of ours can be.
    (error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE';
  return { reason: isDamage ? 'damaged' : 'failed', text };
}
