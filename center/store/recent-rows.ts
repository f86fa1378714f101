// The rows of `recent`: each holds the short runs of one commit, of many mailboxes, one after the other, as bytes.
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { query } from './acts.ts';
import type { RunRow } from './chain.ts';
import type { AppendRun, Mark } from './store.ts';

/** Since which version of the tables there are such rows. */
export const recentSince = 4;

/** A run as it lies in such a row. */
export interface RecentRun extends Omit<RunRow, 'checksum'> {
  account: number;
  reserved_to: number;
  marks: Mark[];
}

/** Bytes of such rows. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

// A run: checksum of what follows, length of all (both 4 bytes); seven numbers (8 each); how many marks (4); the marks,
// each three numbers (8 each), the length of its outbox (4) and the outbox; the frames.
const lengthAt = 4;
const place = { account: 8, previous: 16, first: 24, last: 32, count: 40, reservedTo: 48, receivedAtMs: 56 };
const marksAt = 64;
const headBytes = 68;
const markBytes = 28;
const smallestBytes = 64 * 1024;

/** Runs in memory, one after the other: of many rows, and of one that is being gathered. */
export class RecentBytes {
  #block = blockOf(new Uint8Array(smallestBytes));
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** As far as it is written; the same memory until something is added. */
  get block(): Block {
    return this.#block;
  }

  /** @returns where the run begins */
  add(account: number, previous: number, receivedAtMs: number, run: AppendRun): number {
    const { marks, frames } = run;
    let length = headBytes + frames.length;
    for (const { outbox } of marks) length += markBytes + outbox.length;
    const start = this.#take(length);
    const { bytes, view } = this.#block;
    view.setUint32(start + lengthAt, length);
    view.setFloat64(start + place.account, account);
    view.setFloat64(start + place.previous, previous);
    view.setFloat64(start + place.first, run.first);
    view.setFloat64(start + place.last, run.last);
    view.setFloat64(start + place.count, run.count);
    view.setFloat64(start + place.reservedTo, run.reservedTo);
    view.setFloat64(start + place.receivedAtMs, receivedAtMs);
    view.setUint32(start + marksAt, marks.length);
    let at = start + headBytes;
    for (const { sender, outbox, accepted, stored } of marks) {
      view.setFloat64(at, sender);
      view.setFloat64(at + 8, accepted);
      view.setFloat64(at + 16, stored);
      view.setUint32(at + 24, outbox.length);
      bytes.set(outbox, at + markBytes);
      at += markBytes + outbox.length;
    }
    bytes.set(frames, at);
    view.setUint32(start, crc32(bytes.subarray(start + lengthAt, start + length)));
    return start;
  }

  /** Adds a row whose checksum was right. @returns where each of its runs begins */
  *addRow(runs: Uint8Array): Generator<number> {
    let start = this.#take(runs.length);
    this.#block.bytes.set(runs, start);
    for (const end = start + runs.length; start < end; start += this.#block.view.getUint32(start + lengthAt)) {
      yield start;
    }
  }

  clear(): void {
    this.#length = 0;
  }

  #take(bytes: number): number {
    const start = this.#length;
    const needed = start + bytes;
    if (needed > this.#block.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#block.bytes.length));
      grown.set(this.#block.bytes.subarray(0, start));
      this.#block = blockOf(grown);
    }
    this.#length = needed;
    return start;
  }
}

function blockOf(bytes: Uint8Array): Block {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** Of a row, from its key and all its bytes. */
export function rowChecksum(id: number, runs: Uint8Array): number {
  return crc32(runs, id >>> 0);
}

/** The numbers that are asked for most, alone. */
export function firstAt({ view }: Block, start: number): number {
  return view.getFloat64(start + place.first);
}

export function lastAt({ view }: Block, start: number): number {
  return view.getFloat64(start + place.last);
}

/** A run, its frames and outboxes views of the block. */
export function runAt({ bytes, view }: Block, start: number): RecentRun {
  const end = start + view.getUint32(start + lengthAt);
  const number = (at: number): number => view.getFloat64(start + at);
  const marks: Mark[] = [];
  let at = start + headBytes;
  for (let left = view.getUint32(start + marksAt); left > 0; left--) {
    const [sender, accepted, stored] = [view.getFloat64(at), view.getFloat64(at + 8), view.getFloat64(at + 16)];
    const length = view.getUint32(at + 24);
    marks.push({ sender, accepted, stored, outbox: bytes.subarray(at + markBytes, at + markBytes + length) });
    at += markBytes + length;
  }
  return {
    account: number(place.account),
    previous: number(place.previous),
    first: number(place.first),
    last: number(place.last),
    count: number(place.count),
    reserved_to: number(place.reservedTo),
    received_at_ms: number(place.receivedAtMs),
    marks,
    frames: bytes.subarray(at, end),
  };
}

/** The runs of a row that may be damaged: those that are whole. */
export function* wholeRuns(runs: Uint8Array): Generator<RecentRun> {
  const block = blockOf(runs);
  for (let start = 0; start + headBytes <= runs.length; ) {
    const length = block.view.getUint32(start + lengthAt);
    const end = start + length;
    if (length < headBytes || end > runs.length) return;
    if (crc32(runs.subarray(start + lengthAt, end)) === block.view.getUint32(start)) yield runAt(block, start);
    start = end;
  }
}

/** All rows from settled_to to written_to are there, each whole; what is up to settled_to is in the other tables. */
export interface RecentEnds {
  settled_to: number;
  written_to: number;
}

/** What there is of recent, and in words what is wrong with it. */
export interface RecentRows {
  ends: RecentEnds;
  rows: { id: number; runs: Uint8Array }[];
  damage: string[];
}

/** @throws what SQLite throws where the tables cannot be read */
export function readRecent(db: DatabaseSync): RecentRows {
  const found: RecentRows = { ends: { settled_to: 0, written_to: 0 }, rows: [], damage: [] };
  const ends = query<RecentEnds>(db, 'SELECT settled_to, written_to FROM recent_ends').get();
  if (ends) found.ends = { ...ends };
  else found.damage.push('up to where the newest mail goes is not known');
  let expected = found.ends.settled_to + 1;
  const missing = (): void => void found.damage.push(`of the newest mail, row ${expected} is missing`);
  const all = query<{ id: number; checksum: number; runs: Uint8Array }>(
    db,
    'SELECT id, checksum, runs FROM recent ORDER BY id',
  );
  for (const { id, checksum, runs } of all.iterate()) {
    if (id !== expected) missing();
    if (rowChecksum(id, runs) === checksum) found.rows.push({ id, runs });
    else found.damage.push(`of the newest mail, row ${id} is damaged`);
    expected = id + 1;
  }
  if (expected <= found.ends.written_to) missing();
  else if (expected > found.ends.written_to + 1) {
    found.damage.push(`of the newest mail, row ${expected - 1} was not to be expected`);
  }
  return found;
}
