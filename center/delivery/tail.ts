// What has come to a mailbox and was neither delivered nor committed, with the memory it lies in.
import type { Chunk, ChunkPool } from '../chunks.ts';
import type { Entry } from './entry.ts';
import { Queue } from './queue.ts';

export class Tail {
  readonly #pool: ChunkPool;
  readonly #entries = new Queue<Entry>();
  /** Where the next frame goes. */
  #chunk: Chunk | null = null;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#entries.length;
  }

  peek(): Entry | undefined {
    return this.#entries.peek();
  }

  /** Counted from the oldest. */
  at(index: number): Entry | undefined {
    return this.#entries.at(index);
  }

  /** Room for the frame of an entry that is pushed next. */
  reserve(bytes: number): Chunk {
    const chunk = this.#chunk;
    if (chunk && chunk.buffer.length - chunk.used >= bytes) return chunk;
    this.#letGo();
    this.#chunk = this.#pool.take(bytes);
    return this.#chunk;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** Takes the oldest one out. The last one takes the memory with it. */
  shift(): Entry | undefined {
    const entry = this.#entries.shift();
    if (this.#entries.length === 0) this.#letGo();
    return entry;
  }

  /** Puts these before all others, in their order. */
  unshift(entries: Entry[]): void {
    this.#entries.unshift(entries);
  }

  #letGo(): void {
    if (this.#chunk) this.#pool.release(this.#chunk);
    this.#chunk = null;
  }
}
