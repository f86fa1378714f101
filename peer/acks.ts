// When the center hears that messages are stored: at once, unless they come as a stream from one sender who does not wait
// for it. Then many are acknowledged together, a moment later, which spares the center a read for each message.
import type { Connection } from './connection.ts';

/** Below the center's patience, so that what is acknowledged late still needs no commit there. */
const latestMs = 3;
const mostMessages = 32;
/** Where nothing came for so long while an acknowledgement waited, it is what the sender, or the center's window, waits for. */
const pauseMs = 2;
/** After somebody was seen to wait; each time in a row twice as long. */
const firstTryMs = 20;
const longestTryMs = 1_000;

/** The acknowledgements of one connection. */
export class Acks {
  readonly #connection: Connection;
  /** Up to here messages may be acknowledged, and are. */
  #done = 0;
  #told = 0;
  /** Since the last acknowledgement. */
  #messages = 0;
  #sender = 0;
  #cameAtMs = -latestMs;
  /** Whether nobody seems to wait; found out by letting an acknowledgement wait. */
  #mayWait = false;
  #nextTryAtMs = 0;
  #tryMs = firstTryMs;
  #timer: NodeJS.Timeout | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
    // It goes along with whatever else is sent.
    connection.beforeWrite = () => this.#tell();
  }

  /** A message was delivered; sender: its account. */
  came(sender: number): void {
    const now = performance.now();
    if (sender !== this.#sender) this.#somebodyWaits(now);
    else if (now - this.#cameAtMs < latestMs && now >= this.#nextTryAtMs) this.#mayWait = true;
    this.#sender = sender;
    this.#cameAtMs = now;
    this.#messages += 1;
  }

  /** All messages up to this position may be acknowledged. */
  done(position: number): void {
    if (position <= this.#done) return;
    this.#done = position;
    if (this.#mayWait && this.#messages < mostMessages) this.#timer ??= setTimeout(() => this.#late(), latestMs);
    else {
      if (this.#mayWait) this.#tryMs = firstTryMs;
      this.#tell();
    }
  }

  stop(): void {
    this.#stopTimer();
    this.#told = this.#done;
  }

  #late(): void {
    this.#timer = null;
    const now = performance.now();
    if (now - this.#cameAtMs >= pauseMs) this.#somebodyWaits(now);
    else this.#tryMs = firstTryMs;
    this.#tell();
  }

  #somebodyWaits(now: number): void {
    if (!this.#mayWait) return;
    this.#mayWait = false;
    this.#nextTryAtMs = now + this.#tryMs;
    this.#tryMs = Math.min(2 * this.#tryMs, longestTryMs);
  }

  #tell(): void {
    this.#stopTimer();
    if (this.#done === this.#told) return;
    this.#told = this.#done;
    this.#messages = 0;
    this.#connection.send({ ack: { position: this.#done } });
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
