// The places of a mailbox: given out in order, none of them twice, not even after a crash.
import type { MailboxState } from '../store/store.ts';

/** Positions reserved ahead in the store, and how few may be left before more are. */
const reserveAhead = 65_536;
const reserveAt = 32_768;

export class Positions {
  #next: number;
  #reservedTo: number;

  /** next: the first; none is reserved. */
  constructor({ next }: Pick<MailboxState, 'next'>) {
    this.#next = next;
    this.#reservedTo = next;
  }

  take(): number {
    return this.#next++;
  }

  /** One that is not could be given out again after a restart: its message must be committed before it is delivered. */
  isReserved(position: number): boolean {
    return position < this.#reservedTo;
  }

  /** Up to where the store is to reserve positions now. */
  get wanted(): number {
    return this.#reservedTo - this.#next < reserveAt ? this.#next + reserveAhead : this.#reservedTo;
  }

  get wantsMore(): boolean {
    return this.wanted !== this.#reservedTo;
  }

  /** The store has reserved all below. */
  reserved(to: number): void {
    this.#reservedTo = Math.max(this.#reservedTo, to);
  }
}
