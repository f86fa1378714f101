// Reading the write-ahead log, held against what SQLite itself reads of the same file.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { type LogFrame, type LogScan, scanLog } from '../../../center/store/log-scan.ts';

const pageBytes = 4096;
const headerBytes = 32;
const frameBytes = 24 + pageBytes;

describe('center/store/log-scan', () => {
  let dir: string;
  let log: string;
  let db: DatabaseSync;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'parley-log-'));
    const file = join(dir, 'some.db');
    log = join(dir, 'copy-wal');
    db = new DatabaseSync(file);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a, b)');
  });
  afterEach(() => {
    db.close();
    rmSync(dir, { recursive: true });
  });

  /** So many commits, of a few frames each; returns where each ends. */
  function commit(times: number): number[] {
    return Array.from({ length: times }, (_, index) => {
      db.prepare('INSERT INTO t VALUES (?, ?)').run(index, new Uint8Array(9000).fill(index));
      return framesOf(db);
    });
  }

  function framesOf(from: DatabaseSync): number {
    return Number(from.prepare('PRAGMA wal_checkpoint(NOOP)').get()?.log);
  }

  /** Scans a copy of the log as it is now, with these bytes changed, or others in their place. */
  function scan(change: (bytes: Buffer) => unknown = () => {}): { found: LogScan; frames: LogFrame[] } {
    copyFileSync(join(dir, 'some.db-wal'), log);
    const bytes = readFileSync(log);
    const changed = change(bytes);
    writeFileSync(log, Buffer.isBuffer(changed) ? changed : bytes);
    const frames: LogFrame[] = [];
    const found = scanLog(log, pageBytes, (frame) => frames.push({ ...frame, content: Buffer.from(frame.content) }));
    return { found, frames };
  }

  const at = (frame: number) => headerBytes + frame * frameBytes;

  it('finds as many frames as SQLite, and no damage', () => {
    commit(20);
    const { found, frames } = scan();
    expect(found).to.include({ frames: framesOf(db), damage: null, pageBytes });
    expect(frames.map(({ isValid }) => isValid)).not.to.include(false);
  });

  it('knows no log, an empty one, and one that has only begun', () => {
    const nothing = { pageBytes, salts: '', frames: 0, damage: null };
    expect(scanLog(join(dir, 'none'), pageBytes)).to.deep.equal(nothing);
    expect(scan(() => Buffer.alloc(0)).found).to.deep.equal(nothing);
    expect(scan(() => Buffer.alloc(10)).found).to.deep.equal(nothing);
  });

  it('takes the rest of an earlier log for what it is', () => {
    commit(30);
    db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    commit(2);
    const { found, frames } = scan();
    expect(found).to.include({ frames: framesOf(db), damage: null });
    expect(frames).to.have.length(found.frames);
  });

  it('takes what a rollback left for what it is', () => {
    commit(3);
    const before = framesOf(db);
    // More than its cache: the frames are in the log before anything is decided.
    db.exec('PRAGMA cache_size = 2; BEGIN');
    for (let i = 0; i < 50; i++) db.prepare('INSERT INTO t VALUES (?, ?)').run(i, new Uint8Array(9000));
    db.exec('ROLLBACK');
    expect(scan().found).to.include({ frames: before, damage: null });
    commit(1);
    expect(scan().found).to.include({ frames: framesOf(db), damage: null });
  });

  it('takes a torn last commit for one that never was', () => {
    const ends = commit(5);
    const [last = 0] = ends.slice(-2);
    // As after a loss of power: the end is there, and what comes before it is not.
    const { found } = scan((bytes) => void bytes.fill(0, at(last), at(last) + 512));
    expect(found).to.include({ frames: last, damage: null });
    expect(scan((bytes) => bytes.subarray(0, at(last) + 700)).found).to.include({ frames: last, damage: null });
  });

  it('sees a wrong bit anywhere before the last commit', () => {
    const ends = commit(6);
    const end = at(ends.at(-2) ?? 0);
    for (let offset = 0; offset < end; offset += 211) {
      const { found } = scan((bytes) => {
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (offset % 8));
      });
      const frame = offset < headerBytes ? -1 : Math.floor((offset - headerBytes) / frameBytes);
      expect(found.damage, `at ${offset}`).to.include({ frame });
      expect(found.damage?.unread, `at ${offset}`).to.be.greaterThan(0);
      expect(found.frames).to.be.at.most(Math.max(frame, 0));
    }
  });

  it('gives the frames behind the damage, which verify themselves', () => {
    const ends = commit(6);
    const { found, frames } = scan((bytes) => void bytes.fill(7, at(2) + 100, at(2) + 200));
    expect(found.damage).to.include({ frame: 2, offset: at(2), unread: (ends.at(-1) ?? 0) - 2 });
    expect(frames.filter(({ isValid }) => !isValid).map(({ index }) => index)).to.deep.equal([2]);
    expect(frames).to.have.length(ends.at(-1) ?? 0);
  });

  it('gives them also where the header is gone', () => {
    const ends = commit(6);
    const { found, frames } = scan((bytes) => void bytes.fill(0, 0, 24));
    expect(found.damage).to.include({ frame: -1, offset: 0 });
    expect(frames.filter(({ isValid }) => isValid)).to.have.length(ends.at(-1) ?? 0);
  });
});
