// What was tried to link with one other account, for `why`.
import type { Attempt } from './dial.ts';

const maxKept = 20;

export interface Noted {
  atMs: number;
  attempt: Attempt;
}

export class Attempts {
  readonly #noted: Noted[] = [];

  /** Newest last. */
  get all(): readonly Noted[] {
    return this.#noted;
  }

  note(attempt: Attempt): void {
    const last = this.#noted.at(-1)?.attempt;
    // Tried again and again, it is told once, as of its last time.
    if (last?.what === attempt.what && last.outcome === attempt.outcome) this.#noted.pop();
    this.#noted.push({ atMs: Date.now(), attempt });
    if (this.#noted.length > maxKept) this.#noted.shift();
  }
}
