// `npm run selftest` and `center selftest`: the self-test on the operator's own disk, with its verdict.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { defaultDataDir, makeDirectory } from '../../shared/directory.ts';
import { keepsPromise, tellResult, usualRun } from './report.ts';
import { type Progress, runSelftest } from './run.ts';

const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const maxSeed = 0xffffffff;
/** Where there is no terminal, a line of progress comes so often. */
const lineMs = 5000;

function whole(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} up.`);
    }
    return number;
  };
}

const program = new Command('center selftest')
  .helpOption('-h, --help', 'print this help')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .description(
    'Starts a real center and real peers on this disk, lets them talk while it kills, stops and cuts them off at random, ' +
      'and compares what every sender was told with what every recipient has.',
  )
  .option('--rounds <n>', 'rounds of talking and one fault each', whole(1), 20)
  .option('--seed <n>', 'the seed of an earlier run, to run it again', whole(0))
  .option('--peers <n>', 'how many peers', whole(2), usualRun.peers)
  .option('--messages <n>', 'sent in each round', whole(1), usualRun.messages)
  .option('--plain', 'without TLS, as a center that was started with --plain')
  .option('--dir <dir>', 'where to work; default: beside the data of a center, so on the same disk')
  .option('--keep', 'leave the files there, also where nothing was found')
  .option('--json', 'the verdict as one JSON object')
  .addHelpText(
    'after',
    '\nExit codes: 0 nothing lost, duplicated or reordered, and no crash; 1 there was; 2 it could not be run to its end.',
  );

program.parse();
const options = program.opts<{
  rounds: number;
  seed?: number;
  peers: number;
  messages: number;
  plain?: boolean;
  dir?: string;
  keep?: boolean;
  json?: boolean;
}>();
const seed = options.seed ?? Math.floor(Math.random() * maxSeed);
const parent = options.dir ?? join(defaultDataDir('center', process.env), '..');
const startedMs = performance.now();

let shownMs = startedMs;

function showProgress({ round, rounds, sent, faults, doing }: Progress): void {
  const count = Object.values(faults).reduce((sum, one) => sum + one, 0);
  const text = `round ${round} of ${rounds}, ${sent} sent, ${count} faults, ${doing}`;
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (performance.now() - shownMs >= lineMs || doing === 'draining') {
    shownMs = performance.now();
    process.stderr.write(`${text}\n`);
  }
}

function cannotRun(error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  process.stderr.write(`\nThe self-test could not be run to its end (seed ${seed}): ${why}\n`);
  process.exitCode = 2;
}

/** A fresh directory; undefined where none can be made. */
function makeWorkplace(): string | undefined {
  try {
    makeDirectory(parent);
    return mkdtempSync(join(parent, 'selftest-'));
  } catch (error) {
    cannotRun(error);
    return undefined;
  }
}

const dir = makeWorkplace();
const interruption = new AbortController();
let interruptedWith: number | undefined;
function interrupt(exitCode: number): void {
  interruptedWith ??= exitCode;
  interruption.abort();
}
process.on('SIGHUP', () => interrupt(129));
process.on('SIGINT', () => interrupt(130));
process.on('SIGTERM', () => interrupt(143));
// Of `center selftest`, which was ended.
process.once('disconnect', () => interrupt(1));
// It does not keep this alive by itself.
process.channel?.unref();

/** Whether the files are worth keeping: something was found. */
async function run(dir: string): Promise<boolean> {
  const centerCommand = [process.execPath, new URL(`../../center/bin${ending}`, import.meta.url).pathname];
  const { rounds, peers, messages, plain = false } = options;
  const { signal } = interruption;
  process.stderr.write(`seed ${seed}\n`);
  const verdict = await runSelftest({
    ...{ rounds, seed, dir, peers, messages, centerCommand, plain, signal },
    onProgress: showProgress,
  });
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const done = { rounds, seed, peers, messages, plain, seconds };
  process.stdout.write(options.json ? `${JSON.stringify({ ...verdict, ...done })}\n` : tellResult(verdict, done));
  if (verdict.accepted === 0) throw new Error('nothing was accepted, so nothing is shown by it');
  if (keepsPromise(verdict)) return false;
  process.exitCode = 1;
  return true;
}

if (dir !== undefined) {
  const hasFound = await run(dir).catch((error: unknown) => {
    if (interruptedWith === undefined) cannotRun(error);
    return true;
  });
  if (interruptedWith !== undefined) {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    rmSync(dir, { recursive: true, force: true });
    process.exitCode = interruptedWith;
  } else if (hasFound) {
    // What is there tells how it came about.
    process.stderr.write(`The files are kept in ${dir}.\n`);
  } else if (!options.keep) rmSync(dir, { recursive: true, force: true });
}
