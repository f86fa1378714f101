// A set of accounts that is empty for most: as such it costs a few bytes, a Set two hundred.

/** Whom an account has blocked, or knows. */
export class AccountSet {
  #accounts: Set<number> | null = null;

  constructor(accounts: readonly number[] = []) {
    if (accounts.length > 0) this.#accounts = new Set(accounts);
  }

  get size(): number {
    return this.#accounts?.size ?? 0;
  }

  has(account: number): boolean {
    return this.#accounts?.has(account) ?? false;
  }

  add(account: number): void {
    this.#accounts ??= new Set();
    this.#accounts.add(account);
  }

  /** Whether this account belongs to it from now on. */
  set(account: number, is: boolean): void {
    if (is) return this.add(account);
    this.#accounts?.delete(account);
    if (this.#accounts?.size === 0) this.#accounts = null;
  }

  values(): Iterable<number> {
    return this.#accounts ?? [];
  }
}
