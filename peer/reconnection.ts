// Tries to reach the center again until it is reached, it says that there is no use, or somebody ends it.
import { asParleyError, type ParleyError } from '../shared/errors.ts';
import type { Backoff } from './backoff.ts';
import { finalCodes } from './session-end.ts';

interface Options {
  backoff: Backoff;
  /** What the center asked for when it closed. */
  retryAfterMs: number;
  /** Throws a ParleyError where it did not work. */
  connect(signal: AbortSignal): Promise<void>;
  /** There is no use. */
  giveUp(error: ParleyError): void;
}

export class Reconnection {
  readonly #options: Options;
  readonly #abort = new AbortController();
  #wake: () => void = () => undefined;

  /** Begins. */
  constructor(options: Options) {
    this.#options = options;
    void this.#run();
  }

  /** Tries now. */
  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { backoff, connect, giveUp } = this.#options;
    const { signal } = this.#abort;
    let leastMs = this.#options.retryAfterMs;
    for (;;) {
      await this.#pause(backoff.next(leastMs));
      if (signal.aborted) return;
      try {
        await connect(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const reason = asParleyError(error);
        if (finalCodes.has(reason.code)) {
          giveUp(reason);
          return;
        }
        leastMs = reason.retryAfterMs;
      }
    }
  }

  #pause(waitMs: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }
}
