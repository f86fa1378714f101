// Wrong passwords are counted here, and what is locked for them: an account from an address, an address, an account.
import { ParleyError } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import type { Clock } from './clock.ts';
import type { LockoutRecord } from './store/store.ts';

export interface LockoutLimits {
  /** Wrong passwords for one account from one address until the pair is locked. */
  maxWrong: number;
  /** How long a pair or an address is locked. */
  lockMs: number;
  /** Without a wrong password for so long, those before are forgotten. */
  forgetMs: number;
  /** Different accounts that one address may fail for until it is locked. */
  maxAccounts: number;
  /** Wrong passwords for one account from anywhere, in the time below, until only familiar peers are answered. */
  maxWrongAnywhere: number;
  anywhereMs: number;
  /** Pairs, addresses and accounts remembered, of each; above it the oldest are forgotten. */
  maxRemembered: number;
  /** Attempts for one pair waiting for the one before them to be judged. */
  maxInLine: number;
}

export const lockoutLimits: LockoutLimits = {
  maxWrong: 3,
  lockMs: 60_000,
  forgetMs: 600_000,
  maxAccounts: 10,
  maxWrongAnywhere: 30,
  anywhereMs: 3_600_000,
  maxRemembered: 50_000,
  maxInLine: 64,
};

export interface Attempt {
  /** As typed; whether an account has it makes no difference here. */
  name: string;
  /** As counted: an IPv4 address or an IPv6 /64. */
  address: string;
  /** An address that somebody is logged in from is not locked as a whole. */
  hasLiveSession: boolean;
  /** Whether the account has logged in before with this key or from this address. Asked only where it matters. */
  isFamiliar: () => Promise<boolean>;
}

/** Wrong passwords by key of what they count for; the longest unchanged first. */
interface Counts {
  pairs: Map<string, { count: number; lastMs: number }>;
  /** By address: when each account (by folded name) last failed. */
  addresses: Map<string, Map<string, number>>;
  /** By folded name: when, at most maxWrongAnywhere. */
  accounts: Map<string, number[]>;
}

export class Lockout {
  readonly #clock: Clock;
  readonly #limits: LockoutLimits;
  readonly #save: (records: LockoutRecord[]) => Promise<void>;
  readonly #counts: Counts = { pairs: new Map(), addresses: new Map(), accounts: new Map() };
  /** Key to the end of its lock; the oldest lock first. */
  readonly #locks = new Map<string, number>();
  /** Pairs with an attempt being judged, and who waits behind it. */
  readonly #lines = new Map<string, (() => void)[]>();

  /** saved: the records of an earlier run. save: keeps all records in place of those before; awaited before a lock is answered. */
  constructor(options: {
    clock: Clock;
    limits?: Partial<LockoutLimits>;
    saved: LockoutRecord[];
    save: (records: LockoutRecord[]) => Promise<void>;
  }) {
    this.#clock = options.clock;
    this.#limits = { ...lockoutLimits, ...options.limits };
    this.#save = options.save;
    for (const { key, untilMs } of options.saved) this.#locks.set(key, untilMs);
  }

  /**
   * Judges one attempt: returns if `check` (whether the password is right) says so. During a lock it is not called.
   * Throws bad_credentials, locked (this attempt began the lock), suspended, busy, and what check throws, which is not counted.
   */
  async judge(attempt: Attempt, check: () => Promise<boolean>): Promise<void> {
    const pair = pairKey(attempt);
    // One at a time: many guesses sent at once must not all pass before the first is counted.
    await this.#enter(pair);
    try {
      await this.#refuseLocked(attempt);
      if (await check()) this.#forgive(attempt);
      else await this.#countWrong(attempt);
    } finally {
      this.#leave(pair);
    }
  }

  /** Ends every lock of this account and forgets its wrong passwords; false if there were none. */
  async unlock(name: string): Promise<boolean> {
    const account = foldName(name);
    const isOf = (key: string) => key === accountKey(name) || (key.startsWith('pair ') && key.endsWith(` ${account}`));
    const { pairs, addresses, accounts } = this.#counts;
    const forgotten = [
      ...[...this.#locks.keys()].filter(isOf).map((key) => this.#locks.delete(key)),
      ...[...pairs.keys()].filter(isOf).map((key) => pairs.delete(key)),
      ...[...addresses.values()].map((failed) => failed.delete(account)),
      accounts.delete(account),
    ];
    await this.#save(this.#records());
    return forgotten.includes(true);
  }

  async #refuseLocked(attempt: Attempt): Promise<void> {
    const now = this.#clock.now();
    const pairMs = this.#lockedMs(pairKey(attempt), now);
    if (pairMs > 0) throw suspended(attempt.name, pairMs);
    const addressMs = attempt.hasLiveSession ? 0 : this.#lockedMs(addressKey(attempt), now);
    if (addressMs > 0) throw suspended(attempt.name, addressMs);
    const accountMs = this.#lockedMs(accountKey(attempt.name), now);
    if (accountMs > 0 && !(await attempt.isFamiliar())) throw suspended(attempt.name, accountMs);
  }

