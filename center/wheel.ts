// One timer wheel for everything that times out: a tick for all connections instead of a timer for each.

/** How exact its time is. */
export const tickMs = 250;
const slotCount = 256;
/** A tick that comes so late was not late: the process, or its machine, stood still. */
const stallMs = 2_000;

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
  #startMs: number;
  #stalledAtMs = Number.NEGATIVE_INFINITY;
  #tick = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
    this.#startMs = monotonicMs();
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#skipStall();
      this.advance();
    }, tickMs).unref();
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The time (nowMs) at which the process last went on after it had stood still; long ago if it never did. */
  get stalledAtMs(): number {
    return this.#stalledAtMs;
  }

  /** Milliseconds since the wheel was made, as of the last tick, less those of stalls: cheap enough for every read. */
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

  /** What nobody could hear is nobody's silence: the time in which the process stood still does not count. */
  #skipStall(): void {
    const behindMs = this.#monotonicMs() - this.#startMs - this.nowMs;
    if (behindMs < stallMs) return;
    this.#startMs += behindMs - tickMs;
    this.#stalledAtMs = this.nowMs;
  }

  /** Runs the ticks that have passed; a late one catches up slot by slot. */
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
