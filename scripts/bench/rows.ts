// The rows: what is done with each system, and what Parley is to reach.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Figure, figureOf, type RowHead, type Target } from './figures.ts';
import type { Generator, LoadResult, LoadRun } from './generator.ts';
import { delay, residentBytes } from './processes.ts';
import type { Started, System, SystemName } from './systems.ts';

export interface Scale {
  seconds: number;
  warmupSeconds: number;
  pairs: number;
  listeners: number;
  loginsAtOnce: number;
  comeBack: number;
  idle: { few: number; many: number };
}

export interface RoundContext {
  generator: Generator;
  system: System;
  started: Started;
  scale: Scale;
  /** Empty at the start of the row. */
  dir: string;
}

/** Rows that are measured together, of one start of each system. */
export interface Measurement {
  name: string;
  rows: RowHead[];
  systems: SystemName[];
  accounts(scale: Scale): number;
  bcryptCost: number;
  /** How many come once before the row where the system needs that. */
  visitors(scale: Scale): number;
  /** A figure for each of the rows. */
  round(context: RoundContext): Promise<Figure[]>;
}

const everybody: SystemName[] = [
  'relay',
  'parley',
  'relay-tls',
  'parley-tls',
  'nats',
  'ngircd',
  'mosquitto',
  'ejabberd',
  'prosody',
];
const keeping: SystemName[] = ['parley', 'parley-tls', 'mosquitto', 'ejabberd', 'prosody'];
const parley: SystemName[] = ['parley', 'parley-tls'];
const cheapHash = 4;
const usualHash = 12;
const warmSeconds = 4;
const settleMs = 1000;
const maxSettleMs = 20_000;
/** Resident memory that changed by less than this between two looks is settled. */
const settledShare = 0.002;
const drainTimeoutSeconds = 60;
const comeBackTimeoutSeconds = 60;

/** Against the systems that do comparable work: at least three times as good. */
const versus: Target[] = [
  { system: 'parley', of: 'ejabberd', atLeast: 3 },
  { system: 'parley', of: 'prosody', atLeast: 3 },
];
const againstRelay = (plain: number, tls: number): Target[] => [
  { system: 'parley', of: 'relay', atLeast: plain },
  { system: 'parley-tls', of: 'relay-tls', atLeast: tls },
];
const value = (system: SystemName, atLeast: number): Target => ({ system, of: null, atLeast });
const perSecond = (name: string, title: string, targets: Target[]): RowHead => ({
  name,
  title,
  unit: name.startsWith('fanout') ? 'deliveries/s' : name.startsWith('login') ? 'logins/s' : 'msg/s',
  better: 'higher',
  targets,
});

function common({ system, started, scale }: RoundContext): string[] {
  const { seconds, warmupSeconds } = scale;
  const server = ['--port', String(started.port), '--server', String(started.pid)];
  return [...server, '--seconds', String(seconds), '--warmup', String(warmupSeconds), ...system.args];
}

function relayed(name: string, title: string, inFlight: number, more: Partial<Measurement> & { args?: string[] }) {
  const { args = [], ...rest } = more;
  return {
    name,
    rows: [perSecond(name, title, [])],
    systems: everybody,
    accounts: (scale) => scale.pairs * 2,
    bcryptCost: cheapHash,
    visitors: (scale) => scale.pairs * 2,
    async round(context) {
      const { generator, system, scale } = context;
      const connections = ['--connections', String(scale.pairs * 2), '--inflight', String(inFlight)];
      return [figureOf(await generator.run([system.driver, 'relay', ...common(context), ...connections, ...args]))];
    },
    ...rest,
  } satisfies Measurement;
}

/** Recipients that keep a history: one file, one fdatasync for all that came in a turn, then the acknowledgements. */
function relayedToHistory(name: string, title: string, inFlight: number): Measurement {
  return relayed(name, title, inFlight, {
    systems: parley,
    async round(context) {
      const { generator, system, scale, dir } = context;
      const history = join(dir, 'history');
      const args = ['--connections', String(scale.pairs * 2), '--inflight', String(inFlight), '--history', history];
      const result = await generator.run([system.driver, 'relay', ...common(context), ...args]);
      rmSync(history);
      return [figureOf(result)];
    },
  });
}

