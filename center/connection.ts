// One connection's output: pooled chunks, one write for each at the end of a turn, and how much waits.
import type { Duplex } from 'node:stream';
import { encodeFrame } from '../shared/frames.ts';
import type { parley } from '../shared/protocol.js';
import { type Chunk, type ChunkPool, chunkBytes } from './chunks.ts';
import type { Turn } from './turn.ts';

const nothing = Buffer.alloc(0);
/** How long a closing connection may take to read what it was told last. */
const lingerMs = 2000;

/** The connections with something to write in this turn. */
export class Outputs {
  readonly pool: ChunkPool;
  /** More than this waits for one connection: it is closed. */
  readonly maxBytes: number;
  readonly #turn: Turn;
  #dirty: Connection[] = [];

  constructor(pool: ChunkPool, turn: Turn, maxBytes: number) {
    this.pool = pool;
    this.maxBytes = maxBytes;
    this.#turn = turn;
  }

  /** To be the last step of a turn. */
  readonly flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.turnEnded();
  };

  add(connection: Connection): void {
    this.#dirty.push(connection);
    this.#turn.schedule();
  }
}

export class Connection {
  readonly #stream: Duplex;
  readonly #outputs: Outputs;
  /** Being filled in this turn. */
  #chunk: Chunk | null = null;
  /** Full ones of this turn, if there are any. */
  #full: Chunk[] | null = null;
  /** Given to the stream, not yet written. */
  #writingBytes = 0;
  /** Writes done, and how many those were when isStuck was asked. */
  #writes = 0;
  #writesSeen = 0;
  /** The last write was done when it returned, as those to a plain socket with room are. */
  #writesAtOnce = false;
  #dirty = false;
  #isHeld = false;
  #state: 'open' | 'ending' | 'closed' = 'open';

  constructor(stream: Duplex, outputs: Outputs) {
    this.#stream = stream;
    this.#outputs = outputs;
  }

  /** Room for so many bytes at `used` of the chunk; the writer adds what it wrote to `used`. */
  reserve(bytes: number): Chunk {
    if (!this.#dirty) {
      this.#dirty = true;
      this.#outputs.add(this);
    }
    const chunk = this.#chunk;
    if (chunk && chunk.buffer.length - chunk.used >= bytes) return chunk;
    if (chunk) {
      this.#full ??= [];
      this.#full.push(chunk);
    }
    this.#chunk = this.#outputs.pool.take(bytes);
    return this.#chunk;
  }

  send(frame: parley.Frame.$Properties): void {
    this.sendBytes(encodeFrame(frame));
  }

  /** A whole frame, with its length. */
  sendBytes(bytes: Uint8Array): void {
    const chunk = this.reserve(bytes.length);
    chunk.buffer.set(bytes, chunk.used);
    chunk.used += bytes.length;
  }

  /** Bytes not yet given to the operating system. */
  get outputBytes(): number {
    return this.#writingBytes + (this.#full?.length ?? 0) * chunkBytes + (this.#chunk?.used ?? 0);
  }

  /** So much waits to be written, and none of it was since this was asked last. */
  isStuck(bytes: number): boolean {
    const stuck = this.outputBytes > bytes && this.#writes === this.#writesSeen;
    this.#writesSeen = this.#writes;
    return stuck;
  }

  /** From now on what is said waits for release(), and goes out with what was said until then. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    if (this.#dirty) this.#outputs.add(this);
  }

  turnEnded(): void {
    if (!this.#isHeld) this.flush();
  }

  flush(): void {
    this.#dirty = false;
    // What was given to the stream in this turn it has had no time to write.
    if (this.#writingBytes > this.#outputs.maxBytes) return this.destroy();
    const chunk = this.#chunk;
    const full = this.#full;
    this.#chunk = null;
    if (!full) {
      if (chunk) this.#write(chunk);
      return;
    }
    this.#full = null;
    this.#writesAtOnce = false;
    this.#stream.cork();
    for (const one of full) this.#write(one);
    if (chunk) this.#write(chunk);
    this.#stream.uncork();
  }

  #write(chunk: Chunk): void {
    if (chunk.used === 0 || this.#state !== 'open') {
      this.#outputs.pool.release(chunk);
      return;
    }
    this.#writingBytes += chunk.used;
    const bytes = chunk.buffer.subarray(0, chunk.used);
    const stream = this.#stream;
    if (!this.#writesAtOnce) {
      stream.write(bytes, () => this.#written(chunk));
      this.#writesAtOnce = stream.writableLength === 0;
      return;
    }
    // A callback, in a tick of its own, is a tenth of all that a short message costs (docs/performance.md).
    stream.write(bytes);
    if (stream.writableLength === 0) return this.#written(chunk);
    this.#writesAtOnce = false;
    // What is written after it is done after it.
    stream.write(nothing, () => this.#written(chunk));
  }

  #written(chunk: Chunk): void {
    this.#writes++;
    this.#writingBytes -= chunk.used;
    this.#outputs.pool.release(chunk);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (this.#state === 'open') this.#stream.resume();
  }

  /** Writes what is left, then closes; at once where the other side does not read. */
  end(): void {
    if (this.#state !== 'open') return;
    this.flush();
    this.#state = 'ending';
    this.#stream.end();
    // What still comes is read and dropped: unread bytes would turn the close into a reset that loses our last words.
    this.#stream.resume();
    const linger = setTimeout(() => this.destroy(), lingerMs);
    linger.unref();
    this.#stream.once('close', () => clearTimeout(linger));
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stream.destroy();
    if (this.#chunk) this.#outputs.pool.release(this.#chunk);
    for (const chunk of this.#full ?? []) this.#outputs.pool.release(chunk);
    this.#chunk = null;
    this.#full = null;
  }
}
