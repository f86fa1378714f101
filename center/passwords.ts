// Passwords are hashed and checked here: on the thread pool, few at once, behind a bounded queue.
import bcrypt from 'bcrypt';
import { ParleyError } from '../shared/errors.ts';
import { checkPassword, maxPasswordBytes } from '../shared/names.ts';

const defaultCost = 12;
/** The thread pool (four threads by default) also serves files and keys: half of it is left to them. */
const defaultAtOnce = 2;
const defaultMaxWaiting = 64;
/** Until one has been measured. */
const firstHashMs = 250;

export interface PasswordsOptions {
  /** bcrypt's: each step doubles the work. */
  cost?: number;
  /** Hashes computed at once. */
  atOnce?: number;
  /** Hashes waiting; more are refused. */
  maxWaiting?: number;
}

interface Waiting {
  /** Whether anybody is there for the answer. */
  isWanted: () => boolean;
  start(): void;
  refuse(error: ParleyError): void;
}

const always = () => true;

export class Passwords {
  readonly #cost: number;
  readonly #atOnce: number;
  readonly #maxWaiting: number;
  readonly #dummyHash: string;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #hashMs = firstHashMs;
  /** Set by close; resolved when the last one running is done. */
  #closing: PromiseWithResolvers<void> | null = null;

  constructor(options: PasswordsOptions = {}) {
    this.#cost = options.cost ?? defaultCost;
    this.#atOnce = options.atOnce ?? defaultAtOnce;
    this.#maxWaiting = options.maxWaiting ?? defaultMaxWaiting;
    // A salt and 31 characters: no password's hash that anybody will find, but as much work to compare with.
    this.#dummyHash = bcrypt.genSaltSync(this.#cost) + '.'.repeat(31);
  }

  /** A bcrypt hash. Throws bad_password for what bcrypt would cut, busy where too many wait. */
  async hash(password: string): Promise<string> {
    checkPassword(password);
    return this.#run(() => bcrypt.hash(password, this.#cost));
  }

  /**
   * hash null: there is no such account, which costs as much time as a wrong password. isWanted is asked before work begins:
   * what nobody waits for any more is not computed. That gives whoever hangs up no guess for nothing, since nothing of the
   * answer has come to be; what has begun is finished, and counts. Throws busy where too many wait, timeout where unwanted.
   */
  async verify(password: string, hash: string | null, isWanted: () => boolean = always): Promise<boolean> {
    // bcrypt stops reading at 72 bytes or a NUL: what is longer could pass for what is right.
    const readable = Buffer.byteLength(password) <= maxPasswordBytes && !password.includes('\0');
    const same = await this.#run(() => bcrypt.compare(password, hash ?? this.#dummyHash), isWanted);
    return same && readable && hash !== null;
  }

  /** Refuses what waits (shutting_down) and everything later; resolves when nothing runs any more. */
  close(): Promise<void> {
    const stopped = new ParleyError('shutting_down', 'The center is stopping.');
    for (const { refuse } of this.#waiting.splice(0)) refuse(stopped);
    this.#closing ??= Promise.withResolvers();
    if (this.#running === 0) this.#closing.resolve();
    return this.#closing.promise;
  }

  async #run<T>(work: () => Promise<T>, isWanted: () => boolean = always): Promise<T> {
    await this.#place(isWanted);
    const startedAtMs = performance.now();
    try {
      return await work();
    } finally {
      this.#hashMs = performance.now() - startedAtMs;
      this.#running -= 1;
      this.#startNext();
      if (this.#running === 0) this.#closing?.resolve();
    }
  }

  #startNext(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.isWanted()) return next.start();
      next.refuse(unwanted());
    }
  }

  #dropUnwanted(): void {
    for (const one of this.#waiting.splice(0)) {
      if (one.isWanted()) this.#waiting.push(one);
      else one.refuse(unwanted());
    }
  }

  /** Waits for a place and takes it. */
  async #place(isWanted: () => boolean): Promise<void> {
    if (this.#closing !== null) throw new ParleyError('shutting_down', 'The center is stopping.');
    if (!isWanted()) throw unwanted();
    if (this.#running < this.#atOnce) {
      this.#running += 1;
      return;
    }
    // Those who hung up keep nobody out.
    if (this.#waiting.length >= this.#maxWaiting) this.#dropUnwanted();
    if (this.#waiting.length >= this.#maxWaiting) {
      const retryAfterMs = Math.ceil((this.#waiting.length * this.#hashMs) / this.#atOnce);
      throw new ParleyError('busy', 'Too many are logging in just now. Please try again in a moment.', {
        retryAfterMs,
      });
    }
    await new Promise<void>((resolve, reject) => {
      // The place is taken on behalf of the one who waits, before anybody new can ask for it.
      const start = () => {
        this.#running += 1;
        resolve();
      };
      this.#waiting.push({ isWanted, start, refuse: reject });
    });
  }
}

function unwanted(): ParleyError {
  return new ParleyError('timeout', 'The connection is gone.');
}
