// The engine inside its thread: one database, one transaction a batch, and what to do when that fails.
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { accountActs } from './account-acts.ts';
import type { ActName, Acts } from './acts.ts';
import type { Act, Failure } from './batch.ts';
import { centerActs } from './center-acts.ts';
import { consentActs } from './consent-acts.ts';
import { failureOf, isBusy, isFull, noRoom, stopIfLost } from './failures.ts';
import { mailboxActs } from './mailbox-acts.ts';
import { MailboxRows } from './mailbox-rows.ts';
import { openRecent, refuseDamaged, whyNotOpened } from './opening.ts';
import { peopleActs } from './people-acts.ts';
import type { Recent } from './recent.ts';
import { ReserveFile } from './room.ts';
import { migrate, pragma } from './schema.ts';
import { WriteLog } from './write-log.ts';

export interface EngineOptions {
  file: string;
  /** The database is full at this size; default: when the disk is. */
  maxFileBytes?: number;
  /** Kept free for acts other than append, beside what the write-ahead log needs; default 4 MiB. */
  reserveBytes?: number;
  /** Once full, how long appends are refused before room is looked for again; default 1 s. */
  roomRetryMs?: number;
  /** In files up to this size all is checked for damage when they are opened, in larger ones the log; default 64 MiB. */
  maxCheckBytes?: number;
}

const busyTimeoutMs = 10_000;
const cacheBytes = 64 * 1024 * 1024;
/** The write-ahead log is moved into the database when it is longer than this; sooner on a full disk, where it cannot grow. */
const moveAtBytes = { enough: 16 * 1024 * 1024, full: 512 * 1024 };
/** After settling has failed it is not tried again for so long. */
const settleRetryMs = 1000;

/** Acts that look at, or change, what short runs that came lately have not been settled into yet. */
const needSettled: ReadonlySet<ActName> = new Set<ActName>([
  'setState',
  'reopenClosing',
  'removeAccount',
  'contacts',
  'outbox',
  'mailboxesOlderThan',
  'totalBytes',
]);

export class Engine {
  /** The version of the file before it was brought to this one; 0: it was new. */
  readonly openedFrom: number;
  readonly #db: DatabaseSync;
  readonly #acts: Acts;
  readonly #recent: Recent;
  #settleAfterMs = 0;
  readonly #reserve: ReserveFile;
  readonly #log: WriteLog;
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
    refuseDamaged(file, options.maxCheckBytes ?? 64 * 1024 * 1024, busyTimeoutMs);
    closeSync(openSync(file, 'a', 0o600));
    const db = new DatabaseSync(file, { timeout: busyTimeoutMs });
    this.#db = db;
    try {
      this.openedFrom = migrate(db, file);
      db.exec('PRAGMA journal_mode = WAL');
      db.exec('PRAGMA synchronous = FULL');
      db.exec('PRAGMA wal_autocheckpoint = 0');
      db.exec(`PRAGMA cache_size = -${cacheBytes / 1024}`);
      const rows = new MailboxRows(db);
      this.#recent = openRecent(db, rows, file);
      const mail = mailboxActs(db, rows, this.#recent);
      const people = peopleActs(db);
      this.#acts = { ...accountActs(db, people), ...people, ...consentActs(db), ...mail, ...centerActs(db) };
      this.#pageBytes = pragma(db, 'page_size');
      this.#log = new WriteLog(db, file, this.#pageBytes);
    } catch (error) {
      db.close();
      throw whyNotOpened(file, error);
    }
    this.#maxFileBytes = maxFileBytes;
    this.#reserveBytes = reserveBytes;
    this.#roomRetryMs = options.roomRetryMs ?? 1000;
    this.#reserve = new ReserveFile(`${file}.reserve`);
    if (!this.#findRoom()) this.#becomeFull();
  }

  /**
   * Does a batch in one commit. When this returns, all of it that did not fail is durable.
   * @throws EngineStopped when it must not go on
   */
  run(batch: Act[]): { results: unknown[]; failures: Failure[] } {
    const done = this.#run(batch);
    this.#log.committed();
    return done;
  }

  #run(batch: Act[]): { results: unknown[]; failures: Failure[] } {
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

  /**
   * Settles what has gathered, and moves a write-ahead log that has grown long into the database: to be called when
   * nobody waits for a commit.
   */
  tidy(): void {
    if (this.#recent.isEnough && performance.now() > this.#settleAfterMs) this.#settle();
    const bytes = this.#log.waitingBytes;
    if (bytes > moveAtBytes[this.#room.is]) this.#moveLog();
    // The database may have to grow by all of the log, and the log by what is to be settled: without that room the log
    // could never begin anew.
    else if (this.#room.is === 'enough' && !this.#reserve.hold(this.#reserveBytes + this.#recent.bytes + bytes)) {
      this.#moveLog();
    }
  }

  close(): void {
    this.#settle();
    this.#moveLog();
    this.#log.close();
  }

  /** Where it cannot be, all of it stays where it is. */
  #settle(): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      this.#recent.settleAll();
      this.#commit();
      this.#log.committed();
    } catch (error) {
      this.#settleAfterMs = performance.now() + settleRetryMs;
      this.#rollback(error);
      if (isFull(error) && this.#room.is === 'enough') this.#becomeFull();
    }
  }

  #commit(): void {
    this.#db.exec('COMMIT');
    this.#recent.committed();
  }

  #together(batch: Act[]): unknown[] {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#recent.gather();
    const results: unknown[] = [];
    for (const act of batch) results.push(this.#perform(act));
    this.#recent.write();
    this.#commit();
    return results;
  }

  #perform(act: Act): unknown {
    if (needSettled.has(act.name)) this.#recent.settleAll();
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
        this.#recent.undone();
      }
      this.#db.exec('RELEASE act');
    });
    this.#commit();
    return { results, failures };
  }

  #rollback(error: unknown): void {
    stopIfLost(error);
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    this.#recent.undone();
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
    this.#moveLog();
    this.#settle();
  }

  #findRoom(): boolean {
    // What was deleted leaves room inside the database, not beside it: the log's room makes the reserve anew.
    if (!this.#log.letGo()) return false;
    // Who reads just now (a backup, say) may do so for long: the log is then made short another time.
    this.#db.exec('PRAGMA busy_timeout = 0');
    this.#moveLog('all of it');
    this.#db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    if (!this.#reserve.hold(this.#reserveBytes)) return false;
    this.#room = { is: 'enough' };
    this.#limitFile(this.#maxFileBytes);
    return true;
  }

  #moveLog(how: 'as much as can be' | 'all of it' = 'as much as can be'): void {
    try {
      if (how === 'all of it') this.#log.empty();
      else this.#log.move();
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
