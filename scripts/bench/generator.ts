// The load generator: compiled with the machine's own compiler, run on its own core, believed only while it has time.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cores, gather, type Processes } from './processes.ts';

const sources = join(dirname(fileURLToPath(import.meta.url)), 'load');
const runTimeoutMs = 300_000;
/** A generator that is busier than this may be what limits the figure. */
const maxShare = 0.9;

/** What a run prints (load/measure.c). */
export interface LoadResult {
  seconds: number;
  count: number;
  perSecond: number;
  /** The generator's CPU time over the clock's. */
  loadShare: number;
  serverShare?: number;
  /** The server's CPU time for each, in microseconds. */
  serverUsEach?: number;
  p50Us?: number;
  p99Us?: number;
  /** Messages that did not follow the one before. */
  gaps: number;
  settled?: number;
  lost?: boolean;
  firstBackSeconds?: number;
  reconnects?: number;
}

/** Compiles the generator into dir. Throws with the compiler's words and what to install. */
export function compileGenerator(dir: string): string {
  const program = join(dir, 'load');
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'));
  const args = ['-O2', '-Wall', '-Wextra', '-o', program, ...files, '-lssl', '-lcrypto'];
  const { status, stderr, error } = spawnSync('cc', args, { cwd: sources, encoding: 'utf8' });
  if (status === 0) return program;
  const why = error?.message ?? stderr;
  throw new Error(`The load generator cannot be compiled: apt-get install gcc libc6-dev libssl-dev\n${why}`);
}

export class Generator {
  readonly #program: string;
  readonly #processes: Processes;

  constructor(program: string, processes: Processes) {
    this.#program = program;
    this.#processes = processes;
  }

  /** One run to its end. Rejects with what it printed where it failed. */
  async run(args: string[]): Promise<LoadResult> {
    return this.#result(await this.begin(args));
  }

  /** A run that says when it is ready and goes on. */
  async begin(args: string[], timeoutMs = runTimeoutMs): Promise<LoadRun> {
    const child = this.#processes.start(cores.load, this.#program, args, { stdin: 'pipe' });
    const output = gather(child);
    const lines: string[] = [];
    const waiting: ((line: string | null) => void)[] = [];
    const reader = createInterface({ input: child.stdout! });
    reader.on('line', (line) => {
      const next = waiting.shift();
      if (next) next(line);
      else lines.push(line);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const ended = once(reader, 'close').then(() => {
      clearTimeout(timer);
      for (const next of waiting.splice(0)) next(null);
    });
    let over = false;
    void ended.then(() => {
      over = true;
    });
    return {
      async line() {
        const line =
          lines.shift() ?? (over ? null : await new Promise<string | null>((resolve) => waiting.push(resolve)));
        if (line === null) throw new Error(`load ${args.slice(0, 2).join(' ')}: ${output()}`);
        return line;
      },
      finish: () => child.stdin?.end(),
    };
  }

  async #result(run: LoadRun): Promise<LoadResult> {
    return JSON.parse(await run.line()) as LoadResult;
  }
}

export interface LoadRun {
  /** The next line that it prints. */
  line(): Promise<string>;
  /** Lets it end. */
  finish(): void;
}

/** Why a figure is not to be believed; null: it is. */
export function refusal(result: LoadResult): string | null {
  if (result.loadShare > maxShare) return `load generator at ${Math.round(result.loadShare * 100)} %`;
  if (result.lost) return 'messages were lost';
  if (result.gaps > 0) return `${result.gaps} gaps`;
  return null;
}
