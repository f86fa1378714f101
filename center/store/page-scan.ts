// Reads the rows of a damaged database page by page, whether the way to a page is whole or not.
// https://www.sqlite.org/fileformat2.html, sections 1.3 to 2.1
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export type Value = number | string | Uint8Array | null;

/** A row, or an entry of an index: which table it is of is for the reader to tell, from the shape of its values. */
export interface ScannedRow {
  kind: 'table' | 'index';
  /** 0 for an index. */
  rowid: number;
  values: Value[];
}

const kinds = { leafTable: 0x0d, leafIndex: 0x0a, innerIndex: 0x02 };
const fileHeaderBytes = 100;
/**
 * In larger files the first byte of a page that carries on a long value, which is the high one of a page's number, may
 * look like a kind; and what is in that page is what somebody wrote in a message.
 */
const maxPages = 2 ** 25 - 1;
/** SQLite's own bound for one value. */
const maxPayloadBytes = 1_000_000_000;

/** Every row that can be read on a page that is in use. The file has no write-ahead log, and is not open anywhere. */
export function* scanPages(path: string, pageBytes: number): Generator<ScannedRow> {
  const pages = new Pages(path, pageBytes);
  try {
    if (pages.count > maxPages) return;
    const free = freePages(pages);
    for (let number = 1; number <= pages.count; number++) {
      if (!free.has(number)) yield* rowsOf(pages, number);
    }
  } finally {
    pages.close();
  }
}

class Pages {
  readonly count: number;
  readonly pageBytes: number;
  readonly #file: number;

  constructor(path: string, pageBytes: number) {
    this.#file = openSync(path, 'r');
    this.pageBytes = pageBytes;
    this.count = Math.ceil(fstatSync(this.#file).size / pageBytes);
  }

  /** @throws RangeError where there is no such page */
  read(number: number): Buffer {
    if (number < 1 || number > this.count) throw new RangeError('no such page');
    const page = Buffer.alloc(this.pageBytes);
    readSync(this.#file, page, 0, page.length, (number - 1) * this.pageBytes);
    return page;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Pages out of use hold rows of long ago. As many of them as can be found. */
function freePages(pages: Pages): Set<number> {
  const free = new Set<number>();
  try {
    let trunk = pages.read(1).readUInt32BE(32);
    while (trunk !== 0 && !free.has(trunk)) {
      const page = pages.read(trunk);
      free.add(trunk);
      const leaves = Math.min(page.readUInt32BE(4), pages.pageBytes / 4 - 2);
      for (let leaf = 0; leaf < leaves; leaf++) free.add(page.readUInt32BE(8 + 4 * leaf));
      trunk = page.readUInt32BE(0);
    }
  } catch {
    // The list is damaged; what was found of it is free all the same.
  }
  return free;
}

function* rowsOf(pages: Pages, number: number): Generator<ScannedRow> {
  const page = pages.read(number);
  const start = number === 1 ? fileHeaderBytes : 0;
  const kind = kindOf(page[start] ?? 0);
  if (kind === null) return;
  const pointers = start + (kind === kinds.innerIndex ? 12 : 8);
  const count = page.readUInt16BE(start + 3);
  for (let cell = 0; cell < count && pointers + 2 * cell + 2 <= page.length; cell++) {
    try {
      yield readCell(pages, page, kind, page.readUInt16BE(pointers + 2 * cell));
    } catch {
      // This one is not to be read; its neighbours may be.
    }
  }
}

/** Of a page with rows, also where one bit of the kind is wrong. */
function kindOf(byte: number): number | null {
  const all = Object.values(kinds);
  if (all.includes(byte)) return byte;
  const isOneBit = (kind: number): boolean => Math.log2(byte ^ kind) % 1 === 0;
  // 5 is what pages between those of a table have.
  return byte === 0 || byte === 5 ? null : (all.find(isOneBit) ?? null);
}

function readCell(pages: Pages, page: Buffer, kind: number, offset: number): ScannedRow {
  const cell = new Reader(page, kind === kinds.innerIndex ? offset + 4 : offset);
  const bytes = cell.varint();
  if (bytes > maxPayloadBytes) throw new RangeError('too long');
  const isTable = kind === kinds.leafTable;
  const rowid = isTable ? cell.varint() : 0;
  const values = readRecord(readPayload(pages, page, cell.at, bytes, isTable));
  return { kind: isTable ? 'table' : 'index', rowid, values };
}

function readPayload(pages: Pages, page: Buffer, at: number, bytes: number, isTable: boolean): Buffer {
  const usable = pages.pageBytes;
  const most = isTable ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  const payload = Buffer.alloc(Math.min(bytes, pages.count * usable));
  if (payload.length < bytes) throw new RangeError('longer than the file');
  if (bytes <= most) {
    if (at + bytes > page.length) throw new RangeError('beyond its page');
    page.copy(payload, 0, at, at + bytes);
    return payload;
  }
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = least + ((bytes - least) % (usable - 4));
  const local = fitting <= most ? fitting : least;
  page.copy(payload, 0, at, at + local);
  let next = page.readUInt32BE(at + local);
  for (let filled = local; filled < bytes; ) {
    const overflow = pages.read(next);
    filled += overflow.copy(payload, filled, 4);
    next = overflow.readUInt32BE(0);
  }
  return payload;
}

function readRecord(payload: Buffer): Value[] {
  const header = new Reader(payload, 0);
  const headerBytes = header.varint();
  const content = new Reader(payload, headerBytes);
  const values: Value[] = [];
  while (header.at < headerBytes) values.push(content.value(header.varint()));
  return values;
}

class Reader {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  varint(): number {
    let value = 0n;
    for (let count = 1; ; count++) {
      const byte = this.#bytes.readUInt8(this.at++);
      if (count === 9) return safe(BigInt.asIntN(64, (value << 8n) | BigInt(byte)));
      value = (value << 7n) | BigInt(byte & 127);
      if (byte < 128) return safe(value);
    }
  }

  /** @param type its serial type */
  value(type: number): Value {
    switch (type) {
      case 0:
        return null;
      case 1:
      case 2:
      case 3:
      case 4:
        return this.#integer(type);
      case 5:
        return this.#integer(6);
      case 6:
        return safe(this.#bytes.readBigInt64BE(this.#pass(8)));
      case 7:
        return this.#bytes.readDoubleBE(this.#pass(8));
      case 8:
        return 0;
      case 9:
        return 1;
      default: {
        if (type < 12) throw new RangeError('no such type');
        const bytes = (type - (type % 2) - 12) / 2;
        const start = this.#pass(bytes);
        if (start + bytes > this.#bytes.length) throw new RangeError('beyond its row');
        const content = this.#bytes.subarray(start, start + bytes);
        return type % 2 === 0 ? content : content.toString('utf8');
      }
    }
  }

  #integer(bytes: number): number {
    return this.#bytes.readIntBE(this.#pass(bytes), bytes);
  }

  #pass(bytes: number): number {
    const start = this.at;
    this.at += bytes;
    return start;
  }
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError('no number of ours');
  return number;
}
