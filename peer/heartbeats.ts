// When to tell the center that the peer is alive, and when to take the center for gone.

/** Without a byte for so long either side takes the other for gone. */
const defaultSilenceMs = 30_000;
const defaultHeartbeatMs = 10_000;
const leastHeartbeatMs = 20;
/** After a wake-up: how long the center may take for a sign of life. */
const probeMs = 5_000;

export interface HeartbeatOptions {
  /** As told in Hello; 0: not said. */
  heartbeatMs: number;
  silenceMs?: number;
  /** Sends a heartbeat. */
  beat(): void;
  /** Sends one that is answered. */
  ask(): void;
  /** The center is gone. */
  giveUp(): void;
}

export class Heartbeats {
  readonly #options: HeartbeatOptions;
  readonly #heartbeatMs: number;
  readonly #silenceMs: number;
  readonly #timer: NodeJS.Timeout;
  #sentAtMs = performance.now();
  #heardAtMs = performance.now();
  #askedAtMs = 0;
  #probe: NodeJS.Timeout | null = null;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heartbeatMs = Math.max(leastHeartbeatMs, options.heartbeatMs || defaultHeartbeatMs);
    this.#silenceMs = options.silenceMs ?? defaultSilenceMs;
    // Often enough that a heartbeat is late by a tenth of its interval at most.
    this.#timer = setInterval(() => this.#look(), Math.max(leastHeartbeatMs / 2, this.#heartbeatMs / 10));
  }

  /** Something was sent. */
  sent(): void {
    this.#sentAtMs = performance.now();
  }

  /** Something was heard. */
  heard(): void {
    this.#heardAtMs = performance.now();
    if (this.#probe) clearTimeout(this.#probe);
    this.#probe = null;
  }

  /** Asks at once, and gives up if nothing comes soon. */
  probe(): void {
    if (this.#probe) return;
    this.#probe = setTimeout(() => this.#options.giveUp(), probeMs);
    this.#options.ask();
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#probe) clearTimeout(this.#probe);
  }

  #look(): void {
    const now = performance.now();
    const silentMs = now - this.#heardAtMs;
    if (silentMs >= this.#silenceMs) {
      this.#options.giveUp();
    } else if (silentMs >= this.#heartbeatMs && now - this.#askedAtMs >= this.#heartbeatMs) {
      // Sending goes nowhere once the other host is gone: only an answer tells.
      this.#askedAtMs = now;
      this.#options.ask();
    } else if (now - this.#sentAtMs >= this.#heartbeatMs) {
      this.#options.beat();
    }
  }
}
