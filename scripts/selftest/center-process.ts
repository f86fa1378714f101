// The center of the self-test: a process that is started on the same port again after each kill.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

const startMs = 20_000;

export class CenterProcess {
  readonly #command: readonly string[];
  readonly #dataDir: string;
  #process: ChildProcess | null = null;
  #port = 0;

  /** command: how to run a center, before its own arguments. */
  constructor(command: readonly string[], dataDir: string) {
    this.#command = command;
    this.#dataDir = dataDir;
  }

  get process(): ChildProcess | null {
    return this.#process;
  }

  /** Resolves with its port when it listens. Throws where it ends, or takes too long. */
  async start(): Promise<number> {
    const [program = '', ...args] = this.#command;
    // The same port again: peers know the center by it.
    const own = ['127.0.0.1', String(this.#port), '--data', this.#dataDir];
    const limits = ['--messages-per-second', '0', '--bcrypt-cost', '4', '--log-level', 'error'];
    const open = ['--max-registrations-per-hour', '1000'];
    const center = spawn(program, [...args, ...own, ...limits, ...open], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = center;
    let output = '';
    center.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const listens = /listens on \S+:(\d+)/;
    const deadMs = performance.now() + startMs;
    while (!listens.test(output)) {
      if (center.exitCode !== null) throw new Error(`the center ended while starting, with ${center.exitCode}`);
      if (performance.now() > deadMs) throw new Error('the center did not start in time');
      await wait(5);
    }
    this.#port = Number(listens.exec(output)?.[1]);
    return this.#port;
  }
}

/** Resolves when it has ended; at once where it had. */
export async function kill(child: ChildProcess | null): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
