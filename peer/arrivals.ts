// Messages that everybody has taken and that are still on their way to where they are shown: through a pipe, into a file.

/** Calls back once: whether all that was taken until now has arrived where it is shown. */
export type Arrival = (done: (hasArrived: boolean) => void) => void;

export class Arrivals {
  /** Called when something has arrived. */
  onArrived: () => void = () => undefined;
  readonly #ask: Arrival | null;
  #state: 'idle' | 'asking' | 'lost' = 'idle';
  #waiting: (() => void)[] = [];
  #settled: PromiseWithResolvers<void> | null = null;

  /** Without somebody to ask, what is taken is shown. */
  constructor(ask: Arrival | null) {
    this.#ask = ask;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** onShown is called once when it has arrived; never if it is lost. */
  add(onShown: () => void): void {
    if (this.#ask === null) return onShown();
    this.#waiting.push(onShown);
    if (this.#state === 'idle') this.#next(this.#ask);
  }

  /** Resolves when all has arrived or is lost; null where that is so now. */
  settled(): Promise<void> | null {
    if (this.#isSettled) return null;
    this.#settled ??= Promise.withResolvers<void>();
    return this.#settled.promise;
  }

  /** The session is over: what has not been asked for yet comes again with the next. */
  forget(): void {
    this.#waiting = [];
    this.#tellSettled();
  }

  get #isSettled(): boolean {
    return this.#waiting.length === 0 || this.#state === 'lost';
  }

  /** One question at a time, for all that has come by then. */
  #next(ask: Arrival): void {
    const waiting = this.#waiting;
    const count = waiting.length;
    if (count === 0) return;
    this.#state = 'asking';
    ask((hasArrived) => {
      this.#state = hasArrived ? 'idle' : 'lost';
      // What has come since the session ended stands in another row.
      if (hasArrived) for (const onShown of waiting.splice(0, count)) onShown();
      this.#tellSettled();
      if (!hasArrived) return;
      this.onArrived();
      if (this.#state === 'idle') this.#next(ask);
    });
  }

  #tellSettled(): void {
    if (!this.#isSettled) return;
    this.#settled?.resolve();
    this.#settled = null;
  }
}
