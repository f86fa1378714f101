// Faults of the machine that a center runs on, for real: a disk whose fsync fails and a wall clock that is wrong (a
// library that is preloaded into it, compiled here), and a disk that is small.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const recordBytes = 16;
const fsyncAt = 8;

/** Why a library cannot be preloaded here; null: it can. */
function whyNoFaults(): string | null {
  if (process.platform !== 'linux') return 'only Linux has LD_PRELOAD';
  return spawnSync('cc', ['--version']).status === 0 ? null : 'there is no C compiler (cc)';
}

/** Leaves tests of a preloaded library out where there can be none, and says so in the title. */
export function skipWithoutFaults(context: Mocha.Context): void {
  const why = whyNoFaults();
  if (why === null) return;
  context.test!.title = `cannot be tested: ${why}`;
  context.skip();
}

export class Faults {
  /** For the environment of the program that is to have them. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: number;
  readonly #record = Buffer.alloc(recordBytes);

  /** Compiles the library into this directory. */
  constructor(dir: string) {
    const library = join(dir, 'faults.so');
    const source = new URL('faults.c', import.meta.url).pathname;
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    const path = join(dir, 'faults');
    this.#file = openSync(path, 'w+');
    this.env = { LD_PRELOAD: library, PARLEY_FAULTS: path };
    this.#tell();
  }

  /** The wall clock is wrong by so much, at once. */
  setClock(seconds: number): void {
    this.#record.writeBigInt64LE(BigInt(seconds), 0);
    this.#tell();
  }

  failFsync(fails: boolean): void {
    this.#record.writeInt32LE(fails ? 1 : 0, fsyncAt);
    this.#tell();
  }

  close(): void {
    closeSync(this.#file);
  }

  #tell(): void {
    writeSync(this.#file, this.#record, 0, recordBytes, 0);
  }
}

/** A disk of its own; null where this user may not mount one. */
export function smallDisk(path: string, bytes: number): { remove(): void } | null {
  mkdirSync(path);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'parley-test', path]);
  if (status !== 0) {
    rmdirSync(path);
    return null;
  }
  return {
    remove: () => {
      execFileSync('umount', [path]);
      rmdirSync(path);
    },
  };
}
