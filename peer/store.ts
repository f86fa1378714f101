// The file in which a peer keeps outbox and history: one for each center and account, one commit for each turn of the
// event loop. What is in its tables is told by outgoing.ts and incoming.ts.
import { chmodSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ParleyError } from '../shared/errors.ts';
import { Statement } from './statement.ts';
import { makeSchema } from './store-schema.ts';

/** How long what nobody waits for may stay uncommitted. */
const soonMs = 100;
const sqliteFull = 13;
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;
/** Extended codes have theirs in the lowest byte. */
const primaryCode = 0xff;

/** now: at the end of this turn of the event loop. soon: with the next such commit, or within a tenth of a second. */
export type Urgency = 'now' | 'soon';

type State =
  | { kind: 'idle' }
  | { kind: 'writing'; due: { kind: 'turn'; timer: NodeJS.Immediate } | { kind: 'soon'; timer: NodeJS.Timeout } }
  | { kind: 'closed' };

export class Store {
  /** False: in memory only. */
  readonly durable: boolean;
  readonly #path: string | null;
  readonly #db: DatabaseSync;
  readonly #beginStatement: StatementSync;
  readonly #commitStatement: StatementSync;
  readonly #onFailure: (error: ParleyError) => void;
  readonly #beforeCommit: (() => void)[] = [];
  /** For the commit of this turn. */
  #afterCommit: (() => void)[] = [];
  /** Committed, and being run: those before the place are. Empty outside of that. */
  #running: (() => void)[] = [];
  #place = 0;
  #state: State = { kind: 'idle' };

  /**
   * @param path the file, made where there is none; null keeps everything in memory
   * @param onFailure called once if something cannot be written: nothing of that turn was kept, and the store is closed
   * @throws ParleyError bad_data, for a file that cannot be used or is from a newer version
   */
  constructor(path: string | null, onFailure: (error: ParleyError) => void) {
    this.durable = path !== null;
    this.#path = path;
    this.#onFailure = onFailure;
    this.#db = open(path);
    this.#beginStatement = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commitStatement = this.#db.prepare('COMMIT');
  }

  /** Damage that it meets ends the store, even where it only reads: what is written on top of it would spoil more. */
  prepare(sql: string): Statement {
    const told = (error: unknown): unknown => (isDamage(error) ? this.#fail(error) : error);
    try {
      return new Statement(this.#db.prepare(sql), told);
    } catch (error) {
      throw told(error);
    }
  }

  get closed(): boolean {
    return this.#state.kind === 'closed';
  }

  /** Runs writes in the transaction of this turn. What throws ends the store: half of an act must not be committed. */
  write<T>(urgency: Urgency, act: () => T): T {
    try {
      this.#begin(urgency);
      return act();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Runs when what was written in this turn is durable; at once where nothing urgent was written. Acts run in the order
   * in which they were given.
   */
  afterCommit(act: () => void): void {
    if (this.#state.kind === 'writing' && this.#state.due.kind === 'turn') this.#afterCommit.push(act);
    else if (this.#running.length > 0) this.#running.push(act);
    else act();
  }

  /** For what gathers in memory during a turn: runs in each transaction, just before it is committed. */
  beforeCommit(act: () => void): void {
    this.#beforeCommit.push(act);
  }

  /** Commits at once, if there is anything to commit. */
  commit(): void {
    if (this.#state.kind !== 'writing') return;
    this.#stopTimer();
    try {
      for (const act of this.#beforeCommit) act();
      this.#commitStatement.run();
      this.#state = { kind: 'idle' };
    } catch (error) {
      this.#fail(error);
      return;
    }
    for (const act of this.#afterCommit) this.#running.push(act);
    this.#afterCommit = [];
    // Acts add to the row while it is gone through, and one of them may commit or close: then the rest runs there.
    while (this.#place < this.#running.length) {
      const act = this.#running[this.#place]!;
      this.#place += 1;
      this.guard(act);
    }
    this.#running = [];
    this.#place = 0;
  }

  /** Runs what nobody can catch for: a failed write has been told to onFailure, and ends nothing else. */
  guard(act: () => void): void {
    if (this.closed) return;
    try {
      act();
    } catch (error) {
      if (!this.closed) throw error;
    }
  }

  /** Commits and closes. Doing it twice is the same as once. */
  close(): void {
    this.commit();
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#db.close();
  }

  #begin(urgency: Urgency): void {
    const state = this.#state;
    if (state.kind === 'closed') throw new ParleyError('wrong_state', 'The history is closed.');
    if (state.kind === 'writing' && (urgency === 'soon' || state.due.kind === 'turn')) return;
    if (state.kind === 'writing') this.#stopTimer();
    else this.#beginStatement.run();
    const commit = () => this.commit();
    this.#state = {
      kind: 'writing',
      due:
        urgency === 'now'
          ? { kind: 'turn', timer: setImmediate(commit) }
          : { kind: 'soon', timer: setTimeout(commit, soonMs) },
    };
  }

  #stopTimer(): void {
    if (this.#state.kind !== 'writing') return;
    const { due } = this.#state;
    if (due.kind === 'turn') clearImmediate(due.timer);
    else clearTimeout(due.timer);
  }

  #fail(error: unknown): ParleyError {
    const failure = error instanceof ParleyError ? error : unusable(error, this.#path);
    if (this.#state.kind === 'closed') return failure;
    this.#stopTimer();
    this.#state = { kind: 'closed' };
    this.#afterCommit = [];
    // Closing rolls back.
    this.#db.close();
    this.#onFailure(failure);
    return failure;
  }
}

function open(path: string | null): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path ?? ':memory:');
    if (path !== null) chmodSync(path, 0o600);
    // In memory nothing is rolled back: a store in which something failed is closed, and gone.
    db.exec(path === null ? 'PRAGMA journal_mode = OFF' : 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    db.exec('PRAGMA foreign_keys = ON');
    makeSchema(db, path ?? 'memory');
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof ParleyError) throw error;
    if (codeOf(error) === sqliteCorrupt) throw damaged(error, path);
    const advice = codeOf(error) === sqliteNotADatabase ? '. Move it away to begin a new one' : '';
    throw new ParleyError('bad_data', `The history ${path} cannot be opened: ${messageOf(error)}${advice}.`);
  }
}

function codeOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & primaryCode : 0;
}

function isDamage(error: unknown): boolean {
  return codeOf(error) === sqliteCorrupt || codeOf(error) === sqliteNotADatabase;
}

function unusable(error: unknown, path: string | null): ParleyError {
  if (isDamage(error)) return damaged(error, path);
  return codeOf(error) === sqliteFull
    ? new ParleyError('store_full', 'The disk is full: outbox and history cannot be written.')
    : new ParleyError('bad_data', `Outbox and history cannot be written: ${messageOf(error)}`);
}

function damaged(error: unknown, path: string | null): ParleyError {
  const text =
    `The history ${path ?? 'in memory'} is damaged (${messageOf(error)}) and left as it is. Move it away, together with ` +
    'its -wal and -shm, to begin a new one: what was not stored waits at the center, what was not sent stays in this one.';
  return new ParleyError('bad_data', text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