  #lockedMs(key: string, now: number): number {
    const untilMs = this.#locks.get(key);
    if (untilMs === undefined) return 0;
    if (untilMs <= now) this.#locks.delete(key);
    return Math.max(0, untilMs - now);
  }

  /** What other accounts failed from this address, and this one from elsewhere, stays counted. */
  #forgive(attempt: Attempt): void {
    this.#counts.pairs.delete(pairKey(attempt));
    this.#counts.addresses.get(attempt.address)?.delete(foldName(attempt.name));
  }

  async #countWrong(attempt: Attempt): Promise<never> {
    const now = this.#clock.now();
    const wrong = this.#countPair(pairKey(attempt), now);
    const begun: boolean[] = [
      this.#lockAccount(attempt.name, now),
      this.#lockAddress(attempt, now),
      wrong >= this.#limits.maxWrong && this.#lock(pairKey(attempt), now + this.#limits.lockMs),
    ];
    if (wrong >= this.#limits.maxWrong) this.#counts.pairs.delete(pairKey(attempt));
    if (begun.includes(true)) await this.#save(this.#records());
    const [, addressLocked, pairLocked] = begun;
    if (addressLocked || pairLocked) throw locked(this.#limits.lockMs);
    throw wrongCredentials(this.#limits.maxWrong - wrong);
  }

  #countPair(key: string, now: number): number {
    const { pairs } = this.#counts;
    const before = pairs.get(key);
    const isFresh = before !== undefined && before.lastMs > now - this.#limits.forgetMs;
    const count = (isFresh ? before.count : 0) + 1;
    this.#remember(pairs, key, { count, lastMs: now });
    return count;
  }

  #lockAddress(attempt: Attempt, now: number): boolean {
    const { addresses } = this.#counts;
    const accounts = addresses.get(attempt.address) ?? new Map<string, number>();
    for (const [account, timeMs] of accounts) {
      if (timeMs <= now - this.#limits.forgetMs) accounts.delete(account);
    }
    if (accounts.size < this.#limits.maxAccounts) accounts.set(foldName(attempt.name), now);
    this.#remember(addresses, attempt.address, accounts);
    if (accounts.size < this.#limits.maxAccounts || attempt.hasLiveSession) return false;
    addresses.delete(attempt.address);
    return this.#lock(addressKey(attempt), now + this.#limits.lockMs);
  }

  #lockAccount(name: string, now: number): boolean {
    const { accounts } = this.#counts;
    const { maxWrongAnywhere, anywhereMs } = this.#limits;
    const times = [...(accounts.get(foldName(name)) ?? []), now].filter((timeMs) => timeMs > now - anywhereMs);
    const recent = times.slice(-maxWrongAnywhere);
    this.#remember(accounts, foldName(name), recent);
    const [oldest] = recent;
    // Until the oldest of them is out of the time that counts. A lock that is on (this was a familiar peer) stays as it is.
    if (recent.length < maxWrongAnywhere || oldest === undefined || this.#lockedMs(accountKey(name), now) > 0)
      return false;
    return this.#lock(accountKey(name), oldest + anywhereMs);
  }

  #lock(key: string, untilMs: number): true {
    this.#remember(this.#locks, key, untilMs);
    return true;
  }

  #remember<T>(map: Map<string, T>, key: string, value: T): void {
    map.delete(key);
    map.set(key, value);
    for (const oldest of map.keys()) {
      if (map.size <= this.#limits.maxRemembered) break;
      map.delete(oldest);
    }
  }

  #records(): LockoutRecord[] {
    const now = this.#clock.now();
    for (const key of this.#locks.keys()) this.#lockedMs(key, now);
    return [...this.#locks].map(([key, untilMs]) => ({ key, untilMs }));
  }

  async #enter(pair: string): Promise<void> {
    const line = this.#lines.get(pair);
    if (line === undefined) {
      this.#lines.set(pair, []);
      return;
    }
    if (line.length >= this.#limits.maxInLine) {
      throw new ParleyError('busy', 'Too many attempts at once. Please try again in a moment.', { retryAfterMs: 1000 });
    }
    await new Promise<void>((resolve) => line.push(resolve));
  }

  #leave(pair: string): void {
    const next = this.#lines.get(pair)?.shift();
    if (next === undefined) this.#lines.delete(pair);
    else next();
  }
}

// Neither addresses nor folded names hold a space.
function pairKey(attempt: Attempt): string {
  return `pair ${attempt.address} ${foldName(attempt.name)}`;
}

function addressKey(attempt: Attempt): string {
  return `address ${attempt.address}`;
}

function accountKey(name: string): string {
  return `account ${foldName(name)}`;
}

function wrongCredentials(attemptsLeft: number): ParleyError {
  return new ParleyError('bad_credentials', `Incorrect username/password. ${attemptsLeft} more login attempts.`, {
    attemptsLeft,
  });
}

function locked(lockMs: number): ParleyError {
  const seconds = Math.ceil(lockMs / 1000);
  return new ParleyError('locked', `Too many login attempts. Please wait ${seconds} seconds.`, {
    retryAfterMs: lockMs,
  });
}

function suspended(name: string, leftMs: number): ParleyError {
  const seconds = Math.ceil(leftMs / 1000);
  return new ParleyError('suspended', `${name} is suspended for another ${seconds} seconds.`, { retryAfterMs: leftMs });
}
