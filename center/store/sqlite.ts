// The default store: SQLite in a thread of its own. Acts asked for while it is busy go together in its next commit.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ActName } from './acts.ts';
import { type BatchReply, BatchWriter, type OpenReply, type ThreadReply } from './batch.ts';
import type { EngineOptions } from './engine.ts';
import { type AppendRun, type Mark, type Store, StoreError } from './store.ts';

/** As pino has it. */
export interface StoreLog {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface SqliteStoreOptions extends EngineOptions {
  log?: StoreLog;
  /** Called once if the engine stops without being closed: nothing more can be stored, and the center must end. */
  onFailed?: (error: StoreError) => void;
}

/** A commit is not made longer than this: those who wait for it would wait too long. */
export const maxBatchBytes = 8 * 1024 * 1024;
/** What can wait for the thread; then appends are refused as full. */
export const maxWaitingBytes = 256 * 1024 * 1024;
/** How many acts can wait for the thread; then any is refused. */
export const maxWaitingActs = 250_000;
/** Buffers of done batches that are kept for the next ones. */
const maxSpares = 2;

/**
 * Opens the database, making it where there is none; one of an older version is copied to `<file>.bak-v<version>`
 * and brought to this one.
 * @throws Error that says what is wrong with the file: damaged, of a newer version, not to be opened
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { log, onFailed, ...engineOptions } = options;
  // The build rewrites the endings of imports, not of URLs.
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const worker = new Worker(new URL(`./sqlite-worker${ending}`, import.meta.url), {
    name: 'store',
    workerData: engineOptions,
    // Options meant for the program (--input-type, say) can keep a thread from starting.
    execArgv: [],
  });
  const [reply] = (await once(worker, 'message')) as [OpenReply];
  if (!reply.opened) {
    await worker.terminate();
    throw new Error(reply.text);
  }
  if (reply.from > 0) log?.info({ file: options.file, version: reply.from }, 'store opened');
  return new SqliteStore(worker, (error) => {
    log?.error({ err: error }, 'store stopped');
    onFailed?.(error);
  });
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: StoreError): void;
}

interface Batch {
  writer: BatchWriter;
  waiting: Waiting[];
}

type State =
  | { is: 'open' }
  | { is: 'closing'; closed: PromiseWithResolvers<void> }
  | { is: 'stopped'; why: StoreError };

class SqliteStore implements Store {
  readonly #worker: Worker;
  readonly #onStopped: (error: StoreError) => void;
  #state: State = { is: 'open' };
  /** gathering: a batch will be sent when this turn ends. busy: the thread has a batch. */
  #thread: { is: 'idle' | 'gathering' | 'told to close' } | { is: 'busy'; batch: Batch } = { is: 'idle' };
  /** In the order in which they go; all but the last are full. */
  readonly #batches: Batch[] = [];
  #waitingActs = 0;
  #waitingBytes = 0;
  readonly #spares: ArrayBuffer[] = [];

