// Putting files where a center finds them, so that after a crash at any moment the old ones or the new ones are there,
// or a center that starts sees that something is missing.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { tailPath } from './tail.ts';

/** Renames a file, and both its content and its name are on the disk when this returns. */
export function moveInto(from: string, to: string): void {
  syncPath(from);
  renameSync(from, to);
  syncPath(dirname(to));
}

/**
 * Puts a new database in the place of another one, whose files nobody has open and which are kept in the directory
 * `aside`.
 * @param more other files of the center's directory that are replaced with it
 * @returns whether there was anything to keep
 */
export function replaceDatabase(options: {
  file: string;
  fresh: string;
  aside: string;
  more?: { file: string; fresh: string }[];
}): boolean {
  const { file, fresh, aside, more = [] } = options;
  const old = [...more.map((one) => one.file), `${file}-wal`, `${file}-shm`, file].filter((path) => existsSync(path));
  const keep = (path: string): void => {
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    renameSync(path, join(aside, basename(path)));
  };
  for (const path of old) keep(path);
  if (old.length > 0) syncPath(aside);
  for (const one of more) moveInto(one.fresh, one.file);
  moveInto(fresh, file);
  // Last: as long as it is there, a center that starts sees that a database is missing, or not the one that it was.
  if (existsSync(tailPath(file))) keep(tailPath(file));
  syncPath(dirname(file));
  return existsSync(aside);
}

function syncPath(path: string): void {
  const opened = openSync(path, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
