// The systems that are measured: how each is started in an empty directory, and what the load generator calls it.
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { firstId, makeDataDir } from './accounts.ts';
import { findProgram, firstLineOf, type Processes } from './processes.ts';
import { readOptions, type Started, type StartOptions, starting, writeSettings } from './starting.ts';
import { startEjabberd, startProsody } from './xmpp.ts';

const here = dirname(fileURLToPath(import.meta.url));
/** What is installed: from its TypeScript each start would cost half a second more. */
const centerFile = join(here, '../../dist/center/bin.js');

export type SystemName =
  | 'relay'
  | 'relay-tls'
  | 'parley'
  | 'parley-tls'
  | 'nats'
  | 'ngircd'
  | 'mosquitto'
  | 'ejabberd'
  | 'ejabberd-tls'
  | 'prosody'
  | 'prosody-tls';

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

const tls = ['--tls'];
/** For servers that set TCP_NODELAY, which a late acknowledgement does not hold up: it spares the generator a quarter. */
const lateAcks = ['--delayed-acks'];
const parleyArgs = ['--first-id', String(firstId), ...lateAcks];

const parley = (flags: string[]) =>
  starting(async ({ dir, accounts, bcryptCost }, port) => {
    const data = join(dir, 'data');
    await makeDataDir(data, { count: accounts, bcryptCost });
    const args = [centerFile, '127.0.0.1', String(port), '--data', data, ...flags, ...readOptions('center.args')];
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

function missing(program: string, debianPackage: string): string | null {
  return findProgram(program) === null ? `apt-get install ${debianPackage}` : null;
}

const nodeVersion = () => `Node ${process.versions.node}`;
const debianVersion = (debianPackage: string) => () =>
  firstLineOf('dpkg-query', ['-W', debianPackage]).replace('\t', ' ');

function xmpp(program: 'ejabberd' | 'prosody', name: SystemName, secured: boolean): System {
  const isEjabberd = program === 'ejabberd';
  return {
    name,
    title: `${isEjabberd ? 'ejabberd' : 'Prosody'}${secured ? ', TLS' : ''}`,
    driver: 'xmpp',
    args: secured ? tls : [],
    visit: null,
    missing: missing(isEjabberd ? 'ejabberdctl' : 'prosody', program),
    version: debianVersion(program),
    start: (isEjabberd ? startEjabberd : startProsody)(secured),
  };
}

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
      args: ['-c', writeSettings('nats.conf', dir, { PORT: String(port) })],
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
      args: ['-n', '-f', writeSettings('ngircd.conf', dir, { PORT: String(port) })],
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
      args: ['-c', writeSettings('mosquitto.conf', dir, { PORT: String(port) })],
    })),
  },
  xmpp('ejabberd', 'ejabberd', false),
  xmpp('ejabberd', 'ejabberd-tls', true),
  xmpp('prosody', 'prosody', false),
  xmpp('prosody', 'prosody-tls', true),
];
