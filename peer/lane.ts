// The pending messages to one recipient, in the order in which they must be accepted.
import type { Pending } from './outgoing.ts';

const firstRetryMs = 5_000;
const longestRetryMs = 60_000;

/** What a message counts beside its text, at most, against the center's limit. */
const overheadBytes = 64;

/** What is on its way to the center in all lanes: sent on this connection and not answered. */
export class Flight {
  #bytes = 0;
  readonly #flying = new Set<Pending>();

  get count(): number {
    return this.#flying.size;
  }

  has(pending: Pending): boolean {
    return this.#flying.has(pending);
  }

  add(pending: Pending): void {
    this.#flying.add(pending);
    this.#bytes += pending.bytes + overheadBytes;
  }

  delete(pending: Pending): boolean {
    const was = this.#flying.delete(pending);
    if (was) this.#bytes -= pending.bytes + overheadBytes;
    return was;
  }

  /** How many bytes it were with this one. */
  bytesWith(pending: Pending): number {
    return this.#bytes + pending.bytes + overheadBytes;
  }

  clear(): void {
    this.#flying.clear();
    this.#bytes = 0;
  }
}

type Mode =
  /** Send whatever is queued. */
  | { kind: 'open' }
  /** This one was refused for now: nothing goes until then. */
  | { kind: 'waiting'; refused: Pending; untilMs: number }
  /** One at a time goes, to see if it is taken now. */
  | { kind: 'probing'; refused: Pending };

export class Lane {
  readonly account: number;
  /** Rising numbers. */
  readonly #pending: Pending[] = [];
  readonly #flight: Flight;
  /** Of this lane's. */
  #flyingCount = 0;
  /** All before this index are flying. */
  #cursor = 0;
  #mode: Mode = { kind: 'open' };
  #retryMs = firstRetryMs;
  /** Withdraw requests whose answers, and the commits after them, are awaited. */
  withdrawals = 0;

  constructor(account: number, flight: Flight) {
    this.account = account;
    this.#flight = flight;
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  /** One of its messages was refused for now, and the later ones wait for it. */
  get isHeldUp(): boolean {
    return this.#mode.kind !== 'open';
  }

  add(pending: Pending): void {
    let at = this.#pending.length;
    while (at > 0 && this.#pending[at - 1]!.number > pending.number) at -= 1;
    this.#pending.splice(at, 0, pending);
    this.#cursor = Math.min(this.#cursor, at);
  }

  /** The next to send, null if none may go now. */
  next(nowMs: number): Pending | null {
    if (this.withdrawals > 0) return null;
    if (this.#mode.kind === 'waiting') {
      if (nowMs < this.#mode.untilMs) return null;
      this.#mode = { kind: 'probing', refused: this.#mode.refused };
    }
    if (this.#mode.kind === 'probing' && this.#flyingCount > 0) return null;
    while (this.#cursor < this.#pending.length && this.#flight.has(this.#pending[this.#cursor]!)) this.#cursor += 1;
    return this.#pending[this.#cursor] ?? null;
  }

  /** When next() may give something that it does not now; null if time alone will not help. */
  get waitsUntilMs(): number | null {
    return this.#mode.kind === 'waiting' && this.withdrawals === 0 ? this.#mode.untilMs : null;
  }

  sent(pending: Pending): void {
    this.#flight.add(pending);
    this.#flyingCount += 1;
  }

  /** The one of this number, null if it is not on its way. */
  flying(number: number): Pending | null {
    const pending = this.#pending.find((one) => one.number >= number);
    return pending?.number === number && this.#flight.has(pending) ? pending : null;
  }

  /** Takes out all up to this number, flying or not: the center has them. */
  accepted(number: number): Pending[] {
    let count = 0;
    while (count < this.#pending.length && this.#pending[count]!.number <= number) count += 1;
    const accepted = this.#pending.splice(0, count);
    this.#cursor = Math.max(0, this.#cursor - count);
    for (const pending of accepted) this.#left(pending);
    return accepted;
  }

  /** It was refused for now, and all later ones with it. Returns for how long nothing goes. */
  refused(pending: Pending, retryAfterMs: number, nowMs: number): number {
    this.#landed(pending);
    const waitMs = Math.max(retryAfterMs, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    this.#mode = { kind: 'waiting', refused: pending, untilMs: nowMs + waitMs };
    return waitMs;
  }

  /** It was refused because an earlier one was: it goes again after that. */
  refusedForEarlier(pending: Pending, nowMs: number): void {
    this.#landed(pending);
    // The center speaks of a refusal that is not known here: not to be asked again and again.
    if (this.#mode.kind === 'open' && this.withdrawals === 0) this.refused(pending, 0, nowMs);
  }

  /** It failed or was withdrawn. */
  remove(pending: Pending): void {
    const at = this.#pending.indexOf(pending);
    if (at < 0) return;
    this.#pending.splice(at, 1);
    if (at < this.#cursor) this.#cursor -= 1;
    this.#left(pending);
  }

  /** The connection is gone, and the center's refusals with it: all goes again from the oldest. The flight is cleared. */
  reset(): void {
    this.#flyingCount = 0;
    this.#cursor = 0;
    this.withdrawals = 0;
    this.#open();
  }

  #landed(pending: Pending): void {
    if (this.#flight.delete(pending)) this.#flyingCount -= 1;
    this.#cursor = 0;
  }

  #left(pending: Pending): void {
    if (this.#flight.delete(pending)) this.#flyingCount -= 1;
    if (this.#mode.kind !== 'open' && this.#mode.refused === pending) this.#open();
  }

  #open(): void {
    this.#mode = { kind: 'open' };
    this.#retryMs = firstRetryMs;
  }
}
