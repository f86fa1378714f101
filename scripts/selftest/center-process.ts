// The center of the self-test: a process that is started on the same port again after each end.
import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import type { Child, Children } from './child.ts';

const startMs = 20_000;

export class CenterProcess {
  readonly #command: readonly string[];
  readonly #dataDir: string;
  readonly #children: Children;
  readonly #onCrash: (how: string) => void;
  #child: Child | null = null;
  #port = 0;

  /** command: how to run a center, before its own arguments. onCrash: told the exit code or signal. */
  constructor(command: readonly string[], dataDir: string, children: Children, onCrash: (how: string) => void) {
    this.#command = command;
    this.#dataDir = dataDir;
    this.#children = children;
    this.#onCrash = onCrash;
  }

  /** null before the first start. */
  get child(): Child | null {
    return this.#child;
  }

  /** Resolves with its port when it listens. Throws where it ends, takes too long, or the signal comes. */
  async start(signal: AbortSignal): Promise<number> {
    const [program = '', ...args] = this.#command;
    // The same port again: peers know the center by it.
    const own = ['127.0.0.1', String(this.#port), '--data', this.#dataDir];
    const limits = ['--messages-per-second', '0', '--bcrypt-cost', '4', '--log-level', 'error'];
    const open = ['--max-registrations-per-hour', '1000'];
    const center = spawn(program, [...args, ...own, ...limits, ...open], { stdio: ['ignore', 'pipe', 'inherit'] });
    const child = this.#children.add(center, this.#onCrash);
    this.#child = child;
    let output = '';
    center.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const listens = /listens on \S+:(\d+)/;
    const deadMs = performance.now() + startMs;
    while (!listens.test(output)) {
      if (child.hasEnded) throw new Error(`the center ended while starting, with ${center.exitCode}`);
      if (performance.now() > deadMs) throw new Error('the center did not start in time');
      await wait(5, undefined, { signal });
    }
    this.#port = Number(listens.exec(output)?.[1]);
    return this.#port;
  }
}
