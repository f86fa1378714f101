// When to try again to reach the center, and noticing that the machine was asleep.
import { longestTimerMs } from './longest-timer.ts';

const firstMs = 200;
const longestMs = 10_000;
/** A connection that lasted so long ends a run of failures. */
const steadyMs = 10_000;
const lookMs = 1_000;
const asleepMs = 3_000;

/** Waits that double, each random between half and the whole: many peers lose the same center at the same moment. */
export class Backoff {
  #nextMs = firstMs;
  #connectedAtMs: number | null = null;

  connected(): void {
    this.#connectedAtMs = performance.now();
  }

  /** How long to wait now; at least leastMs, which the center asked for, if a timer can be that long. */
  next(leastMs = 0): number {
    const lasted = this.#connectedAtMs === null ? 0 : performance.now() - this.#connectedAtMs;
    this.#connectedAtMs = null;
    if (lasted >= steadyMs) this.#nextMs = firstMs;
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(waitMs * 2, longestMs);
    return Math.min(longestTimerMs, Math.max(leastMs, waitMs / 2 + (Math.random() * waitMs) / 2));
  }
}

/** Calls onWake when a second of this process took much longer than that by the wall clock. Returns what ends it. */
export function watchForWakeUp(onWake: () => void): () => void {
  let lastMs = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    const sleptMs = now - lastMs - lookMs;
    lastMs = now;
    if (sleptMs > asleepMs) onWake();
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}
