// A process that the self-test has started: an end that was not asked for is told.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export class Child {
  readonly process: ChildProcess;
  #endIsAskedFor = false;

  /** onCrash: told the exit code or signal when it has ended by itself. */
  constructor(process: ChildProcess, onCrash: (how: string) => void) {
    this.process = process;
    process.once('exit', (code, signal) => {
      if (!this.#endIsAskedFor) onCrash(String(signal ?? code));
    });
  }

  get hasEnded(): boolean {
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
