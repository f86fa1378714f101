// Up to where the write-ahead log is known to reach, kept beside the database: a log that was cut short verifies as far
// as it goes, and without this nobody could tell it from a whole one.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { frameHeaderBytes, logHeaderBytes } from './log-scan.ts';

/** What was in the log when a commit had returned; null: nothing that is not in the database too. */
export type Tail = {
  /** As hex. */
  salts: string;
  frames: number;
  /** Of the last frame: its page, and the CRC-32 of what it holds. */
  page: number;
  checksum: number;
} | null;

const magic = 0x5054_4c31;
const recordBytes = 32;

export function tailPath(file: string): string {
  return `${file}.tail`;
}

/** unknown: there is no such file, or what is in it is not to be trusted. */
export function readTail(file: string): Tail | 'unknown' {
  const path = tailPath(file);
  if (!existsSync(path)) return 'unknown';
  const bytes = readFileSync(path);
  if (bytes.length !== recordBytes || bytes.readUInt32BE(0) !== magic) return 'unknown';
  if (crc32(bytes.subarray(0, recordBytes - 4)) !== bytes.readUInt32BE(recordBytes - 4)) return 'unknown';
  const frames = bytes.readUInt32BE(12);
  if (frames === 0) return null;
  return {
    salts: bytes.toString('hex', 4, 12),
    frames,
    page: bytes.readUInt32BE(16),
    checksum: bytes.readUInt32BE(20),
  };
}

/** Keeps the tail of an open database. It may lag behind the log, and is never ahead of it: only what is durable is told. */
export class TailFile {
  readonly #tail: number;
  readonly #logPath: string;
  #log = -1;
  readonly #frame: Buffer;
  readonly #record = Buffer.alloc(recordBytes);
  #frames = -1;

  /** @param file of the database, which has a log from the first commit on */
  constructor(file: string, pageBytes: number) {
    this.#logPath = `${file}-wal`;
    this.#tail = openSync(tailPath(file), existsSync(tailPath(file)) ? 'r+' : 'w+', 0o600);
    this.#frame = Buffer.alloc(frameHeaderBytes + pageBytes);
    this.#record.writeUInt32BE(magic, 0);
  }

  /**
   * A commit has returned: so many frames are in the log, and so many of them in the database too.
   * @throws what writing throws; what was kept before is still true then
   */
  keep(frames: number, checkpointed: number): void {
    if (frames === this.#frames) return;
    this.#frames = -1;
    // The next commit may begin the log anew.
    if (frames === checkpointed) return;
    const frame = this.#frame;
    if (this.#log < 0) this.#log = openSync(this.#logPath, 'r');
    readSync(this.#log, frame, 0, frame.length, logHeaderBytes + (frames - 1) * frame.length);
    frame.copy(this.#record, 4, 8, 16);
    this.#record.writeUInt32BE(frames, 12);
    frame.copy(this.#record, 16, 0, 4);
    this.#record.writeUInt32BE(crc32(frame.subarray(frameHeaderBytes)), 20);
    this.#write();
    this.#frames = frames;
  }

  /**
   * All of the log may go from now on, for it is in the database, or is about to be before the log goes.
   * @throws what writing throws: then the log must stay
   */
  clear(): void {
    this.#record.fill(0, 4);
    this.#write();
    // Else a loss of power could bring back the record of a log that is gone.
    fsyncSync(this.#tail);
    this.#frames = -1;
  }

  close(): void {
    closeSync(this.#tail);
    if (this.#log >= 0) closeSync(this.#log);
  }

  #write(): void {
    this.#record.writeUInt32BE(crc32(this.#record.subarray(0, recordBytes - 4)), recordBytes - 4);
    writeSync(this.#tail, this.#record, 0, recordBytes, 0);
  }
}
