// The processes that the self-test has started: an end that was not asked for is told, and none outlives the test.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** All that run, also those on their way out. */
const running = new Set<Child>();

/** Kills all that still run; resolves when they have ended, so that nothing writes any more. */
export async function killChildren(): Promise<void> {
  await Promise.all([...running].map((child) => child.kill()));
}

export class Child {
  readonly process: ChildProcess;
  #endIsAskedFor = false;

  /** onCrash: told the exit code or signal when it has ended by itself. */
  constructor(process: ChildProcess, onCrash: (how: string) => void) {
    this.process = process;
    if (!this.hasEnded) running.add(this);
    process.once('exit', (code, signal) => {
      running.delete(this);
      if (!this.#endIsAskedFor) onCrash(String(signal ?? code));
    });
  }

  /** Or could not be started. */
  get hasEnded(): boolean {
    if (this.process.pid === undefined) return true;
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** From now on it may end. */
  letEnd(): void {
    this.#endIsAskedFor = true;
  }

  /** Resolves when it has ended; at once where it had. */
  async kill(): Promise<void> {
    this.letEnd();
    if (this.hasEnded) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exited;
  }
}
