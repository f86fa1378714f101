// What was not printed because too much was on its way, and what was printed and did not arrive.
import type { PeerEvent } from './events.ts';
import type { Output } from './output.ts';
import { count } from './render.ts';

/** Whoever read has gone. */
const unreadCodes: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET']);
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** They are for whoever is there now. */
const passing: ReadonlySet<PeerEvent['type']> = new Set(['broadcast', 'presence']);

export class Unshown {
  readonly #output: Output;
  #error: NodeJS.ErrnoException | null = null;
  #messages = 0;
  #leftOut = 0;

  /** onLost is called once, when something does not arrive: nothing does after it. */
  constructor(output: Output, onLost: () => void) {
    this.#output = output;
    output.onLost = (error) => {
      this.#error = error;
      onLost();
    };
  }

  /** True where it is not to be printed: nobody has read what came before. */
  leavesOut(event: PeerEvent): boolean {
    if (this.#output.hasRoom || !passing.has(event.type)) return false;
    this.#leftOut += 1;
    return true;
  }

  /** To be printed: that something was left out, once there is room again. */
  leftOut(): PeerEvent[] {
    if (this.#leftOut === 0 || !this.#output.hasRoom) return [];
    const text = `${count(this.#leftOut, 'event was', 'events were')} left out: what came before was not read in time.`;
    this.#leftOut = 0;
    return [{ type: 'notice', text }];
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
