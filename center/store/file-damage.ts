// Damage that is seen in a database's files before SQLite opens them: opening may hide it, or make it worse.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { isPageSize, scanLog } from './log-scan.ts';
import { readTail } from './tail.ts';

const usualPageBytes = 4096;

export interface FileDamage {
  /** As the end of a sentence about the database. */
  text: string;
  /** What is gone cannot be named, since nothing is left of it: the newest changes, or all there was. */
  lost: 'nothing' | 'the newest' | 'unknown';
}

/** What is wrong with the files of a database that nobody has open; null: nothing is seen. */
export function findFileDamage(file: string): FileDamage | null {
  const bytes = fileBytes(file);
  const tail = readTail(file);
  if (bytes === 0) {
    // SQLite would make a new one, and throw the log away.
    if (fileBytes(`${file}-wal`) > 0) return { text: 'it is empty, and its write-ahead log is not', lost: 'unknown' };
    return tail === 'unknown' ? null : { text: 'it is missing or empty, and was not', lost: 'unknown' };
  }
  const pageBytes = readPageBytes(file);
  const scan = scanLog(`${file}-wal`, pageBytes);
  if (scan.damage) {
    const { frame, offset, unread } = scan.damage;
    const where = frame < 0 ? 'in its header' : `at frame ${frame + 1} (byte ${offset})`;
    const rest = unread === 1 ? 'a frame that was written is' : `${unread} frames that were written are`;
    return { text: `its write-ahead log does not verify ${where}, and ${rest} not read`, lost: 'nothing' };
  }
  if (tail === 'unknown' || tail === null) return null;
  if (scan.salts === tail.salts) {
    if (scan.frames >= tail.frames) return null;
    const text = `its write-ahead log can be read up to frame ${scan.frames}, and ${tail.frames} were written`;
    return { text, lost: 'the newest' };
  }
  // Without a log: another program may have moved all of it into the database, as SQLite's own shell does at its end.
  if (scan.salts !== '' || pageChecksum(file, pageBytes, tail.page) === tail.checksum) return null;
  return { text: `its write-ahead log, of ${tail.frames} frames, is missing`, lost: 'the newest' };
}

/** From the database's header, where that can be read. */
export function readPageBytes(file: string): number {
  const header = Buffer.alloc(100);
  readAt(file, header, 0);
  const found = header.readUInt16BE(16);
  const bytes = found === 1 ? 65_536 : found;
  return isPageSize(bytes) ? bytes : usualPageBytes;
}

function pageChecksum(file: string, pageBytes: number, page: number): number {
  const content = Buffer.alloc(pageBytes);
  readAt(file, content, (page - 1) * pageBytes);
  return crc32(content);
}

function readAt(file: string, into: Buffer, at: number): void {
  const opened = openSync(file, 'r');
  try {
    readSync(opened, into, 0, into.length, at);
  } finally {
    closeSync(opened);
  }
}

function fileBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
