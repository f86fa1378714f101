// The engine inside its thread: one database, one transaction a batch, and what to do when that fails.
import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { accountActs } from './account-acts.ts';
import { type Acts, type Query, query } from './acts.ts';
import type { Act, Failure } from './batch.ts';
import { centerActs } from './center-acts.ts';
import { consentActs } from './consent-acts.ts';
import { mailboxActs } from './mailbox-acts.ts';
import { peopleActs } from './people-acts.ts';
import { ReserveFile } from './room.ts';
import { migrate, pragma, WrongVersion } from './schema.ts';
import { StoreError, type StoreFailure } from './store.ts';

export interface EngineOptions {
  file: string;
  /** The database is full at this size; default: when the disk is. */
  maxFileBytes?: number;
  /** Kept free for acts other than append, beside what the write-ahead log needs; default 4 MiB. */
  reserveBytes?: number;
  /** Once full, how long appends are refused before room is looked for again; default 1 s. */
  roomRetryMs?: number;
  /** Files up to this size are checked for damage when opened; default 64 MiB. */
  maxCheckBytes?: number;
}

/** After a failed fsync nobody knows what is on the disk: the engine must not go on, nor try again. */
export class EngineStopped extends Error {}

const busyTimeoutMs = 10_000;
const cacheBytes = 64 * 1024 * 1024;
/** The write-ahead log is moved into the database when it is longer than this; sooner on a full disk, where it cannot grow. */
const checkpointBytes = { enough: 16 * 1024 * 1024, full: 512 * 1024 };

// https://www.sqlite.org/rescode.html
const sqlite = { busy: 5, corrupt: 11, full: 13, notADatabase: 26, fsync: 1034, directoryFsync: 1290 };

export class Engine {
  /** The version of the file before it was brought to this one; 0: it was new. */
  readonly openedFrom: number;
  readonly #db: DatabaseSync;
  readonly #acts: Acts;
  readonly #reserve: ReserveFile;
  /** In pages: how long the log is, and how much of it is in the database too. */
  readonly #logState: Query<{ log: number; checkpointed: number }>;
  readonly #pageBytes: number;
  readonly #maxFileBytes: number;
  readonly #reserveBytes: number;
  readonly #roomRetryMs: number;
  #room: { is: 'enough' } | { is: 'full'; untilMs: number } = { is: 'enough' };

