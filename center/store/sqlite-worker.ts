// The thread of the SQLite engine: a batch in, its results out.
import { parentPort, workerData } from 'node:worker_threads';
import { type BatchMessage, type BatchReply, type OpenReply, readBatch, type ThreadReply } from './batch.ts';
import { Engine, type EngineOptions } from './engine.ts';

if (!parentPort) throw new Error('sqlite-worker.ts is the code of a worker thread');
const port = parentPort;

try {
  serve(new Engine(workerData as EngineOptions));
} catch (error) {
  port.postMessage({ opened: false, text: textOf(error) } satisfies OpenReply);
}

function serve(engine: Engine): void {
  port.postMessage({ opened: true, from: engine.openedFrom } satisfies OpenReply);
  port.on('message', (message: BatchMessage | 'close') => {
    try {
      if (message === 'close') {
        engine.close();
        port.close();
        return;
      }
      const done = engine.run(readBatch(message));
      const reply: BatchReply = { ...done, bytes: message.bytes, length: message.length };
      port.postMessage(reply, [message.bytes, ...framesOf(done.results)]);
      engine.tidy();
    } catch (error) {
      // EngineStopped, or something unforeseen: either way what is on the disk is not known any more.
      port.postMessage({ stopped: textOf(error) } satisfies ThreadReply);
      port.close();
    }
  });
}

/** The frames that were read go over without being copied. */
function framesOf(results: unknown[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const result of results) {
    if (!Array.isArray(result)) continue;
    for (const run of result) if (run?.frames instanceof Uint8Array) buffers.push(run.frames.buffer);
  }
  return buffers;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
