// The center's time: what tokens, locks and introductions are judged by.

export class Clock {
  readonly #startMs: number;
  readonly #startMonotonicMs: number;
  readonly #monotonicMs: () => number;

  /** savedTimeMs: the last time that an earlier run saved, 0 for none. */
  constructor(
    savedTimeMs: number,
    wallMs: () => number = Date.now,
    monotonicMs: () => number = () => performance.now(),
  ) {
    // A wall clock set back must not revive what has expired, so it is read once and never below what was saved.
    this.#startMs = Math.max(savedTimeMs, wallMs());
    this.#startMonotonicMs = monotonicMs();
    this.#monotonicMs = monotonicMs;
  }

  /** Milliseconds since 1970 UTC, whole; never falls. */
  now(): number {
    return Math.floor(this.#startMs + (this.#monotonicMs() - this.#startMonotonicMs));
  }
}
