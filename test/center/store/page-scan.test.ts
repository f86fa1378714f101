// Reading rows page by page, held against SQLite's own reading of the same file.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { type ScannedRow, scanPages } from '../../../center/store/page-scan.ts';

const pageBytes = 4096;

describe('center/store/page-scan', () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'parley-pages-'));
    file = join(dir, 'some.db');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  function make(fill: (db: DatabaseSync) => void): Buffer {
    const db = new DatabaseSync(file);
    fill(db);
    db.close();
    return readFileSync(file);
  }

  /** Rows of the table, by rowid, without those of SQLite's own. */
  function scanned(kind: ScannedRow['kind'], columns: number): ScannedRow[] {
    const rows = [...scanPages(file, pageBytes)].filter((row) => row.kind === kind && row.values.length === columns);
    return rows.sort((a, b) => a.rowid - b.rowid);
  }

  it('reads every kind of value, short and long', () => {
    const numbers = [0, 1, -1, 127, -128, 32_767, -8_388_608, 2_147_483_647, 2 ** 47 - 1, -(2 ** 47), 2 ** 53 - 1];
    const values = [null, 'Grüße', '', 1.5, new Uint8Array(), new Uint8Array([0, 255]), ...numbers];
    const long = [3000, 4060, 4061, 4062, 5000, 50_000].map((bytes) => new Uint8Array(bytes).fill(bytes % 251));
    const all = [...values, ...long];
    make((db) => {
      db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d, e, f)');
      const insert = db.prepare('INSERT INTO t VALUES (?, ?, 1, 2, 3, 4, 5)');
      all.forEach((value, index) => void insert.run(index + 1, value));
    });
    const rows = scanned('table', 7);
    expect(rows.map(({ rowid }) => rowid)).to.deep.equal(all.map((_, index) => index + 1));
    expect(
      rows.map(({ values: [, value] }) => (value instanceof Uint8Array ? new Uint8Array(value) : value)),
    ).to.deep.equal(all);
  });

  it('reads all rows of trees with many pages, tables and indexes', () => {
    make((db) => {
      db.exec('CREATE TABLE t (a, b, c); CREATE TABLE w (k PRIMARY KEY, v, x, y) WITHOUT ROWID; BEGIN');
      const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?)');
      const put = db.prepare('INSERT INTO w VALUES (?, ?, 1, 1)');
      for (let i = 1; i <= 3000; i++) {
        insert.run(i, 'x'.repeat(i % 300), i);
        put.run((i * 7919) % 3001, 'y'.repeat(i % 900));
      }
      db.exec('COMMIT');
    });
    expect(scanned('table', 3).map(({ values }) => values[0])).to.deep.equal(
      Array.from({ length: 3000 }, (_, i) => i + 1),
    );
    const keys = scanned('index', 4).map(({ values }) => Number(values[0]));
    expect(new Set(keys).size).to.equal(3000);
    expect(keys).to.have.length(3000);
  });

  it('leaves out what was deleted', () => {
    make((db) => {
      db.exec('CREATE TABLE t (a, b, c); BEGIN');
      for (let i = 0; i < 2000; i++) db.prepare('INSERT INTO t VALUES (?, ?, 1)').run(i, 'x'.repeat(200));
      db.exec('COMMIT; DELETE FROM t WHERE a <> 7');
    });
    expect(scanned('table', 3).map(({ values }) => values[0])).to.deep.equal([7]);
  });

  it('reads pages to which no way leads any more', () => {
    const bytes = make((db) => {
      db.exec('CREATE TABLE t (a, b, c); BEGIN');
      for (let i = 0; i < 500; i++) db.prepare('INSERT INTO t VALUES (?, ?, 1)').run(i, 'x'.repeat(200));
      db.exec('COMMIT');
    });
    // The root of the table, after which SQLite finds nothing.
    bytes.fill(0, pageBytes, 2 * pageBytes);
    writeFileSync(file, bytes);
    expect(scanned('table', 3)).to.have.length(500);
  });

  it('ends, whatever the bytes are', () => {
    const bytes = make((db) => {
      db.exec('CREATE TABLE t (a, b, c); BEGIN');
      for (let i = 0; i < 300; i++)
        db.prepare('INSERT INTO t VALUES (?, ?, 1)').run(i, new Uint8Array((i * 37) % 9000));
      db.exec('COMMIT');
    });
    for (let round = 0; round < 50; round++) {
      const spoiled = Buffer.from(bytes);
      for (let i = 0; i < 400; i++) spoiled[(i * 7877 + round * 104_729) % spoiled.length] = (i * 31 + round) % 256;
      writeFileSync(file, spoiled);
      for (const { values } of scanPages(file, pageBytes)) expect(values).to.be.an('array');
    }
  });
});
