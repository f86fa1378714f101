// How fast one connection is read: no faster than it is answered, and no faster than its limit of messages.
import type { CenterLimits } from './limits.ts';
import { type Timeout, tickMs, type Wheel } from './wheel.ts';

const secondMs = 1000;

/** What is read: a connection's session. */
export interface Paced {
  readonly hasEnded: boolean;
  /** Enough waits to be answered or written: nothing more is to be read now. */
  readonly isBusy: boolean;
  /** Reads nothing more until readOn. */
  holdReading(): void;
  readOn(): void;
}

export class Pace implements Timeout {
  dueTick = 0;
  readonly #paced: Paced;
  readonly #limits: CenterLimits;
  readonly #wheel: Wheel;
  /** going on: nothing is read before the next turn. */
  #state: 'reading' | 'held' | 'going on' = 'reading';
  /** Messages that may be read now. */
  #allowance: number;
  #allowanceAtMs: number;

  constructor(paced: Paced, limits: CenterLimits, wheel: Wheel) {
    this.#paced = paced;
    this.#limits = limits;
    this.#wheel = wheel;
    this.#allowance = limits.messageBurst;
    this.#allowanceAtMs = wheel.nowMs;
  }

  get isReading(): boolean {
    return this.#state === 'reading';
  }

  /** To be called before what was read is looked at. */
  heard(nowMs: number): void {
    if (nowMs !== this.#allowanceAtMs) this.#earn(nowMs);
  }

  /** So many messages were read. */
  spend(messages: number): void {
    this.#allowance -= messages;
    if (this.#allowance <= 0 && this.#limits.messagesPerSecond > 0) this.stopIfNeeded();
  }

  stopIfNeeded(): void {
    if (this.#state !== 'reading' || this.#paced.hasEnded || !this.#mustWait()) return;
    this.#state = 'held';
    this.#paced.holdReading();
    // The wheel looks again, whatever it waits for; answers look earlier.
    this.#look();
  }

  /** There may be room to read on. */
  goOnIfPossible(): void {
    if (this.#state !== 'held' || this.#paced.hasEnded) return;
    this.#earn(this.#wheel.nowMs);
    if (this.#mustWait()) {
      this.#look();
      return;
    }
    this.#state = 'going on';
    // Not from within the work that made room: what is read next begins new work.
    setImmediate(() => {
      if (this.#paced.hasEnded) return;
      this.#state = 'reading';
      this.#paced.readOn();
    });
  }

  expire(): void {
    this.goOnIfPossible();
  }

  stop(): void {
    this.#wheel.cancel(this);
  }

  #mustWait(): boolean {
    return this.#paced.isBusy || (this.#limits.messagesPerSecond > 0 && this.#allowance <= 0);
  }

  #look(): void {
    if (this.dueTick === 0) this.#wheel.schedule(this, 1);
  }

  #earn(nowMs: number): void {
    const { messagesPerSecond, messageBurst } = this.#limits;
    const earned = ((nowMs - this.#allowanceAtMs) * messagesPerSecond) / secondMs;
    // What is earned between two looks at the time is never too much.
    const most = Math.max(messageBurst, (messagesPerSecond * tickMs) / secondMs);
    this.#allowance = Math.min(most, this.#allowance + earned);
    this.#allowanceAtMs = nowMs;
  }
}
