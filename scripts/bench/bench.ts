// `npm run bench`: Parley beside a bare relay and other message servers, the same work in the same run.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Command, InvalidArgumentError } from 'commander';
import { type Figure, failedFigure, type Row, type SystemFigures } from './figures.ts';
import { compileGenerator, Generator } from './generator.ts';
import { type LinkFigures, measureLinks } from './links.ts';
import type { Measurement, Scale } from './measurement.ts';
import { Processes, pinned } from './processes.ts';
import { Progress } from './progress.ts';
import { type LeftOut, type Machine, Report } from './report.ts';
import { measurements } from './rows.ts';
import type { Started } from './starting.ts';
import { type System, systems } from './systems.ts';
import { amount } from './table.ts';

interface Flags {
  json?: boolean;
  quick?: boolean;
  rows?: string[];
  systems?: string[];
  rounds?: number;
  seconds?: number;
}

const usual: Scale = {
  seconds: 3,
  warmupSeconds: 1,
  pairs: 50,
  listeners: 1000,
  loginsAtOnce: 32,
  comeBack: 10_000,
  idle: { few: 2000, many: 10_000 },
};
const quick: Scale = {
  ...usual,
  seconds: 1,
  warmupSeconds: 0.5,
  listeners: 200,
  comeBack: 1000,
  idle: { few: 500, many: 2000 },
};

/** About. */
const startSeconds = 0.7;
const linksSeconds = 60;

function readFlags(): Flags {
  const list = (text: string) => {
    const parts = text.split(',').filter((part) => part !== '');
    if (parts.length === 0) throw new InvalidArgumentError('It must be a name, or several with commas between them.');
    return parts;
  };
  const positive = (text: string) => {
    const value = Number(text);
    if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
    return value;
  };
  return new Command('bench')
    .description(
      'Measures Parley beside other systems. docs/performance.md says what it takes and what each row means.',
    )
    .option('--json', 'print all figures of all rounds as JSON')
    .option('--quick', 'short and small: to see that all works, not to compare')
    .option(
      '--rows <names>',
      `only those that begin like this: ${[...measurements.map(({ name }) => name), 'links'].join(', ')}`,
      list,
    )
    .option('--systems <names>', `only these: ${systems.map(({ name }) => name).join(', ')}`, list)
    .option('--rounds <n>', 'of each row; the median counts (default: 3)', positive)
    .option('--seconds <n>', 'of each round (default: 3)', positive)
    .parse()
    .opts<Flags>();
}

/** What is being measured, as far as it has come: a figure of each row, for each round of each system. */
interface Current {
  measurement: Measurement;
  figures: Map<System, Figure[][]>;
}

class Bench {
  readonly leftOut: readonly LeftOut[];
  readonly #scale: Scale;
  readonly #rounds: number;
  readonly #isOfAllRows: boolean;
  readonly #systems: readonly System[];
  readonly #dir: string;
  readonly #processes: Processes;
  readonly #generator: Generator;
  #current: Current | null = null;

  constructor(flags: Flags, dir: string, processes: Processes) {
    const scale = flags.quick ? quick : usual;
    const seconds = flags.seconds ?? scale.seconds;
    this.#scale = { ...scale, seconds, warmupSeconds: Math.min(scale.warmupSeconds, seconds / 2) };
    this.#rounds = flags.rounds ?? (flags.quick ? 1 : 3);
    this.#isOfAllRows = flags.rows === undefined;
    const wanted = systems.filter(({ name }) => flags.systems?.includes(name) ?? true);
    this.leftOut = wanted.flatMap(({ name, title, missing }) => (missing ? [{ system: name, title, missing }] : []));
    for (const { title, missing } of this.leftOut) say(`${title} is not installed and left out: ${missing}`);
    this.#systems = wanted.filter(({ missing }) => missing === null);
    this.#dir = dir;
    this.#processes = processes;
    this.#generator = new Generator(compileGenerator(dir), processes);
  }

  /** How long a measurement is expected to take. */
  expectedSeconds(measurement: Measurement): number {
    const roundsSeconds = this.#roundsOf(measurement) * measurement.roundSeconds(this.#scale);
    return this.#taking(measurement).length * (startSeconds + roundsSeconds);
  }

