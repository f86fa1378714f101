// Puts a database together from its file and its write-ahead log, as one file without a log: also with what SQLite would
// leave unread.
import { closeSync, copyFileSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { findFileDamage, readPageBytes } from './file-damage.ts';
import { type LogFrame, logFrameOffset, scanLog } from './log-scan.ts';

type FrameNote = Pick<LogFrame, 'index' | 'page' | 'commit' | 'isValid'>;

/** whole: with all that is in the log. sure: without the frames that do not verify themselves. */
export type ImageKind = 'whole' | 'sure';

/**
 * Writes the image of a database whose files nobody has open.
 * @returns false where the log has nothing in it that does not verify, and the two kinds are the same: then only whole is made
 */
export function makeImage(file: string, kind: ImageKind, to: string): boolean {
  const isDamaged = findFileDamage(file) !== null;
  const frames: FrameNote[] = [];
  const scan = scanLog(`${file}-wal`, readPageBytes(file), ({ index, page, commit, isValid }) => {
    frames.push({ index, page, commit, isValid });
  });
  // Where nothing is damaged, what SQLite leaves unread was never whole.
  const readable = isDamaged ? frames : frames.slice(0, scan.frames);
  const isAllSure = readable.every(({ isValid }) => isValid);
  if (kind === 'sure' && isAllSure) return false;
  copyFileSync(file, to);
  const image = openSync(to, 'r+');
  try {
    apply(`${file}-wal`, readable, kind, scan.pageBytes, image);
    // Versions 1: a database without a log.
    writeSync(image, Buffer.of(1, 1), 0, 2, 18);
  } finally {
    closeSync(image);
  }
  return true;
}

/** How many pages an image has, as it says itself and as it is. */
export function countPages(image: string): { counted: number; found: number } {
  const header = Buffer.alloc(100);
  const file = openSync(image, 'r');
  try {
    readSync(file, header, 0, header.length, 0);
    return { counted: header.readUInt32BE(28), found: Math.ceil(fstatSync(file).size / readPageBytes(image)) };
  } finally {
    closeSync(file);
  }
}

function apply(log: string, frames: FrameNote[], kind: ImageKind, pageBytes: number, image: number): void {
  // What a frame that does not verify says of its page and its commit may be wrong.
  const valid = frames.findLastIndex(({ commit, isValid }) => commit > 0 && isValid);
  const end = Math.max(
    valid,
    frames.findLastIndex(({ commit }) => commit > 0),
  );
  if (end < 0) return;
  const most = Math.ceil(fstatSync(image).size / pageBytes) + frames.length;
  const pages = Math.min(frames[valid]?.commit ?? most, most);
  const from = openSync(log, 'r');
  try {
    const content = Buffer.alloc(pageBytes);
    for (const { index, page, isValid } of frames.slice(0, end + 1)) {
      if ((kind === 'sure' && !isValid) || page < 1 || page > most) continue;
      readSync(from, content, 0, pageBytes, logFrameOffset(index, pageBytes));
      writeSync(image, content, 0, pageBytes, (page - 1) * pageBytes);
    }
    if (valid === end) ftruncateSync(image, pages * pageBytes);
  } finally {
    closeSync(from);
  }
}