  constructor(worker: Worker, onStopped: (error: StoreError) => void) {
    this.#worker = worker;
    this.#onStopped = onStopped;
    worker.on('message', (reply: ThreadReply) => {
      if ('stopped' in reply) this.#stop(reply.stopped);
      else this.#settle(reply);
    });
    worker.on('error', (error) => this.#stop(String(error)));
    worker.on('exit', () => this.#stop('its thread has ended'));
  }

  readonly createAccount = this.#act('createAccount');
  readonly account = this.#act('account');
  readonly accountNamed = this.#act('accountNamed');
  readonly accounts = this.#act('accounts');
  readonly claimSession = this.#act('claimSession');
  readonly resumeSession = this.#act('resumeSession');
  readonly endSession = this.#act('endSession');
  readonly setPassword = this.#act('setPassword');
  readonly changePassword = this.#act('changePassword');
  readonly setBan = this.#act('setBan');
  readonly setState = this.#act('setState');
  readonly removeAccount = this.#act('removeAccount');
  readonly releaseName = this.#act('releaseName');
  readonly reopenClosing = this.#act('reopenClosing');
  readonly onlineAccounts = this.#act('onlineAccounts');
  readonly setOffline = this.#act('setOffline');
  readonly setBlock = this.#act('setBlock');
  readonly blocks = this.#act('blocks');
  readonly addFamiliar = this.#act('addFamiliar');
  readonly isFamiliar = this.#act('isFamiliar');
  readonly contacts = this.#act('contacts');
  readonly askAddress = this.#act('askAddress');
  readonly denyAddress = this.#act('denyAddress');
  readonly allowAddress = this.#act('allowAddress');
  readonly consents = this.#act('consents');
  readonly consentsAndRequests = this.#act('consentsAndRequests');
  readonly endConsents = this.#act('endConsents');
  readonly openMailbox = this.#act('openMailbox');
  readonly read = this.#act('read');
  readonly discard = this.#act('discard');
  readonly mailboxesOlderThan = this.#act('mailboxesOlderThan');
  readonly totalBytes = this.#act('totalBytes');
  readonly createInvite = this.#act('createInvite');
  readonly invites = this.#act('invites');
  readonly setLockouts = this.#act('setLockouts');
  readonly lockouts = this.#act('lockouts');
  readonly saveTime = this.#act('saveTime');
  readonly time = this.#act('time');

  append(id: number, run: AppendRun): Promise<'accepted' | 'repeat' | 'gone'> {
    if (this.#waitingBytes + run.frames.length > maxWaitingBytes) {
      return Promise.reject(new StoreError('full', 'too much waits to be written'));
    }
    return this.#ask((writer) => writer.append(id, run));
  }

  saveMarks(id: number, marks: Mark[], reservedTo: number): Promise<void> {
    return this.#ask((writer) => writer.saveMarks(id, marks, reservedTo));
  }

  advance(id: number, generation: number, position: number, marks: Mark[]): Promise<'done' | 'stale'> {
    return this.#ask((writer) => writer.advance(id, generation, position, marks));
  }

  outbox(sender: number, outbox: Uint8Array): ReturnType<Store['outbox']> {
    // A view of a pool would be cloned with all of the pool.
    return this.#ask((writer) => writer.other('outbox', [sender, new Uint8Array(outbox)]));
  }

  close(): Promise<void> {
    if (this.#state.is === 'stopped') return Promise.resolve();
    if (this.#state.is === 'open') {
      this.#state = { is: 'closing', closed: Promise.withResolvers() };
      if (this.#thread.is === 'idle') this.#sendNext();
    }
    return this.#state.closed.promise;
  }

  /** Any act that is not done often enough to deserve bytes of its own. */
  #act<Name extends ActName>(name: Name): Store[Name] {
    const act = (...asked: unknown[]) => this.#ask((writer) => writer.other(name, asked));
    return act as Store[Name];
  }

  #ask<Result>(write: (writer: BatchWriter) => void): Promise<Result> {
    if (this.#state.is === 'stopped') return Promise.reject(this.#state.why);
    if (this.#state.is === 'closing') return Promise.reject(new StoreError('closed', 'the store is closed'));
    if (this.#waitingActs >= maxWaitingActs) {
      return Promise.reject(new StoreError('failed', 'too much is asked of the store at once'));
    }
    let batch = this.#batches.at(-1);
    if (!batch || batch.writer.length >= maxBatchBytes) {
      batch = { writer: new BatchWriter(this.#spares.pop()), waiting: [] };
      this.#batches.push(batch);
    }
    const { writer, waiting } = batch;
    const before = writer.length;
    write(writer);
    this.#waitingBytes += writer.length - before;
    this.#waitingActs++;
    if (this.#thread.is === 'idle') {
      this.#thread = { is: 'gathering' };
      setImmediate(() => this.#sendNext());
    }
    return new Promise((resolve, reject) => {
      waiting.push({ resolve: resolve as (result: unknown) => void, reject });
    });
  }

  #sendNext(): void {
    const batch = this.#batches.shift();
    if (batch) {
      this.#thread = { is: 'busy', batch };
      const message = batch.writer.message();
      this.#worker.postMessage(message, [message.bytes]);
    } else if (this.#state.is === 'closing') {
      this.#thread = { is: 'told to close' };
      this.#worker.postMessage('close');
    } else {
      this.#thread = { is: 'idle' };
    }
  }

  #settle({ results, failures, bytes, length }: BatchReply): void {
    if (this.#thread.is !== 'busy') return;
    const { waiting } = this.#thread.batch;
    // At once, so that the thread works while those who waited go on.
    this.#sendNext();
    this.#waitingActs -= waiting.length;
    this.#waitingBytes -= length;
    if (this.#spares.length < maxSpares && bytes.byteLength <= 2 * maxBatchBytes) this.#spares.push(bytes);
    for (const { index, reason, text } of failures) waiting[index]?.reject(new StoreError(reason, text));
    // Those that were rejected stay so.
    for (let index = 0; index < waiting.length; index++) waiting[index]?.resolve(results[index]);
  }

  /** The engine is gone, be it that it was told to close. */
  #stop(text: string): void {
    if (this.#state.is === 'stopped') return;
    const closing = this.#state.is === 'closing' ? this.#state.closed : null;
    const failed = this.#thread.is !== 'told to close';
    const why = new StoreError('closed', failed ? `the store has stopped: ${text}` : 'the store is closed');
    this.#state = { is: 'stopped', why };
    const batches = this.#thread.is === 'busy' ? [this.#thread.batch, ...this.#batches] : this.#batches;
    for (const { waiting } of batches) for (const { reject } of waiting) reject(why);
    this.#batches.length = 0;
    if (failed) {
      void this.#worker.terminate();
      this.#onStopped(why);
    }
    closing?.resolve();
  }
}
