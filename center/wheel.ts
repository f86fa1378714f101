// One timer wheel for everything that times out: a tick for all connections instead of a timer for each.

/** How exact its time is. */
export const tickMs = 250;
const slotCount = 256;

/** Something that can time out: keeps its own place in the wheel. */
export interface Timeout {
  /** Called once when the time has come. */
  expire(): void;
  /** The wheel's own: when it is due, in ticks; 0 while not scheduled. */
  dueTick: number;
}

/** Hashed timing wheel (Varghese and Lauck, 1987): schedule, reschedule and cancel at constant cost. */
export class Wheel {
  readonly #slots: Set<Timeout>[] = Array.from({ length: slotCount }, () => new Set());
  readonly #monotonicMs: () => number;
  readonly #startMs: number;
  #tick = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
    this.#startMs = monotonicMs();
  }

  start(): void {
    this.#timer ??= setInterval(() => this.advance(), tickMs).unref();
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Milliseconds since the wheel was made, as of the last tick: cheap enough for every read. */
  get nowMs(): number {
    return this.#tick * tickMs;
  }

  /** Fires when delayMs have passed, to within a tick either way. An earlier schedule of the same is replaced. */
  schedule(timeout: Timeout, delayMs: number): void {
    this.cancel(timeout);
    timeout.dueTick = this.#tick + Math.max(1, Math.ceil(delayMs / tickMs));
    this.#slots[timeout.dueTick % slotCount]!.add(timeout);
  }

  cancel(timeout: Timeout): void {
    if (timeout.dueTick === 0) return;
    this.#slots[timeout.dueTick % slotCount]!.delete(timeout);
    timeout.dueTick = 0;
  }

  /** Runs the ticks that have passed; a stalled process catches up slot by slot. */
  advance(): void {
    const target = Math.floor((this.#monotonicMs() - this.#startMs) / tickMs);
    while (this.#tick < target) {
      this.#tick++;
      const slot = this.#slots[this.#tick % slotCount]!;
      for (const timeout of slot) {
        if (timeout.dueTick > this.#tick) continue;
        slot.delete(timeout);
        timeout.dueTick = 0;
        timeout.expire();
      }
    }
  }
}
