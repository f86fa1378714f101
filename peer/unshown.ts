// What was printed and did not arrive, for whoever is told at the end.
import type { Output } from './output.ts';
import { count } from './render.ts';

/** Whoever read has gone. */
const unreadCodes: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET']);
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

export class Unshown {
  readonly #output: Output;
  #error: NodeJS.ErrnoException | null = null;
  #messages = 0;

  /** onLost is called once, when something does not arrive: nothing does after it. */
  constructor(output: Output, onLost: () => void) {
    this.#output = output;
    output.onLost = (error) => {
      this.#error = error;
      onLost();
    };
  }

  /** A message has just been printed. */
  watch(): void {
    this.#output.whenArrived((hasArrived) => {
      if (!hasArrived) this.#messages += 1;
    });
  }

  /**
   * What happened and what to do; null where nothing of worth is lost, as with any tool in a pipe.
   * @param isDone all that the input asked for was done
   */
  text(isDone: boolean): string | null {
    if (this.#error === null) return null;
    const code = this.#error.code ?? this.#error.message;
    if (!unreadCodes.has(code)) {
      const remedy = fullCodes.has(code) ? 'Make room' : 'Give it another output';
      return `The output cannot be written (${code}). ${remedy}, then start again: what was not shown comes then.`;
    }
    if (this.#messages === 0) return isDone ? null : 'Nobody reads the output any more; not all of the input was done.';
    const what = count(this.#messages, 'message was', 'messages were');
    return `Nobody reads the output any more: ${what} not shown. Start again to see what is missing.`;
  }
}
