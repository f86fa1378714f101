// Writes the log's lines to a file descriptor: never waiting for its reader, and never holding more than a bound.
import { write } from 'node:fs';

/** A reader that has stopped reading costs lines, not memory. */
export const maxWaitingBytes = 1_048_576;
const retryMs = 50;
/** One write takes at most so much, so that a slow reader sees lines come. */
const maxWriteBytes = 65_536;
const newline = 10;
/** Nobody reads any more; other errors pass, as that of a full disk does. */
const forGood: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EBADF', 'ECONNRESET']);

export interface LogSink {
  write(line: string): void;
  /** Resolves when all is written, or cannot be, or after this time. */
  flush(timeoutMs: number): Promise<void>;
}

/** tellDropped: the line that says how many are missing. */
export function openSink(descriptor: number, tellDropped: (count: number) => string): LogSink {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let dropped = 0;
  /** What was written last is not a whole line. */
  let isTorn = false;
  let state: 'idle' | 'writing' | 'broken' = 'idle';
  let onIdle: (() => void)[] = [];

  function finish(end: 'idle' | 'broken'): void {
    state = end;
    const told = onIdle;
    onIdle = [];
    for (const tell of told) tell();
  }

  function next(): void {
    if (waiting.length === 0 && dropped > 0) {
      enqueue(tellDropped(dropped));
      dropped = 0;
    }
    if (waiting.length === 0) return finish('idle');
    state = 'writing';
    const bytes = Buffer.concat(waiting);
    waiting = bytes.length > maxWriteBytes ? [bytes.subarray(maxWriteBytes)] : [];
    put(bytes.subarray(0, maxWriteBytes));
  }

  function put(bytes: Buffer): void {
    write(descriptor, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(put, retryMs, bytes).unref();
      } else if (error) {
        // There is nowhere to say so. The next line tries again, and is followed by how many are missing.
        dropped += countLines([bytes, ...waiting]);
        waiting = [];
        waitingBytes = 0;
        finish(forGood.has(error.code) ? 'broken' : 'idle');
      } else {
        waitingBytes -= written;
        isTorn = bytes[written - 1] !== newline;
        if (written < bytes.length) put(bytes.subarray(written));
        else next();
      }
    });
  }

  function enqueue(line: string): void {
    const bytes = Buffer.from(line);
    waiting.push(bytes);
    waitingBytes += bytes.length;
  }

  function countLines(chunks: readonly Buffer[]): number {
    return chunks.reduce((sum, chunk) => sum + chunk.reduce((lines, byte) => lines + (byte === newline ? 1 : 0), 0), 0);
  }

  return {
    write: (line) => {
      if (state === 'broken') return;
      if (waitingBytes + line.length > maxWaitingBytes) {
        dropped++;
        return;
      }
      enqueue(isTorn && state === 'idle' ? `\n${line}` : line);
      if (state === 'idle') next();
    },
    flush: (timeoutMs) =>
      new Promise((resolve) => {
        if (state !== 'writing') return resolve();
        const timer = setTimeout(resolve, timeoutMs);
        onIdle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
