// A stream through the center: what the two peers say inside is TLS, which the center passes on without its keys.
import { Duplex } from 'node:stream';
import type { parley } from '../../shared/protocol.js';

const maxDataBytes = 16_384;

/** Sends a frame to the center. */
type Send = (frame: parley.Frame.$Properties) => void;

export class Tunnel extends Duplex {
  readonly id: number;
  readonly #send: Send;
  #creditBytes: number;
  readonly #maxCameBytes: number;
  /** Not more than the credit. */
  readonly #came: Buffer[] = [];
  #cameBytes = 0;
  #isWanted = false;
  /** The center knows. */
  #isOver = false;
  /** What waits for credit. */
  #waiting: { bytes: Buffer; done: (error?: Error | null) => void } | null = null;

  /** creditBytes: how much each side may send before the other takes something out. */
  constructor(id: number, creditBytes: number, send: Send) {
    super({ allowHalfOpen: false });
    this.id = id;
    this.#creditBytes = creditBytes;
    this.#maxCameBytes = creditBytes;
    this.#send = send;
  }

  /** The center passed bytes on. */
  data(bytes: Uint8Array): void {
    // What is empty would not count towards the credit, and could be kept without end.
    if (this.destroyed || bytes.length === 0) return;
    this.#cameBytes += bytes.length;
    if (this.#cameBytes > this.#maxCameBytes) {
      this.destroy(new Error('The other side sent more than it may.'));
      return;
    }
    this.#came.push(Buffer.from(bytes));
    this.#take();
  }

  /** Credit is given for what was taken: a reader that is slow holds back the sender, not this memory. */
  #take(): void {
    while (this.#isWanted) {
      const bytes = this.#came.shift();
      if (!bytes) return;
      this.#cameBytes -= bytes.length;
      this.#isWanted = this.push(bytes);
      this.#send({ tunnelCredit: { tunnel: this.id, bytes: bytes.length } });
    }
  }

  /** The other side took bytes out. */
  credit(bytes: number): void {
    this.#creditBytes += bytes;
    this.#pass();
  }

  /** The center closed it, or the connection to the center is gone. */
  ended(): void {
    this.#isOver = true;
    this.push(null);
    this.destroy();
  }

  override _read(): void {
    this.#isWanted = true;
    this.#take();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#waiting = { bytes: chunk, done };
    this.#pass();
  }

  #pass(): void {
    while (this.#waiting && this.#creditBytes > 0) {
      const { bytes, done } = this.#waiting;
      const size = Math.min(bytes.length, this.#creditBytes, maxDataBytes);
      this.#creditBytes -= size;
      this.#send({ tunnelData: { tunnel: this.id, data: bytes.subarray(0, size) } });
      if (size < bytes.length) {
        this.#waiting = { bytes: bytes.subarray(size), done };
        continue;
      }
      this.#waiting = null;
      done();
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#isOver) this.#send({ tunnelClose: { tunnel: this.id } });
    this.#waiting?.done(error);
    this.#waiting = null;
    done(error);
  }
}
