// The end of an event-loop turn: what was gathered while reading goes out together, once.

/** Runs its steps, in the order in which they were added, once at the end of each turn that asked for it. */
export class Turn {
  readonly #steps: (() => void)[] = [];
  #scheduled = false;

  /** Adds a step, for good. A step may ask for a further turn, not for itself in this one. */
  addStep(step: () => void): void {
    this.#steps.push(step);
  }

  /** Asks for the steps to run when this turn's reads are done. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    for (const step of this.#steps) step();
  };
}
