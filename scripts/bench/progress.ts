// How much of a run is done, and about how long the rest takes.

/** So much of what was expected counts as done as expected from the start: the first rounds alone would say too much. */
const dampingSeconds = 20;
const minuteSeconds = 60;

export class Progress {
  readonly #totalSeconds: number;
  readonly #nowMs: () => number;
  readonly #startedAtMs: number;
  #doneSeconds = 0;

  /** expectedSeconds: all parts together. */
  constructor(expectedSeconds: number, nowMs: () => number = () => performance.now()) {
    this.#totalSeconds = expectedSeconds;
    this.#nowMs = nowMs;
    this.#startedAtMs = nowMs();
  }

  /** A part is done that was expected to take so long. */
  add(expectedSeconds: number): void {
    this.#doneSeconds += expectedSeconds;
  }

  /** In seconds: what is expected of the rest, at the pace of what is done. */
  get leftSeconds(): number {
    const tookSeconds = (this.#nowMs() - this.#startedAtMs) / 1000;
    const pace = (tookSeconds + dampingSeconds) / (this.#doneSeconds + dampingSeconds);
    return Math.max(0, this.#totalSeconds - this.#doneSeconds) * pace;
  }

  /** `about 12 min left` */
  toString(): string {
    const left = this.leftSeconds;
    if (left < minuteSeconds) return `about ${Math.ceil(left / 10) * 10} s left`;
    return `about ${Math.round(left / minuteSeconds)} min left`;
  }
}
