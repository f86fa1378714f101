// The rows of thousands of connections: what an idle one takes, and all of them coming back after the server was killed.
import { readFileSync } from 'node:fs';
import type { LoadResult, LoadRun } from './generator.ts';
import {
  byPassword,
  cheapHash,
  common,
  everybody,
  type Measurement,
  parley,
  value,
  versus,
  xmpp,
} from './measurement.ts';
import { delay, residentBytes } from './processes.ts';

const warmSeconds = 4;
const settleMs = 1000;
const maxSettleMs = 20_000;
/** Resident memory that changed by less than this between two looks is settled. */
const settledShare = 0.002;
const comeBackTimeoutSeconds = 60;

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

export const idle: Measurement = {
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
  isLong: true,
  roundSeconds: (scale) => warmSeconds + 8 + scale.idle.many / 700,
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
    const warm = [...byPassword, '--connections', String(scale.loginsAtOnce), '--seconds', String(warmSeconds)];
    await generator.run([system.driver, 'login', ...common(context), ...warm]);
    await end(await begin(0, few));
    const before = await begin(0, few);
    const after = await begin(few, many - few);
    await end(before);
    await end(after);
    // Only a server that has just begun tells what its first thousands take.
    await started.stop();
    Object.assign(started, await started.again());
    return [{ value: (after.bytes - before.bytes) / (many - few), refused: null }];
  },
};

export const comeBack: Measurement = {
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
  systems: [...parley, 'mosquitto', ...xmpp],
  accounts: (scale) => scale.comeBack,
  bcryptCost: cheapHash,
  isLong: true,
  roundSeconds: (scale) => 5 + scale.comeBack / 350,
  async round(context) {
    const { generator, system, started, scale } = context;
    needFiles(scale.comeBack);
    const server = ['--port', String(started.port), ...system.args];
    const args = ['--connections', String(scale.comeBack), '--seconds', String(comeBackTimeoutSeconds)];
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
