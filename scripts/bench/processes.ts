// Child processes of the bench: pinned to a core where that is possible, ended by their ids, and none left behind.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';

/** The servers' core, and the load generator's. */
export const cores = { server: 0, load: 1 } as const;
const startTimeoutMs = 120_000;
const stopTimeoutMs = 10_000;
const pollMs = 50;
const maxOutputChars = 4000;

export interface Running {
  /** Of the server itself. */
  pid: number;
  /** Ends it, SIGKILL where it does not go by itself or kill is asked for. */
  stop(how?: 'kill'): Promise<void>;
}

/** Where a program of this name is, looked for in PATH and where Debian puts servers; null: nowhere. */
export function findProgram(name: string): string | null {
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return places.map((place) => join(place, name)).find((path) => existsSync(path)) ?? null;
}

/** Before this process is moved to one of them. */
const allCores = availableParallelism();
const taskset = allCores > 1 ? findProgram('taskset') : null;

/** Whether server and load generator have a core each. */
export const pinned = taskset !== null;

/** The command line that runs this on that core. */
export function onCore(core: number, command: string, args: string[]): [string, string[]] {
  return taskset === null ? [command, args] : [taskset, ['-c', String(core), command, ...args]];
}

/** Moves this process, and what it starts from then on, to a core; null: to all. */
export function moveTo(core: number | null): void {
  if (taskset === null) return;
  const list = core === null ? `0-${allCores - 1}` : String(core);
  spawnSync(taskset, ['-acp', list, String(process.pid)]);
}

export class Processes {
  readonly #running = new Set<ChildProcess>();

  /** Starts a child on a core; what it prints is kept for the error that says that it ended too early. */
  start(
    core: number,
    command: string,
    args: string[],
    options: { cwd?: string; env?: Record<string, string>; stdin?: 'pipe' } = {},
  ): ChildProcess {
    const [program, all] = onCore(core, command, args);
    const child = spawn(program, all, {
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  /** Starts a server and resolves when it takes connections on the port. Rejects with what it printed if it ends before. */
  async serve(
    port: number,
    command: string,
    args: string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): Promise<Running> {
    const child = this.start(cores.server, command, args, options);
    const output = gather(child);
    const until = performance.now() + startTimeoutMs;
    while (!(await connects(port))) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > until) {
        await stop(child);
        throw new Error(`${command} did not start:\n${output()}`);
      }
      await delay(pollMs);
    }
    return { pid: child.pid!, stop: (how) => stop(child, how) };
  }

  /** Runs a child to its end. Rejects with what it printed if it fails. */
  async run(
    command: string,
    args: string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): Promise<void> {
    const child = this.start(cores.server, command, args, options);
    const output = gather(child);
    const [status] = await once(child, 'exit');
    if (status !== 0) throw new Error(`${command} failed:\n${output()}`);
  }

  /** Ends all that run. */
  async end(): Promise<void> {
    await Promise.all([...this.#running].map((child) => stop(child)));
  }

  /** For the last moment of the process. */
  kill(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}

/** Returns what the child has printed, the last of it. */
export function gather(child: ChildProcess): () => string {
  let text = '';
  const add = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-maxOutputChars);
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  return () => text.trim();
}

async function stop(child: ChildProcess, how?: 'kill'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await exited;
  clearTimeout(timer);
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A port of loopback on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resident memory of a process in bytes (proc(5)). */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

/** What a program prints, on its first line; '' where it is not there or fails. */
export function firstLineOf(command: string, args: string[]): string {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: stopTimeoutMs });
  return (stdout ?? '').split('\n')[0] ?? '';
}