function away(inFlight: number, targets: Target[], drainTargets: Target[]): Measurement {
  return {
    name: `away-${inFlight}`,
    rows: [
      perSecond(`away-${inFlight}`, `to recipients who are away, ${inFlight} in flight a pair`, targets),
      perSecond(`drain-${inFlight}`, `they come back and take what the row above left`, drainTargets),
    ],
    systems: keeping,
    accounts: (scale) => scale.pairs * 2,
    bcryptCost: cheapHash,
    visitors: (scale) => scale.pairs * 2,
    async round(context) {
      const { generator, system, started, scale } = context;
      const pairs = ['--connections', String(scale.pairs)];
      const sent = await generator.run([
        ...[system.driver, 'away', ...common(context), ...pairs, '--inflight', String(inFlight)],
      ]);
      const waiting = sent.settled ?? 0;
      const server = ['--port', String(started.port), '--server', String(started.pid), ...system.args];
      const recipients = ['--first', String(scale.pairs), '--expected', String(waiting)];
      const keeps = ['--seconds', String(drainTimeoutSeconds), '--persistent'];
      const taken = await generator.run([system.driver, 'drain', ...server, ...pairs, ...recipients, ...keeps]);
      const drained = figureOf(taken);
      if (taken.count < waiting) drained.refused = `${waiting - taken.count} of ${waiting} did not come`;
      return [figureOf(sent), drained.refused === null ? drained : { ...drained, value: null }];
    },
  };
}

function logins(name: string, title: string, bcryptCost: number, more: { args: string[]; systems: SystemName[] }) {
  return {
    name,
    rows: [perSecond(name, title, more.systems.includes('ejabberd') ? versus : [])],
    systems: more.systems,
    accounts: (scale) => scale.loginsAtOnce,
    bcryptCost,
    visitors: (scale) => scale.loginsAtOnce,
    async round(context) {
      const { generator, system, scale } = context;
      const args = ['--connections', String(scale.loginsAtOnce), ...more.args];
      return [figureOf(await generator.run([system.driver, 'login', ...common(context), ...args]))];
    },
  } satisfies Measurement;
}

/** Waits until the memory of a server stays as it is, or for long enough. */
async function settledBytes(pid: number): Promise<number> {
  const until = performance.now() + maxSettleMs;
  await delay(settleMs);
  for (let last = residentBytes(pid); ; ) {
    await delay(settleMs);
    const now = residentBytes(pid);
    if (Math.abs(now - last) < last * settledShare || performance.now() > until) return now;
    last = now;
  }
}

const idle: Measurement = {
  name: 'idle',
  rows: [
    {
      name: 'idle',
      title: 'memory of an idle connection',
      unit: 'bytes',
      better: 'lower',
      targets: [value('parley', 6000), value('parley-tls', 50_000), ...versus],
    },
  ],
  systems: everybody,
  accounts: (scale) => scale.idle.many,
  bcryptCost: cheapHash,
  visitors: (scale) => scale.idle.many,
  async round(context) {
    const { generator, system, started, scale } = context;
    needFiles(scale.idle.many);
    const { few, many } = scale.idle;
    const begin = async (first: number, count: number) => {
      const args = ['--first', String(first), '--connections', String(count)];
      const run = await generator.begin([system.driver, 'idle', ...common(context), ...args]);
      await run.line();
      return { run, bytes: await settledBytes(started.pid) };
    };
    const end = async ({ run }: { run: LoadRun }) => {
      run.finish();
      await run.line();
    };
    // A server that has just begun grows with its first work and its first crowd, whatever stays connected.
    const warm = ['--connections', String(scale.loginsAtOnce), '--seconds', String(warmSeconds)];
    await generator.run([system.driver, 'login', ...common(context), ...warm]);
    await end(await begin(0, few));
    const before = await begin(0, few);
    const after = await begin(few, many - few);
    await end(before);
    await end(after);
    return [{ value: (after.bytes - before.bytes) / (many - few), refused: null }];
  },
};

