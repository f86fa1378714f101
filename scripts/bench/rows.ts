// The rows: what is done with each system, and what Parley is to reach.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { comeBack, idle } from './crowds.ts';
import { figureOf, type RowHead, type Target } from './figures.ts';
import {
  byPassword,
  cheapHash,
  common,
  everybody,
  type Measurement,
  parley,
  type Scale,
  value,
  versus,
  xmpp,
} from './measurement.ts';
import type { SystemName } from './systems.ts';

const keeping: SystemName[] = ['parley', 'parley-tls', 'mosquitto', ...xmpp];
const usualHash = 12;
const drainTimeoutSeconds = 60;

const againstRelay = (plain: number, tls: number): Target[] => [
  { system: 'parley', of: 'relay', atLeast: plain },
  { system: 'parley-tls', of: 'relay-tls', atLeast: tls },
];
const perSecond = (name: string, title: string, targets: Target[]): RowHead => ({
  name,
  title,
  unit: name.startsWith('fanout') ? 'deliveries/s' : name.startsWith('login') ? 'logins/s' : 'msg/s',
  better: 'higher',
  targets,
});

const roundSeconds = ({ seconds, warmupSeconds }: Scale) => seconds + warmupSeconds + 0.3;

function relayed(name: string, title: string, inFlight: number, more: Partial<Measurement> & { args?: string[] }) {
  const { args = [], ...rest } = more;
  return {
    name,
    rows: [perSecond(name, title, [])],
    systems: everybody,
    accounts: (scale) => scale.pairs * 2,
    bcryptCost: cheapHash,
    roundSeconds,
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
    roundSeconds: (scale) => 3 * scale.seconds,
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

interface LoginsOptions {
  bcryptCost: number;
  args: string[];
  systems: SystemName[];
}

/**
 * Of a round of logins, and as long again before it that does not count: some servers do a hundred a second, and V8 compiles
 * for the first ten seconds, as no center does that has been up for a while.
 */
const leastSeconds = 4;

function logins(name: string, title: string, options: LoginsOptions): Measurement {
  const { bcryptCost, args, systems } = options;
  return {
    name,
    rows: [perSecond(name, title, systems.includes('ejabberd') ? versus : [])],
    systems,
    accounts: (scale) => scale.loginsAtOnce,
    bcryptCost,
    roundSeconds: (scale) => 2 * Math.max(scale.seconds, leastSeconds),
    async round(context) {
      const { generator, system, scale } = context;
      const seconds = String(Math.max(scale.seconds, leastSeconds));
      const more = ['--connections', String(scale.loginsAtOnce), '--seconds', seconds, '--warmup', seconds, ...args];
      return [figureOf(await generator.run([system.driver, 'login', ...common(context), ...more]))];
    },
  };
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
    roundSeconds: (scale) => roundSeconds(scale) + 1,
    async round(context) {
      const { generator, system, scale } = context;
      const args = ['--connections', String(scale.listeners + 1)];
      return [figureOf(await generator.run([system.driver, 'fanout', ...common(context), ...args]))];
    },
  },
  logins('login-4', 'logins by password (bcrypt cost 4)', {
    bcryptCost: cheapHash,
    args: byPassword,
    systems: [...parley, ...xmpp],
  }),
  logins('login-12', 'logins by password (bcrypt cost 12, the default)', {
    bcryptCost: usualHash,
    args: byPassword,
    systems: parley,
  }),
  logins('login-token', 'logins with no password to hash (Parley: by token; XMPP: by SCRAM)', {
    bcryptCost: cheapHash,
    args: [],
    // The bare relay, which asks nobody who they are: what connecting costs.
    systems: ['relay', 'relay-tls', ...parley, ...xmpp],
  }),
  comeBack,
  idle,
];
