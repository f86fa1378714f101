// How a system's server is started: in a directory of its own, on a free port, with its file of settings/ filled in.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Processes, type Running } from './processes.ts';

const settingsDir = join(dirname(fileURLToPath(import.meta.url)), 'settings');

export interface Started extends Running {
  port: number;
  /** Starts it anew on the same port and data after it has been stopped. */
  again(): Promise<Running>;
}

export interface StartOptions {
  /** Empty, and only for this. */
  dir: string;
  accounts: number;
  bcryptCost: number;
}

export interface Command {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

/** Makes `start` of what makes the accounts and builds the command line, which may take time. */
export function starting(
  prepare: (options: StartOptions, port: number, processes: Processes) => Command | Promise<Command>,
): (processes: Processes, options: StartOptions) => Promise<Started> {
  return async (processes, options) => {
    mkdirSync(options.dir, { recursive: true });
    const port = await freePort();
    const { command, args, env } = await prepare(options, port, processes);
    const again = () => processes.serve(port, command, args, { cwd: options.dir, ...(env ? { env } : {}) });
    return { ...(await again()), port, again };
  };
}

/** A file of settings/ with its places ({DIR}, {USER}, {GROUP} and those given) filled in, written into dir. */
export function writeSettings(file: string, dir: string, more: Record<string, string>): string {
  const { username, gid } = userInfo();
  const places: Record<string, string> = { DIR: dir, USER: username, GROUP: groupName(gid), ...more };
  const text = readFileSync(join(settingsDir, file), 'utf8');
  const path = join(dir, file);
  writeFileSync(
    path,
    text.replace(/\{([A-Z_]+)\}/g, (whole, place: string) => places[place] ?? whole),
  );
  return path;
}

/** A file of settings/ that holds options of the command line. */
export function readOptions(file: string): string[] {
  return readFileSync(join(settingsDir, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => line.split(' '));
}

function groupName(gid: number): string {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(gid));
  return line?.split(':')[0] ?? String(gid);
}
