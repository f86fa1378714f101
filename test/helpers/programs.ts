// The real programs as processes: a center to talk to, and peers in pipes.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../../', import.meta.url).pathname;
const defaultPatienceMs = 20_000;
/** bcrypt's least: passwords are not what is tested here. */
const bcryptCost = '4';

/** Node and the file of a program, ready for its arguments: the sources, or after a build (`npm test`) what is shipped. */
export function program(name: 'center' | 'peer'): string[] {
  const file = process.env.PARLEY_TEST_BUILT ? join('dist', name, 'bin.js') : join(name, 'bin.ts');
  return [process.execPath, join(root, file)];
}

export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'parley-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A program whose output is read as it comes. */
export class Running {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  /** It has ended, and all that it wrote is here. */
  hasEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const { NO_COLOR: _color, PARLEY_PASSWORD: _password, ...clean } = process.env;
    this.child = spawn(command[0]!, command.slice(1), { stdio: 'pipe', env: { ...clean, ...env } });
    this.child.stdin!.on('error', () => undefined);
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.child.on('close', () => {
      this.hasEnded = true;
      this.#wake();
    });
  }

  #wake(): void {
    for (const waiting of this.#waiting) waiting();
  }

  write(text: string): void {
    this.child.stdin!.write(text);
  }

  /** Waits until stdout fits. */
  sees(wanted: string | RegExp, patienceMs = defaultPatienceMs): Promise<string> {
    return this.#reads('stdout', wanted, patienceMs);
  }

  /** Waits until stderr fits. */
  complains(wanted: string | RegExp, patienceMs = defaultPatienceMs): Promise<string> {
    return this.#reads('stderr', wanted, patienceMs);
  }

  #reads(from: 'stdout' | 'stderr', wanted: string | RegExp, patienceMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (typeof wanted === 'string' ? this[from].includes(wanted) : wanted.test(this[from])) {
          done();
          resolve(this[from]);
        } else if (this.hasEnded) fail();
      };
      const fail = (): void => {
        done();
        reject(new Error(`did not see ${wanted} in:\n${this.stdout}\n--- stderr\n${this.stderr}`));
      };
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const timer = setTimeout(fail, patienceMs);
      this.#waiting.add(look);
      look();
    });
  }

  /** Resolves with the exit code, or the name of the signal. */
  async ended(): Promise<number | string | null> {
    if (!this.hasEnded) await once(this.child, 'close');
    return this.child.exitCode ?? this.child.signalCode;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.hasEnded) return;
    this.child.kill(signal);
    await once(this.child, 'close');
  }
}

/**
 * A port that nobody listens on, below those that the system gives to outgoing connections: while a center is down, no
 * connection of a peer that tries to reach it takes its port.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const listening = once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.listen(randomInt(16_384, 32_768), 'localhost');
    const { port } = (await listening) ? (server.address() as AddressInfo) : { port: 0 };
    await new Promise((resolve) => server.close(resolve));
    if (port !== 0) return port;
  }
}

/** A center on a free port, with data of its own, that anybody on this machine may register at. */
export class RunningCenter {
  readonly dataDir: string;
  port = 0;
  #running: Running | null = null;
  readonly #remove: () => void;
  readonly #args: readonly string[];

  private constructor(args: readonly string[]) {
    this.#args = args;
    const directory = temporaryDirectory();
    this.dataDir = directory.path;
    this.#remove = directory.remove;
  }

  /** args: further options, such as limits; port 0: a free one. */
  static async start(args: readonly string[] = [], port = 0): Promise<RunningCenter> {
    const center = new RunningCenter(args);
    center.port = port;
    await center.#start();
    return center;
  }

  async #start(): Promise<void> {
    this.port ||= await freePort();
    const args = [
      'localhost',
      String(this.port),
      '--data',
      this.dataDir,
      '--bcrypt-cost',
      bcryptCost,
      '--log-level',
      'error',
      ...this.#args,
    ];
    this.#running = new Running([...program('center'), ...args]);
    const text = await this.#running.sees(/listens on \S+:(\d+)\n/);
    this.port = Number(/listens on \S+:(\d+)\n/.exec(text)?.[1]);
  }

  get pid(): number {
    return this.#running?.child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#running?.child.kill(signal);
  }

  async down(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#running?.kill(signal);
  }

  /** Again on the same port. */
  async up(): Promise<void> {
    await this.#start();
  }

  /** Makes accounts: `name password` a line. */
  async importUsers(credentials: string): Promise<void> {
    const args = ['user', 'import', '-', '--data', this.dataDir, '--bcrypt-cost', bcryptCost];
    const importing = new Running([...program('center'), ...args]);
    importing.child.stdin!.end(credentials);
    if ((await importing.ended()) !== 0) throw new Error(importing.stdout + importing.stderr);
  }

  /** Ends it for good, with its data. */
  async stop(): Promise<void> {
    await this.down('SIGKILL');
    this.#remove();
  }
}

/** Runs a peer in a pipe to its end. */
export async function runPeer(
  center: { port: number },
  args: readonly string[],
  input: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | string | null; stdout: string; stderr: string }> {
  const running = startPeer(center, args, env);
  running.child.stdin!.end(input);
  const code = await running.ended();
  return { code, stdout: running.stdout, stderr: running.stderr };
}

/** Starts a peer in a pipe whose input stays open. */
export function startPeer(
  center: { port: number },
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  return new Running([...program('peer'), 'localhost', String(center.port), ...args], env);
}
