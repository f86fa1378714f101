// The processes that the self-test has started: an end that was not asked for is told, and none outlives the test.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** All that run, also those on their way out. */
export class Children {
  readonly #running = new Set<Child>();

  /** onCrash: told the exit code or signal when it has ended by itself. */
  add(process: ChildProcess, onCrash: (how: string) => void): Child {
    const child = new Child(process, onCrash);
    if (child.hasEnded) return child;
    this.#running.add(child);
    process.once('exit', () => this.#running.delete(child));
    return child;
  }

  /** Resolves when all have ended, so that nothing writes any more. */
  async kill(): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.kill()));
  }
}

export class Child {
  readonly process: ChildProcess;
  #endIsAskedFor = false;

  constructor(process: ChildProcess, onCrash: (how: string) => void) {
    this.process = process;
    process.once('exit', (code, signal) => {
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
