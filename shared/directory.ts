// The directory where a program keeps what it knows: where it is, who may read it, and one owner at a time.
import { accessSync, constants, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { pid } from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';

/** Two programs that try at the same moment can both be told busy once; trying for this long settles it. */
const settleMs = 50;
const pollMs = 25;
const sqliteBusy = 5;

/** Somebody else holds the lock. `pid` is the holder's, null where it could not be read. */
export class DirectoryInUse extends Error {
  readonly pid: number | null;
  constructor(path: string, holder: Holder | null) {
    const who = holder === null ? 'another process' : `process ${holder.pid}${holder.who && ` (${holder.who})`}`;
    super(`${path} is in use by ${who}. Stop that one first, or choose another directory with --data.`);
    this.name = 'DirectoryInUse';
    this.pid = holder?.pid ?? null;
  }
}

/** To be kept by its owner: the lock ends when this is garbage. */
export interface DirectoryLock {
  /** Lets the next one in. Doing it twice is the same as once. */
  release(): void;
}

interface Holder {
  pid: number;
  who: string;
}

/**
 * Makes a directory that only its owner can enter, and those above it. One that exists keeps its permissions.
 * @throws Error that names the path and what to do, where it cannot be made or written to
 */
export function makeDirectory(path: string): void {
  try {
    makeWithParents(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Not mkdirSync's `recursive`: it tries for ever where a file system says ENOENT whatever is there (/proc). */
function makeWithParents(path: string, parents: 'make' | 'made' = 'make'): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const above = dirname(path);
    if (code === 'ENOENT' && parents === 'make' && above !== path) {
      makeWithParents(above);
      makeWithParents(path, 'made');
    } else if (code !== 'EEXIST' || !statSync(path).isDirectory()) {
      throw error;
    }
  }
}

/**
 * Takes a directory (which exists) for this process, until it is released or the process dies, however it dies.
 * @param who what this process is, told to those who are refused: `center`, `peer`
 * @throws DirectoryInUse where somebody else holds it, be it in this same process
 */
export function lockDirectory(path: string, who: string): DirectoryLock {
  const lock = tryLock(path, who, settleMs);
  if (lock === null) throw new DirectoryInUse(path, readHolder(path));
  return lock;
}

/**
 * The same for one that takes over from a process that is closing: tries until timeoutMs have passed.
 * @throws DirectoryInUse after that; the signal's reason when it is aborted
 */
export async function waitForLock(
  path: string,
  timeoutMs: number,
  who = '',
  signal?: AbortSignal,
): Promise<DirectoryLock> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const lock = tryLock(path, who, 0);
    if (lock !== null) return lock;
    if (performance.now() >= endMs) throw new DirectoryInUse(path, readHolder(path));
    await wait(pollMs, undefined, signal ? { signal } : {});
  }
}

/** Where a program keeps its data unless told otherwise (XDG Base Directory Specification). */
export function defaultDataDir(program: 'center' | 'peer', env: Record<string, string | undefined>): string {
  const xdg = env.XDG_DATA_HOME;
  // The specification: a relative path there is invalid and ignored.
  const base = xdg && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), '.local', 'share');
  return join(base, 'parley', program);
}

/** An SQLite file in an exclusive transaction: its locks are the kernel's, so they end with the process and need no clearing up. */
function tryLock(path: string, who: string, timeoutMs: number): DirectoryLock | null {
  const file = join(path, 'lock');
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: timeoutMs });
    db.exec('BEGIN EXCLUSIVE');
    writeFileSync(holderFile(path), `${pid} ${who}\n`, { mode: 0o600 });
  } catch (error) {
    db?.close();
    if (isBusy(error)) return null;
    throw unusable(path, error);
  }
  const held = db;
  return {
    release: () => {
      if (held.isOpen) held.close();
    },
  };
}

function holderFile(path: string): string {
  return join(path, 'lock.pid');
}

function readHolder(path: string): Holder | null {
  try {
    const [, holder, who] = /^(\d+) (.*)\n/.exec(readFileSync(holderFile(path), 'utf8')) ?? [];
    return holder === undefined || who === undefined ? null : { pid: Number(holder), who };
  } catch {
    // Between the lock and the writing of this file there is a moment without it.
    return null;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}

function unusable(path: string, error: unknown): Error {
  const cause = error instanceof Error ? error : new Error(String(error));
  const code = 'code' in cause ? cause.code : undefined;
  const why =
    code === 'EACCES' || code === 'EPERM'
      ? 'permission denied'
      : code === 'EROFS'
        ? 'the file system is read-only'
        : code === 'ENOSPC'
          ? 'no space is left'
          : code === 'ENOTDIR' || code === 'EEXIST'
            ? 'there is a file of that name in the way'
            : cause.message;
  return new Error(
    `Cannot keep data in ${path}: ${why}. Make it a directory that you may write to, or choose another with --data.`,
    { cause },
  );
}