  /** All rounds of one measurement: the systems take turns. */
  async measure(measurement: Measurement, progress: Progress): Promise<Row[]> {
    const dir = join(this.#dir, measurement.name);
    const taking = this.#taking(measurement);
    if (taking.length === 0) {
      say(`${measurement.name}: none of the systems has this row`);
      return [];
    }
    say(`${measurement.name}, ${progress}`);
    const started = new Map<System, Started | Error>();
    const figures = new Map<System, Figure[][]>(taking.map((system) => [system, []]));
    this.#current = { measurement, figures };
    for (const system of taking) {
      started.set(system, await this.#start(measurement, system, join(dir, system.name)));
      progress.add(startSeconds);
    }
    const rounds = this.#roundsOf(measurement);
    for (let round = 0; round < rounds; round++) {
      for (const system of taking) {
        const result = await this.#round(measurement, system, started.get(system)!, join(dir, system.name));
        figures.get(system)!.push(result);
        progress.add(measurement.roundSeconds(this.#scale));
        const shown = result.map(({ value, refused }, row) => refused ?? amount(value, measurement.rows[row]!.unit));
        say(`  ${round + 1}/${rounds}  ${system.title.padEnd(16)} ${shown.join('  ').padEnd(16)} ${progress}`);
      }
    }
    for (const one of started.values()) if (!(one instanceof Error)) await one.stop();
    rmSync(dir, { recursive: true, force: true });
    return this.takeRows();
  }

  /** The rows of what is or was being measured, with the rounds that are done. */
  takeRows(): Row[] {
    if (this.#current === null) return [];
    const { measurement, figures } = this.#current;
    this.#current = null;
    const measured = [...figures].filter(([, rounds]) => rounds.length > 0);
    if (measured.length === 0) return [];
    return measurement.rows.map((head, row) => ({
      ...head,
      systems: measured.map(([system, all]): SystemFigures => {
        const rounds = all.map((round) => round[row]!);
        return { system: system.name, title: system.title, version: system.version(), rounds };
      }),
    }));
  }

  #taking(measurement: Measurement): System[] {
    return this.#systems.filter(({ name }) => measurement.systems.includes(name));
  }

  #roundsOf({ isLong }: Measurement): number {
    return isLong && this.#isOfAllRows ? 1 : this.#rounds;
  }

  async #start(measurement: Measurement, system: System, dir: string): Promise<Started | Error> {
    try {
      const accounts = measurement.accounts(this.#scale);
      const started = await system.start(this.#processes, { dir, accounts, bcryptCost: measurement.bcryptCost });
      if (system.visit) {
        const args = [
          '--port',
          String(started.port),
          '--connections',
          String(accounts),
          ...system.args,
          ...system.visit,
        ];
        await this.#generator.run([system.driver, 'visit', ...args]);
      }
      return started;
    } catch (error) {
      say(`  ${system.title}: ${error instanceof Error ? error.message : error}`);
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #round(measurement: Measurement, system: System, started: Started | Error, dir: string): Promise<Figure[]> {
    if (started instanceof Error) return measurement.rows.map(() => failedFigure(started));
    try {
      const context = { generator: this.#generator, system, started, scale: this.#scale, dir };
      return await measurement.round(context);
    } catch (error) {
      return measurement.rows.map(() => failedFigure(error));
    }
  }
}

/** Throws on a name that means nothing here: what it was meant to be would be left out without a word. */
function refuseUnknown({ rows = [], systems: named = [] }: Flags): void {
  const rowNames = [...measurements.map(({ name }) => name), 'links'];
  const row = rows.find((start) => !rowNames.some((name) => name.startsWith(start)));
  if (row !== undefined) throw new Error(`No row begins with ${row}. There are ${rowNames.join(', ')}.`);
  const systemNames = systems.map(({ name }) => name);
  const system = named.find((name) => !systemNames.some((one) => one === name));
  if (system !== undefined) throw new Error(`No system is called ${system}. There are ${systemNames.join(', ')}.`);
}

function hasLinks(flags: Flags): boolean {
  return flags.rows?.some((row) => 'links'.startsWith(row)) ?? true;
}

/** Private links: not the center's work but the peers', so a table of its own. */
async function measurePrivateLinks(flags: Flags, dir: string, processes: Processes): Promise<LinkFigures> {
  const system = systems.find(({ name }) => name === 'parley-tls')!;
  const center = await system.start(processes, { dir: join(dir, 'links'), accounts: 1, bcryptCost: 4 });
  const { seconds } = flags.quick ? quick : usual;
  const figures = await measureLinks(center, join(dir, 'links'), flags.seconds ?? seconds);
  await center.stop();
  return figures;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function machine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    pinned,
  };
}

async function main(): Promise<number> {
  const flags = readFlags();
  const chosen = measurements.filter(({ name }) => flags.rows?.some((row) => name.startsWith(row)) ?? true);
  refuseUnknown(flags);
  const dir = mkdtempSync(join(tmpdir(), 'parley-bench-'));
  const processes = new Processes();
  process.on('exit', () => {
    processes.kill();
    rmSync(dir, { recursive: true, force: true });
  });
  const end = endOnSignal();
  if (!pinned) say('No second core or no taskset (util-linux): servers and load generator share what there is.');
  const bench = new Bench(flags, dir, processes);
  const report = new Report(machine(), bench.leftOut, {
    isJson: flags.json === true,
    write: (text) => process.stdout.write(text),
  });
  end.before = () => {
    report.rows(bench.takeRows());
    report.end({ interrupted: true });
  };
  const links = hasLinks(flags) ? linksSeconds : 0;
  const progress = new Progress(chosen.reduce((sum, one) => sum + bench.expectedSeconds(one), links));
  for (const measurement of chosen) report.rows(await bench.measure(measurement, progress));
  if (hasLinks(flags)) {
    say(`links, ${progress}`);
    report.links(await measurePrivateLinks(flags, dir, processes));
  }
  await processes.end();
  report.end({ interrupted: false });
  return 0;
}

/** Ends the process on a signal, after what is to be done before. */
function endOnSignal(): { before: () => void } {
  const end = { before: () => {} };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      say(`ended by ${signal}`);
      end.before();
      process.exit(130);
    });
  }
  return end;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
