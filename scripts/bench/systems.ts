// The systems that are measured: how each is started in an empty directory, and what the load generator calls it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { firstId, makeDataDir } from './accounts.ts';
import { findProgram, firstLineOf, freePort, type Processes, type Running } from './processes.ts';

const here = dirname(fileURLToPath(import.meta.url));
const centerFile = join(here, '../../center/bin.ts');

export type SystemName =
  | 'relay'
  | 'relay-tls'
  | 'parley'
  | 'parley-tls'
  | 'nats'
  | 'ngircd'
  | 'mosquitto'
  | 'ejabberd'
  | 'prosody';

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

export interface System {
  name: SystemName;
  title: string;
  /** Of the load generator. */
  driver: string;
  args: string[];
  /** Args with which everybody comes once before the row; null: nobody has to. */
  visit: string[] | null;
  /** null where it is installed, else what brings it. */
  missing: string | null;
  version(): string;
  start(processes: Processes, options: StartOptions): Promise<Started>;
}

interface Command {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

const tls = ['--tls'];
/** For servers that set TCP_NODELAY, which a late acknowledgement does not hold up: it spares the generator a quarter. */
const lateAcks = ['--delayed-acks'];
const parleyArgs = ['--first-id', String(firstId), ...lateAcks];
const serverArgs = (file: string): string[] =>
  readFileSync(join(here, 'settings', file), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => line.split(' '));

/** A file of settings/ with its places filled in, written into dir. */
function settings(file: string, dir: string, port: number): string {
  const { username, gid } = userInfo();
  const places: Record<string, string> = { PORT: String(port), DIR: dir, USER: username, GROUP: groupName(gid) };
  const text = readFileSync(join(here, 'settings', file), 'utf8');
  const path = join(dir, file);
  writeFileSync(
    path,
    text.replace(/\{(PORT|DIR|USER|GROUP)\}/g, (_, place: string) => places[place]!),
  );
  return path;
}

function groupName(gid: number): string {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(gid));
  return line?.split(':')[0] ?? String(gid);
}

/** Makes `start` of what builds the command line, which may take time. */
function starting(
  prepare: (options: StartOptions, port: number) => Command | Promise<Command>,
): (processes: Processes, options: StartOptions) => Promise<Started> {
  return async (processes, options) => {
    mkdirSync(options.dir, { recursive: true });
    const port = await freePort();
    const { command, args, env } = await prepare(options, port);
    const again = () => processes.serve(port, command, args, { cwd: options.dir, ...(env ? { env } : {}) });
    return { ...(await again()), port, again };
  };
}

const parley = (flags: string[]) =>
  starting(async ({ dir, accounts, bcryptCost }, port) => {
    const data = join(dir, 'data');
    await makeDataDir(data, { count: accounts, bcryptCost });
    const args = [centerFile, '127.0.0.1', String(port), '--data', data, ...flags, ...serverArgs('center.args')];
    return { command: process.execPath, args };
  });

const relay = (secured: boolean) =>
  starting(async ({ dir }, port) => {
    const args = [join(here, 'relay.ts'), String(port)];
    if (secured) {
      // The same kind of key and certificate as a center's.
      const { keyFile, certFile } = await makeDataDir(join(dir, 'data'), { count: 0, bcryptCost: 4 });
      args.push(keyFile, certFile);
    }
    return { command: process.execPath, args };
  });

/** Debian keeps ejabberd among Erlang's libraries; run without ejabberdctl it opens no ports but the one it is told. */
function ejabberdCommand(dir: string, port: number): Command {
  const config = settings('ejabberd.yml', dir, port);
  return {
    command: findProgram('erl') ?? 'erl',
    args: ['+K', 'true', '+P', '250000', '-noinput', '-mnesia', 'dir', `"${join(dir, 'mnesia')}"`, '-s', 'ejabberd'],
    env: {
      ERL_LIBS: '/usr/lib/x86_64-linux-gnu',
      EJABBERD_CONFIG_PATH: config,
      EJABBERD_LOG_PATH: join(dir, 'ejabberd.log'),
      ERL_CRASH_DUMP: join(dir, 'erl_crash.dump'),
      HOME: dir,
    },
  };
}

function missing(program: string, debianPackage: string): string | null {
  return findProgram(program) === null ? `apt-get install ${debianPackage}` : null;
}

const nodeVersion = () => `Node ${process.versions.node}`;
const debianVersion = (debianPackage: string) => () =>
  firstLineOf('dpkg-query', ['-W', debianPackage]).replace('\t', ' ');

export const systems: readonly System[] = [
  {
    name: 'relay',
    title: 'bare relay',
    driver: 'relay',
    args: lateAcks,
    visit: null,
    missing: null,
    version: nodeVersion,
    start: relay(false),
  },
  {
    name: 'parley',
    title: 'Parley --plain',
    driver: 'parley',
    args: parleyArgs,
    visit: null,
    missing: null,
    version: nodeVersion,
    start: parley(['--plain']),
  },
  {
    name: 'relay-tls',
    title: 'bare relay, TLS',
    driver: 'relay',
    args: [...tls, ...lateAcks],
    visit: null,
    missing: null,
    version: nodeVersion,
    start: relay(true),
  },
  {
    name: 'parley-tls',
    title: 'Parley, TLS',
    driver: 'parley',
    args: [...parleyArgs, ...tls],
    visit: null,
    missing: null,
    version: nodeVersion,
    start: parley([]),
  },
  {
    name: 'nats',
    title: 'NATS core',
    driver: 'nats',
    args: lateAcks,
    visit: null,
    missing: missing('nats-server', 'nats-server'),
    version: debianVersion('nats-server'),
    start: starting(({ dir }, port) => ({
      command: findProgram('nats-server')!,
      args: ['-c', settings('nats.conf', dir, port)],
    })),
  },
  {
    name: 'ngircd',
    title: 'ngircd',
    driver: 'irc',
    args: [],
    visit: null,
    missing: missing('ngircd', 'ngircd'),
    version: debianVersion('ngircd'),
    start: starting(({ dir }, port) => ({
      command: findProgram('ngircd')!,
      args: ['-n', '-f', settings('ngircd.conf', dir, port)],
    })),
  },
  {
    name: 'mosquitto',
    title: 'Mosquitto QoS 1',
    driver: 'mqtt',
    args: lateAcks,
    visit: ['--persistent'],
    missing: missing('mosquitto', 'mosquitto'),
    version: debianVersion('mosquitto'),
    start: starting(({ dir }, port) => ({
      command: findProgram('mosquitto')!,
      args: ['-c', settings('mosquitto.conf', dir, port)],
    })),
  },
  {
    name: 'ejabberd',
    title: 'ejabberd',
    driver: 'xmpp',
    args: [],
    visit: ['--registers'],
    missing: missing('ejabberdctl', 'ejabberd'),
    version: debianVersion('ejabberd'),
    start: starting(({ dir }, port) => ejabberdCommand(dir, port)),
  },
  {
    name: 'prosody',
    title: 'Prosody',
    driver: 'xmpp',
    args: [],
    visit: ['--registers'],
    missing: missing('prosody', 'prosody'),
    version: debianVersion('prosody'),
    start: starting(({ dir }, port) => ({
      command: findProgram('prosody')!,
      args: ['-F', '--config', settings('prosody.cfg.lua', dir, port)],
    })),
  },
];
