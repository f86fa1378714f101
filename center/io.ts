// What the center's program has of its process, which main.ts gives it.
import type { LogOptions } from './log.ts';

export type Output = NodeJS.WritableStream & { isTTY?: boolean };

export interface ProgramIo {
  stdin: NodeJS.ReadableStream & AsyncIterable<Uint8Array> & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  stdout: Output;
  stderr: Output;
  /** Where the log goes. */
  log: LogOptions['destination'];
  env: Record<string, string | undefined>;
  /** null where the system has none. */
  userId: number | null;
  /** From now on, the first signal to stop is answered by the program; a second one ends the process at once. */
  stopAsked(): Promise<NodeJS.Signals>;
}
