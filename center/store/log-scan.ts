// Reads SQLite's write-ahead log as it lies on the disk, and finds what SQLite passes over in silence: at a frame that
// does not verify it stops reading, and says that all is well. https://www.sqlite.org/fileformat2.html#walformat
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export const logHeaderBytes = 32;
export const frameHeaderBytes = 24;
/** With the last bit set, checksums are those of big-endian words. */
const magic = 0x377f0682;
const readFrames = 256;

export interface LogFrame {
  /** From 0. */
  index: number;
  page: number;
  /** How many pages the database has after the commit that ends here; 0: no commit ends here. */
  commit: number;
  /** Whether SQLite would read it, were all before it in order. */
  isValid: boolean;
  /** Of the page; good until the next frame. */
  content: Buffer;
}

export interface LogScan {
  pageBytes: number;
  /** The two salts, as hex, that frames of this log have; empty where there is no log. */
  salts: string;
  /** How many frames SQLite reads: up to the last commit that verifies. */
  frames: number;
  damage: LogDamage | null;
}

export interface LogDamage {
  /** The first frame that does not verify; -1: the header. */
  frame: number;
  /** Of that in the file. */
  offset: number;
  /** How many later frames of this same log SQLite does not read. */
  unread: number;
}

interface Header {
  isValid: boolean;
  isBigEndian: boolean;
  pageBytes: number;
  salts: string;
  /** As it is written there. */
  checksum: [number, number];
}

/**
 * Reads a log from its beginning to its end. Damage is proven here, never guessed: a commit is on the disk before the
 * next one begins, so a frame that follows a whole commit shows that everything up to that commit was there. What is
 * missing at the end alone looks as after a loss of power; whether it was there before is not known to the log.
 * @param pageBytes used where the header cannot be read
 * @param visit called for each frame with the salts of this log
 */
export function scanLog(path: string, pageBytes: number, visit: (frame: LogFrame) => void = () => {}): LogScan {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { pageBytes, salts: '', frames: 0, damage: null };
    throw error;
  }
  try {
    return scan(file, pageBytes, visit);
  } finally {
    closeSync(file);
  }
}

function scan(file: number, fallbackPageBytes: number, visit: (frame: LogFrame) => void): LogScan {
  const header = readHeader(file, fallbackPageBytes);
  if (header === null) return { pageBytes: fallbackPageBytes, salts: '', frames: 0, damage: null };
  const { pageBytes } = header;
  const frameBytes = frameHeaderBytes + pageBytes;
  const count = Math.floor((fstatSync(file).size - logHeaderBytes) / frameBytes);
  const chunk = Buffer.alloc(readFrames * frameBytes);
  const verdict = new Verdict(header);
  for (let index = 0; index < count; ) {
    const bytes = readSync(file, chunk, 0, chunk.length, logHeaderBytes + index * frameBytes);
    const whole = Math.floor(bytes / frameBytes);
    if (whole === 0) break;
    for (let at = 0; at < whole; at++, index++) {
      const frame = verdict.judge(index, chunk.subarray(at * frameBytes, (at + 1) * frameBytes));
      if (frame !== null) visit(frame);
    }
  }
  return { pageBytes, salts: header.salts, frames: verdict.frames, damage: verdict.damage(frameBytes) };
}

/** What is known while frames pass, one after the other. */
class Verdict {
  /** Up to the last commit that SQLite reads. */
  frames = 0;
  readonly #header: Header;
  /** Of this log; unknown until a frame of it verifies, where the header does not. */
  #salts: string | null;
  #seed: [number, number];
  #firstBad = -1;
  /** Of this log, behind the first bad frame. */
  #unread = 0;
  /** A commit ends at or behind the first bad frame, and a frame follows it. */
  #isProven = false;
  #commitSeen = false;

  constructor(header: Header) {
    this.#header = header;
    this.#salts = header.isValid ? header.salts : null;
    this.#seed = header.checksum;
    if (!header.isValid) this.#firstBad = 0;
  }

  /** null: it is of an earlier log. */
  judge(index: number, bytes: Buffer): LogFrame | null {
    const { isBigEndian } = this.#header;
    const content = bytes.subarray(frameHeaderBytes);
    const [first, second] = addChecksum(
      content,
      isBigEndian,
      addChecksum(bytes.subarray(0, 8), isBigEndian, this.#seed),
    );
    const written: [number, number] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    const isLinked = first === written[0] && second === written[1];
    const salts = bytes.toString('hex', 8, 16);
    if (isLinked) this.#salts ??= salts;
    const isOurs = salts === this.#salts;
    const page = bytes.readUInt32BE(0);
    const commit = bytes.readUInt32BE(4);
    const isValid = isLinked && isOurs && page > 0;
    // Behind a bad frame the next ones still verify, from the checksum that stands in the one before.
    this.#seed = written;
    if (!isValid && this.#firstBad < 0) this.#firstBad = index;
    if (this.#firstBad < 0) {
      if (commit > 0) this.frames = index + 1;
    } else if (isOurs) {
      this.#unread++;
      if (this.#commitSeen) this.#isProven = true;
      if (commit > 0) this.#commitSeen = true;
    }
    return isOurs ? { index, page, commit, isValid, content } : null;
  }

  damage(frameBytes: number): LogDamage | null {
    const { isValid } = this.#header;
    // The header is on the disk before the first frame is written.
    if (!isValid && this.#unread > 0) return { frame: -1, offset: 0, unread: this.#unread };
    if (!isValid || !this.#isProven) return null;
    const offset = logHeaderBytes + this.#firstBad * frameBytes;
    return { frame: this.#firstBad, offset, unread: this.#unread };
  }
}

/** null: there is not even a header. */
function readHeader(file: number, fallbackPageBytes: number): Header | null {
  const bytes = Buffer.alloc(logHeaderBytes);
  if (readSync(file, bytes, 0, logHeaderBytes, 0) < logHeaderBytes) return null;
  const found = bytes.readUInt32BE(0);
  const isBigEndian = found === magic + 1;
  const pageBytes = bytes.readUInt32BE(8);
  const checksum: [number, number] = [bytes.readUInt32BE(24), bytes.readUInt32BE(28)];
  const [first, second] = addChecksum(bytes.subarray(0, 24), isBigEndian, [0, 0]);
  const isValid =
    (found === magic || isBigEndian) && isPageSize(pageBytes) && first === checksum[0] && second === checksum[1];
  return {
    isValid,
    isBigEndian: isValid && isBigEndian,
    pageBytes: isValid ? pageBytes : fallbackPageBytes,
    salts: bytes.toString('hex', 16, 24),
    checksum,
  };
}

/** Where the content of a frame begins in the file. */
export function logFrameOffset(index: number, pageBytes: number): number {
  return logHeaderBytes + index * (frameHeaderBytes + pageBytes) + frameHeaderBytes;
}

export function isPageSize(bytes: number): boolean {
  return bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;
}

/** bytes: a multiple of 8. */
function addChecksum(bytes: Buffer, isBigEndian: boolean, seed: [number, number]): [number, number] {
  let [first, second] = seed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + view.getUint32(at, !isBigEndian) + second) | 0;
    second = (second + view.getUint32(at + 4, !isBigEndian) + first) | 0;
  }
  return [first >>> 0, second >>> 0];
}