  /**
   * Opens the database, making it where there is none.
   * @throws Error with a text for the operator
   */
  constructor(options: EngineOptions) {
    const { file, maxFileBytes = Number.POSITIVE_INFINITY, reserveBytes = 4 * 1024 * 1024 } = options;
    closeSync(openSync(file, 'a', 0o600));
    const db = new DatabaseSync(file, { timeout: busyTimeoutMs });
    this.#db = db;
    try {
      if (statSync(file).size <= (options.maxCheckBytes ?? 64 * 1024 * 1024)) checkFile(db);
      this.openedFrom = migrate(db, file);
      db.exec('PRAGMA journal_mode = WAL');
      db.exec('PRAGMA synchronous = FULL');
      db.exec('PRAGMA wal_autocheckpoint = 0');
      db.exec(`PRAGMA cache_size = -${cacheBytes / 1024}`);
      this.#acts = { ...accountActs(db), ...peopleActs(db), ...consentActs(db), ...mailboxActs(db), ...centerActs(db) };
    } catch (error) {
      db.close();
      if (error instanceof WrongVersion) throw error;
      throw new Error(`${file} cannot be opened: ${failureOf(error).text}`, { cause: error });
    }
    this.#pageBytes = pragma(db, 'page_size');
    this.#maxFileBytes = maxFileBytes;
    this.#reserveBytes = reserveBytes;
    this.#roomRetryMs = options.roomRetryMs ?? 1000;
    this.#reserve = new ReserveFile(`${file}.reserve`);
    this.#logState = query(db, 'PRAGMA wal_checkpoint(NOOP)');
    if (!this.#findRoom()) this.#becomeFull();
  }

  /**
   * Does a batch in one commit. When this returns, all of it that did not fail is durable.
   * @throws EngineStopped when it must not go on
   */
  run(batch: Act[]): { results: unknown[]; failures: Failure[] } {
    if (this.#room.is === 'full' && (performance.now() < this.#room.untilMs || !this.#findRoom())) {
      return this.#oneByOne(batch);
    }
    try {
      return { results: this.#together(batch), failures: [] };
    } catch (error) {
      this.#rollback(error);
      // Waiting as long again for each act would help nobody.
      if (isBusy(error)) return { results: [], failures: batch.map((_, index) => ({ index, ...failureOf(error) })) };
      if (isFull(error)) this.#becomeFull();
      return this.#oneByOne(batch);
    }
  }

  /** Moves a write-ahead log that has grown long into the database: to be called when nobody waits for a commit. */
  tidy(): void {
    const { log, checkpointed } = this.#logState.get() ?? { log: 0, checkpointed: 0 };
    const bytes = (log - checkpointed) * this.#pageBytes;
    if (bytes > checkpointBytes[this.#room.is]) this.#checkpoint('PASSIVE');
    // The database may have to grow by all of the log: without that room the log could never begin anew.
    else if (this.#room.is === 'enough' && !this.#reserve.hold(this.#reserveBytes + bytes)) this.#checkpoint('PASSIVE');
  }

  close(): void {
    this.#db.close();
  }

  #together(batch: Act[]): unknown[] {
    this.#db.exec('BEGIN IMMEDIATE');
    const results: unknown[] = [];
    for (const act of batch) results.push(this.#perform(act));
    this.#db.exec('COMMIT');
    return results;
  }

  #perform(act: Act): unknown {
    const run = this.#acts[act.name] as (...asked: unknown[]) => unknown;
    return run(...act.asked);
  }

  /** One commit, in which each act stands for itself; and where that cannot be had, a commit for each. */
  #oneByOne(batch: Act[]): { results: unknown[]; failures: Failure[] } {
    try {
      return this.#savepoints(batch);
    } catch (error) {
      this.#rollback(error);
      if (isFull(error) && this.#room.is === 'enough') {
        this.#becomeFull();
        return this.#oneByOne(batch);
      }
    }
    const results: unknown[] = [];
    const failures: Failure[] = [];
    batch.forEach((act, index) => {
      try {
        if (this.#mustWait(act)) throw noRoom();
        results[index] = this.#together([act])[0];
      } catch (error) {
        this.#rollback(error);
        results[index] = undefined;
        failures.push({ index, ...failureOf(error) });
      }
    });
    return { results, failures };
  }

  #savepoints(batch: Act[]): { results: unknown[]; failures: Failure[] } {
    const results: unknown[] = [];
    const failures: Failure[] = [];
    this.#db.exec('BEGIN IMMEDIATE');
    batch.forEach((act, index) => {
      this.#db.exec('SAVEPOINT act');
      try {
        if (this.#mustWait(act)) throw noRoom();
        results[index] = this.#perform(act);
      } catch (error) {
        // SQLite may have ended the whole transaction, and with it the acts before this one.
        if (!this.#db.isTransaction || (isFull(error) && this.#room.is === 'enough')) throw error;
        stopIfLost(error);
        results[index] = undefined;
        failures.push({ index, ...failureOf(error) });
        this.#db.exec('ROLLBACK TO act');
      }
      this.#db.exec('RELEASE act');
    });
    this.#db.exec('COMMIT');
    return { results, failures };
  }

  #rollback(error: unknown): void {
    stopIfLost(error);
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  #mustWait(act: Act): boolean {
    return act.name === 'append' && this.#room.is === 'full';
  }

  /** From here on appends are refused, and the other acts may use what was kept free. */
  #becomeFull(): void {
    this.#room = { is: 'full', untilMs: performance.now() + this.#roomRetryMs };
    this.#reserve.giveUp();
    this.#limitFile(this.#maxFileBytes + this.#reserveBytes);
    // Keeps the log's own room: from here on commits go over what it holds.
    this.#checkpoint('PASSIVE');
  }

  #findRoom(): boolean {
    // What was deleted leaves room inside the database, not beside it: the log's room makes the reserve anew.
    this.#checkpoint('TRUNCATE');
    if (!this.#reserve.hold(this.#reserveBytes)) return false;
    this.#room = { is: 'enough' };
    this.#limitFile(this.#maxFileBytes);
    return true;
  }

  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): void {
    try {
      this.#db.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch (error) {
      stopIfLost(error);
      // Otherwise all is still in the log.
      if (isFull(error) && this.#room.is === 'enough') this.#becomeFull();
    }
  }

  #limitFile(bytes: number): void {
    if (bytes === Number.POSITIVE_INFINITY) return;
    this.#db.exec(`PRAGMA max_page_count = ${Math.floor(bytes / this.#pageBytes)}`);
  }
}

function checkFile(db: DatabaseSync): void {
  const result = db.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (result !== 'ok') throw new StoreError('damaged', `it is damaged: ${result}`);
}

function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
}

function isFull(error: unknown): boolean {
  return (sqliteCode(error) & 255) === sqlite.full;
}

/** Another process writes to the database and does not end. */
function isBusy(error: unknown): boolean {
  return (sqliteCode(error) & 255) === sqlite.busy;
}

function stopIfLost(error: unknown): void {
  const found = sqliteCode(error);
  if (found === sqlite.fsync || found === sqlite.directoryFsync) {
    throw new EngineStopped('the disk failed to keep what was written (fsync)', { cause: error });
  }
}

function noRoom(): StoreError {
  return new StoreError('full', 'there is no room left on the disk');
}

function failureOf(error: unknown): { reason: StoreFailure; text: string } {
  if (error instanceof StoreError) return { reason: error.reason, text: error.message };
  if (isFull(error)) return failureOf(noRoom());
  const text = error instanceof Error ? error.message : String(error);
  const primary = sqliteCode(error) & 255;
  return { reason: primary === sqlite.corrupt || primary === sqlite.notADatabase ? 'damaged' : 'failed', text };
}
