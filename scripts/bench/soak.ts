// `npm run soak`: whether the memory of a center stays flat under load, and under recipients that stop reading.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Command, InvalidArgumentError } from 'commander';
import { compileGenerator, Generator } from './generator.ts';
import { delay, Processes, residentBytes } from './processes.ts';
import { systems } from './systems.ts';

const pairs = 50;
/** Recipients that are logged in and say that they are there, but read nothing; and as many who write to them. */
const deafs = 4;
const sliceSeconds = 30;
/** Mail for nobody before the clock starts: more than the store's cache holds, which then does not count as growth. */
const fillSeconds = 10;
const sampleMs = 5000;
/** Until caches and heaps have their size. */
const warmMinutes = 2;
/** What memory at the end may be of what it was after the warm-up. */
const flatRatio = 1.1;
/** The minute after the warm-up, and another one to compare with it. */
const leastMinutes = warmMinutes + 2;

function longEnough(text: string): number {
  const value = Number(text);
  if (!(value >= leastMinutes)) throw new InvalidArgumentError(`It must be at least ${leastMinutes}.`);
  return value;
}

const { minutes } = new Command('soak')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .description(
    `${pairs} pairs talk with 32 messages on their way each, over TLS, and ${deafs} recipients read nothing of what is written ` +
      'to them. Prints the resident memory of the center for every minute. Exit codes: 0 it stayed flat, 1 it grew, 2 it ' +
      'could not be run.',
  )
  .option('--minutes <n>', 'how long', longEnough, 10)
  .parse()
  .opts<{ minutes: number }>();

const dir = mkdtempSync(join(tmpdir(), 'parley-soak-'));
const processes = new Processes();
process.on('exit', () => {
  processes.kill();
  rmSync(dir, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));

const generator = new Generator(compileGenerator(dir), processes);
const system = systems.find(({ name }) => name === 'parley-tls')!;
const center = await system.start(processes, {
  dir: join(dir, 'center'),
  accounts: 4 * pairs + 2 * deafs,
  bcryptCost: 4,
});
const common = ['--port', String(center.port), '--server', String(center.pid), ...system.args];

const absent = ['--first', String(2 * pairs + 2 * deafs), '--connections', String(pairs)];
const fill = ['--seconds', String(fillSeconds), '--inflight', '32'];
await generator.run([system.driver, 'away', ...common, ...absent, ...fill]);
const endMs = performance.now() + minutes * 60_000;
const timeoutMs = (minutes + 1) * 60_000;

/** One kind of load after the other run of it, to the end; returns how many messages it carried. */
async function load(work: string, args: string[]): Promise<number> {
  let count = 0;
  while (performance.now() < endMs) {
    const seconds = Math.max(1, Math.min(sliceSeconds, (endMs - performance.now()) / 1000));
    count += (await generator.run([system.driver, work, ...common, '--seconds', String(seconds), ...args])).count;
  }
  return count;
}

const firstWriter = 2 * pairs;
const several = ['--connections', String(deafs)];
const deaf = await generator.begin(
  [system.driver, 'deaf', ...common, '--first', String(firstWriter + deafs), ...several],
  timeoutMs,
);
await deaf.line();
const relayed = load('relay', ['--connections', String(2 * pairs), '--inflight', '32']);
const unread = load('away', ['--first', String(firstWriter), ...several, '--inflight', '1']);

const samples: { minute: number; bytes: number }[] = [];
const startMs = performance.now();
let shownMinute = 0;
while (performance.now() < endMs) {
  await delay(sampleMs);
  const minute = Math.floor((performance.now() - startMs) / 60_000);
  samples.push({ minute, bytes: residentBytes(center.pid) });
  if (minute > shownMinute) {
    process.stdout.write(`minute ${minute}: ${megabytes(shownMinute)} MB\n`);
    shownMinute = minute;
  }
}

/** The median of a minute. */
function megabytes(minute: number): number {
  const sorted = samples
    .filter((sample) => sample.minute === minute)
    .map(({ bytes }) => bytes)
    .sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) / 1e6);
}

process.stdout.write(`relayed ${await relayed} messages; ${await unread} to those who read nothing\n`);
deaf.finish();
const ratio = megabytes(Math.floor(minutes) - 1) / megabytes(warmMinutes);
process.stdout.write(`${ratio.toFixed(2)} of what it was after ${warmMinutes} minutes (flat: at most ${flatRatio})\n`);
await processes.end();
process.exitCode = ratio <= flatRatio ? 0 : 1;
