// Pooled pieces of output memory. A frame is written once, here, and the same bytes go to the socket and the disk.

export const chunkBytes = 16_384;
/** Chunks kept for reuse; more are left to the garbage collector. */
const maxPooled = 4096;

/** Memory with a count of who still needs its bytes. */
export interface Chunk {
  readonly buffer: Buffer;
  /** Bytes written so far. */
  used: number;
  refs: number;
}

export class ChunkPool {
  readonly #free: Chunk[] = [];

  /** A chunk with at least so much room, held once by the caller. */
  take(minBytes: number): Chunk {
    if (minBytes > chunkBytes) return { buffer: Buffer.allocUnsafeSlow(minBytes), used: 0, refs: 1 };
    const chunk = this.#free.pop();
    if (!chunk) return { buffer: Buffer.allocUnsafeSlow(chunkBytes), used: 0, refs: 1 };
    chunk.used = 0;
    chunk.refs = 1;
    return chunk;
  }

  /** Gives back one hold; the last one frees the memory for reuse. */
  release(chunk: Chunk): void {
    if (--chunk.refs > 0) return;
    if (chunk.buffer.length === chunkBytes && this.#free.length < maxPooled) this.#free.push(chunk);
  }
}
