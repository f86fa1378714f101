// What a link has to say: written into one piece of memory during a turn, and given to the stream at its end.
import { nextTick } from 'node:process';
import type { Duplex } from 'node:stream';
import { lengthBytes } from '../../shared/frames.ts';
import { varintBytes, writeVarint } from '../../shared/varint.ts';

const chunkBytes = 131_072;
/** Waiting to be written; above it no more messages are taken, until half of it is gone. */
const maxWaitingBytes = 524_288;
/** Answers included, of which the other side can ask for any number. */
const maxWithAnswersBytes = 1_048_576;
/** Pieces of memory that the stream is given turn by turn, and that are kept for the next turns. */
const maxPieces = 8;

// LinkFrame { message = 2 { number = 1, sent_at_ms = 2, body = 3, resent = 4 } }
const tagMessage = 0x12;
const tagNumber = 0x08;
const tagSentAt = 0x10;
const tagBody = 0x1a;
const tagResent = 0x20;
const maxVarintBytes = 9;

export class LinkOutput {
  readonly #stream: Duplex;
  #chunk: Buffer | null = null;
  #used = 0;
  #writing = 0;
  #writingBytes = 0;
  readonly #spares: Buffer[] = [];
  #onRoom: (() => void) | null = null;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** False while too much waits to be written. */
  get hasRoom(): boolean {
    return this.#writingBytes + this.#used < maxWaitingBytes;
  }

  /** True where the other side asks and does not read. */
  get isOverfull(): boolean {
    return this.#writingBytes + this.#used > maxWithAnswersBytes;
  }

  /** Calls once when there is room again. */
  onceRoom(call: () => void): void {
    this.#onRoom = call;
  }

  /** A whole frame, with its length. */
  frame(bytes: Buffer): void {
    const chunk = this.#reserve(bytes.length);
    bytes.copy(chunk, this.#used);
    this.#used += bytes.length;
  }

  /** A message, encoded in place: long texts are copied once. */
  message(number: number, sentAtMs: number, body: string, resent: boolean): void {
    const bodyBytes = Buffer.byteLength(body);
    const fixed = 1 + varintBytes(number) + 1 + varintBytes(sentAtMs) + 1 + varintBytes(bodyBytes);
    const inner = fixed + bodyBytes + (resent ? 2 : 0);
    const outer = 1 + varintBytes(inner) + inner;
    const chunk = this.#reserve(lengthBytes + outer + maxVarintBytes);
    let at = chunk.writeUInt32BE(outer, this.#used);
    chunk[at++] = tagMessage;
    at = writeVarint(chunk, at, inner);
    chunk[at++] = tagNumber;
    at = writeVarint(chunk, at, number);
    chunk[at++] = tagSentAt;
    at = writeVarint(chunk, at, sentAtMs);
    chunk[at++] = tagBody;
    at = writeVarint(chunk, at, bodyBytes);
    at += chunk.write(body, at, 'utf8');
    if (resent) {
      chunk[at++] = tagResent;
      chunk[at++] = 1;
    }
    this.#used = at;
  }

  #reserve(bytes: number): Buffer {
    if (this.#chunk && this.#chunk.length - this.#used >= bytes) return this.#chunk;
    if (this.#chunk) this.flush();
    else this.#flushSoon();
    this.#chunk = (bytes <= chunkBytes && this.#spares.pop()) || Buffer.allocUnsafeSlow(Math.max(bytes, chunkBytes));
    this.#used = 0;
    return this.#chunk;
  }

  /** When all that goes on in this turn has said what it has to say, and before the turn's commit: one write for it all. */
  #flushSoon(): void {
    queueMicrotask(() => nextTick(() => this.#pass()));
  }

  /** Kept back, for the next turns to go with it, where enough is being written: a piece with one byte in it is as large as any. */
  #pass(): void {
    if (this.#writing < maxPieces) this.flush();
  }

  flush(): void {
    const chunk = this.#chunk;
    const used = this.#used;
    this.#chunk = null;
    this.#used = 0;
    if (!chunk || used === 0 || this.#stream.destroyed || !this.#stream.writable) return;
    this.#writing++;
    this.#writingBytes += used;
    this.#stream.write(chunk.subarray(0, used), () => {
      this.#writing--;
      this.#writingBytes -= used;
      if (chunk.length === chunkBytes && this.#spares.length < maxPieces) this.#spares.push(chunk);
      // What was kept back.
      if (this.#writing === maxPieces - 1) this.flush();
      if (!this.#onRoom || this.#writingBytes > maxWaitingBytes / 2) return;
      const call = this.#onRoom;
      this.#onRoom = null;
      call();
    });
  }
}
