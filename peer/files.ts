// Small files of the peer: whole or not at all, and readable by their owner only.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { ParleyError } from '../shared/errors.ts';

/** Replaces a file; after a crash it is the old one or the new one. */
export function writeFileWhole(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unusable(path, error);
  }
}

/** Adds a line to a file, made where there is none; another process can do the same at the same time. */
export function appendLine(path: string, line: string): void {
  try {
    const file = openSync(path, 'a+', 0o600);
    try {
      writeSync(file, `${endsInLine(file) ? '' : '\n'}${line}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unusable(path, error);
  }
}

/** The text of a file, null if there is none. */
export function readFileIfAny(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw unusable(path, error);
  }
}

export function removeFile(path: string): void {
  rmSync(path, { force: true });
}

/** True for an empty file. */
function endsInLine(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  return last.toString() === '\n';
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function unusable(path: string, error: unknown): ParleyError {
  return new ParleyError('bad_data', `${path}: ${error instanceof Error ? error.message : String(error)}`);
}
