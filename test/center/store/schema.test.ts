// Bringing a database of an older version to a newer one.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { migrate, migrations, pragma, WrongVersion } from '../../../center/store/schema.ts';

describe('center/store/schema', () => {
  const steps = [
    'CREATE TABLE t (x); INSERT INTO t VALUES (1)',
    'ALTER TABLE t ADD COLUMN y DEFAULT 7',
    'UPDATE t SET y = y + 1',
  ];
  let dir: string;
  let file: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'parley-schema-'));
    file = join(dir, 'center.db');
  });
  afterEach(() => rm(dir, { recursive: true }));

  function withFile<Result>(act: (db: DatabaseSync) => Result, path = file): Result {
    const db = new DatabaseSync(path);
    try {
      return act(db);
    } finally {
      db.close();
    }
  }
  const migrateTo = (version: number) => withFile((db) => migrate(db, file, steps.slice(0, version)));
  const rows = (path = file) =>
    withFile(
      (db) =>
        db
          .prepare('SELECT * FROM t')
          .all()
          .map((row) => ({ ...row })),
      path,
    );
  const version = (path = file) => withFile((db) => pragma(db, 'user_version'), path);

  it('makes a new database without a copy', () => {
    expect(migrateTo(3)).to.equal(0);
    expect([version(), rows()]).to.deep.equal([3, [{ x: 1, y: 8 }]]);
    expect(existsSync(`${file}.bak-v0`)).to.equal(false);
  });

  it('copies an older one before it goes forward', () => {
    migrateTo(1);
    expect(migrateTo(3)).to.equal(1);
    expect([version(), rows()]).to.deep.equal([3, [{ x: 1, y: 8 }]]);
    const copy = `${file}.bak-v1`;
    expect([version(copy), rows(copy)]).to.deep.equal([1, [{ x: 1 }]]);
    expect(migrateTo(3)).to.equal(3);
    expect(existsSync(`${file}.bak-v3`)).to.equal(false);
  });

  it('takes a copy anew when an older file was put back', () => {
    migrateTo(1);
    migrateTo(2);
    withFile((db) => db.exec('DROP TABLE t; PRAGMA user_version = 1; CREATE TABLE t (x); INSERT INTO t VALUES (5)'));
    migrateTo(2);
    expect(rows(`${file}.bak-v1`)).to.deep.equal([{ x: 5 }]);
  });

  it('leaves a file as it was where a step fails', () => {
    migrateTo(1);
    const broken = [...steps.slice(0, 1), 'INSERT INTO t VALUES (2); INSERT INTO missing VALUES (3)'];
    expect(() => withFile((db) => migrate(db, file, broken))).to.throw('missing');
    expect([version(), rows()]).to.deep.equal([1, [{ x: 1 }]]);
  });

  it('refuses a newer one, naming both versions, and touches nothing', () => {
    migrateTo(3);
    expect(() => migrateTo(2)).to.throw(WrongVersion, /has version 3.*no later one than 2/);
    expect(version()).to.equal(3);
  });

  it('refuses the database of another program', () => {
    withFile((db) => db.exec('CREATE TABLE other (x)'));
    expect(() => migrateTo(1)).to.throw(WrongVersion, 'not the database of a Parley center');
    withFile((db) => db.exec('PRAGMA user_version = 1'));
    expect(() => migrateTo(1)).to.throw(WrongVersion, 'not the database of a Parley center');
  });

  it('makes the tables of today from every version before', () => {
    for (let from = 0; from <= migrations.length; from++) {
      const path = join(dir, `from-${from}.db`);
      withFile((db) => migrate(db, path, migrations.slice(0, from)), path);
      withFile((db) => migrate(db, path), path);
      expect(version(path)).to.equal(migrations.length);
    }
  });
});