const comeBack: Measurement = {
  name: 'back',
  rows: [
    {
      name: 'back',
      title: 'all back after the server was killed and started again',
      unit: 's',
      better: 'lower',
      targets: [value('parley', 10), value('parley-tls', 10), ...versus],
    },
  ],
  systems: [...parley, 'mosquitto', 'ejabberd', 'prosody'],
  accounts: (scale) => scale.comeBack,
  bcryptCost: cheapHash,
  visitors: (scale) => scale.comeBack,
  async round(context) {
    const { generator, system, started, scale } = context;
    needFiles(scale.comeBack);
    const server = ['--port', String(started.port), ...system.args];
    const args = ['--connections', String(scale.comeBack), '--seconds', String(comeBackTimeoutSeconds), '--by-token'];
    const run = await generator.begin([system.driver, 'back', ...server, ...args]);
    await run.line();
    await started.stop('kill');
    Object.assign(started, await started.again());
    const result = JSON.parse(await run.line()) as LoadResult;
    const missing = scale.comeBack - result.count;
    const refused = missing > 0 ? `${missing} were not back in ${comeBackTimeoutSeconds} s` : null;
    // How busy the generator was says nothing here: it waits for the server, or between two tries.
    return [{ value: refused === null ? result.seconds : null, refused, loadShare: result.loadShare }];
  },
};

/** Throws where a process may not open so many connections. */
function needFiles(connections: number): void {
  const limit = Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
  if (limit < connections + 200) throw new Error(`only ${limit} open files are allowed (ulimit -Hn)`);
}

export const measurements: readonly Measurement[] = [
  relayed('relay-1', 'relay, 1 in flight a pair; the next when the last is received', 1, {
    rows: [
      perSecond('relay-1', 'relay, 1 in flight a pair; the next when one is received', [
        ...againstRelay(0.7, 0.45),
        ...versus,
      ]),
    ],
  }),
  relayed('relay-32', 'relay, 32 in flight a pair', 32, {
    rows: [perSecond('relay-32', 'relay, 32 in flight a pair', [...againstRelay(0.35, 0.25), ...versus])],
  }),
  relayed('relay-1-accepted', 'the same with 1; the next when the server says that it has one', 1, {
    systems: [...parley, 'mosquitto'],
    args: ['--pace', 'settled'],
  }),
  relayed('relay-32-accepted', 'the same with 32', 32, {
    systems: [...parley, 'mosquitto'],
    args: ['--pace', 'settled'],
  }),
  relayedToHistory('relay-1-fsync', 'relay, 1 in flight; recipients fsync their history', 1),
  relayedToHistory('relay-32-fsync', 'relay, 32 in flight; recipients fsync their history', 32),
  away(1, [value('parley', 30_000), ...versus], versus),
  away(32, [value('parley', 200_000), ...versus], [value('parley', 400_000), ...versus]),
  {
    name: 'fanout',
    rows: [perSecond('fanout', 'a broadcast to 1,000, the next when all have it', versus)],
    systems: everybody,
    accounts: (scale) => scale.listeners + 1,
    bcryptCost: cheapHash,
    visitors: (scale) => scale.listeners + 1,
    async round(context) {
      const { generator, system, scale } = context;
      const args = ['--connections', String(scale.listeners + 1)];
      return [figureOf(await generator.run([system.driver, 'fanout', ...common(context), ...args]))];
    },
  },
  logins('login-4', 'logins by password (bcrypt cost 4)', cheapHash, {
    args: [],
    systems: [...parley, 'ejabberd', 'prosody'],
  }),
  logins('login-12', 'logins by password (bcrypt cost 12, the default)', usualHash, { args: [], systems: parley }),
  logins('login-token', 'logins by token', cheapHash, { args: ['--by-token'], systems: parley }),
  comeBack,
  idle,
];
