// Text on its way out of the program, and whether it got there.
import { writeSync } from 'node:fs';

/** Calls back once, in the order of the calls, with what went wrong. */
export type Write = (text: string, done: (error?: Error | null) => void) => void;

/** While more than this is on its way, nothing is done that would print more, and what may be left out is. */
export const maxWaitingChars = 16 * 1024 * 1024;

export class Output {
  /** Called once, for the first text that does not arrive. */
  onLost: (error: Error) => void = () => undefined;
  readonly #write: Write;
  #given = 0;
  #arrived = 0;
  #waitingChars = 0;
  /** What comes after something that was lost is lost, too. */
  #isLost = false;
  #waiting: { upTo: number; done: (hasArrived: boolean) => void }[] = [];

  constructor(write: Write) {
    this.#write = write;
  }

  write(text: string): void {
    this.#given += 1;
    this.#waitingChars += text.length;
    const number = this.#given;
    this.#write(text, (error) => {
      this.#waitingChars -= text.length;
      this.#done(number, error ?? null);
    });
  }

  /** False while too much is on its way. */
  get hasRoom(): boolean {
    return this.#waitingChars <= maxWaitingChars;
  }

  /** Calls back once all that was written until now has arrived, or some of it is lost: at once where that is known. */
  whenArrived(done: (hasArrived: boolean) => void): void {
    if (this.#isLost || this.#arrived === this.#given) done(!this.#isLost);
    else this.#waiting.push({ upTo: this.#given, done });
  }

  /** Resolves when all has arrived or is lost, nothing more has arrived for so long, or somebody says stop. */
  async settled(patienceMs: number, stop?: AbortSignal): Promise<void> {
    const isOpen = (): boolean => !this.#isLost && !stop?.aborted && this.#arrived < this.#given;
    for (let arrived = -1; isOpen() && arrived < this.#arrived; ) {
      arrived = this.#arrived;
      const over = Promise.withResolvers<void>();
      const end = (): void => over.resolve();
      const timer = setTimeout(end, patienceMs);
      stop?.addEventListener('abort', end, { once: true });
      this.whenArrived(end);
      await over.promise;
      stop?.removeEventListener('abort', end);
      clearTimeout(timer);
    }
  }

  #done(number: number, error: Error | null): void {
    if (this.#isLost) return;
    this.#isLost = error !== null;
    if (error === null) this.#arrived = number;
    const isOver = (upTo: number): boolean => this.#isLost || upTo <= number;
    let over = 0;
    while (over < this.#waiting.length && isOver(this.#waiting[over]!.upTo)) over += 1;
    for (const { done } of this.#waiting.splice(0, over)) done(!this.#isLost);
    if (error !== null) this.onLost(error);
  }
}

/** Writes to a file, which may take a part of a text and no more: then the text has not arrived. */
export function fileWrite(fd: number): Write {
  return (text, done) => {
    try {
      for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}
