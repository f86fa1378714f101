// `center backup`, `restore` and `check` as an operator runs them on a center that is stopped; on one that runs see
// test/center/faults/backup.test.ts.
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { Center, storeFile } from '../../center/center.ts';
import { identityFile, openIdentity } from '../../center/identity.ts';
import type { ProgramIo } from '../../center/io.ts';
import { runProgram } from '../../center/program.ts';
import { openSqliteStore } from '../../center/store/sqlite.ts';
import { lockDirectory } from '../../shared/directory.ts';
import { smallDisk } from '../helpers/faults.ts';
import { judged, makeAccounts } from './store/conformance.ts';
import { makeRun, positionsIn } from './store/run.ts';

describe('keeping a center', () => {
  let dir: string;
  let dataDir: string;
  let file: string;
  let backup: string;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'parley-keep-'));
    dataDir = join(dir, 'data');
    file = join(dataDir, storeFile);
    backup = join(dir, 'backup.db');
    await makeCenter(dataDir);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  async function makeCenter(into: string): Promise<void> {
    const center = await Center.start({ host: '127.0.0.1', port: 0, plain: true, dataDir: into });
    await center.stop();
    const store = await openSqliteStore({ file: join(into, storeFile) });
    await makeAccounts(store, 5, 6);
    await store.claimSession(judged(5), { jti: 'one', nextJti: null, key: '', expiresAtMs: 9e15 }, '::1');
    for (const first of [1, 3, 5]) await store.append(5, makeRun({ first, positions: [first, first + 1] }));
    await store.close();
  }

  async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const io: ProgramIo = {
      stdin: new PassThrough(),
      stdout,
      stderr,
      log: new PassThrough(),
      env: { HOME: dir },
      userId: process.getuid?.() ?? null,
      stopAsked: () => new Promise(() => {}),
    };
    const code = await runProgram(args, io);
    stdout.end();
    stderr.end();
    return { code, stdout: await text(stdout), stderr: await text(stderr) };
  }
  const ours = (...args: string[]) => run(...args, '--data', dataDir);

  function tamper(sql: string, path = file): void {
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
  }

  describe('center backup', () => {
    it('makes one file of all of it, for its owner alone', async () => {
      const { code, stdout } = await ours('backup', backup);
      expect(code).to.equal(0);
      expect(stdout).to.match(
        /holds 2 accounts and 6 waiting messages, as of .* UTC, and the center's keys: keep it safe\.\n/,
      );
      expect(statSync(backup).mode & 0o777).to.equal(0o600);
      expect(readdirSync(dir)).to.have.members(['backup.db', 'data']);
    });

    it('writes over nothing unless told to', async () => {
      writeFileSync(backup, 'precious');
      const refused = await ours('backup', backup);
      expect(refused).to.include({ code: 1 });
      expect(refused.stderr).to.include('exists already').and.to.include('--replace');
      expect(readFileSync(backup, 'utf8')).to.equal('precious');
      expect(await ours('backup', backup, '--replace')).to.include({ code: 0 });
      expect(await run('check', backup)).to.include({ code: 0 });
    });

    it('is not made of what is damaged', async () => {
      tamper('DELETE FROM runs WHERE first = 3');
      const { code, stderr } = await ours('backup', backup);
      expect(code).to.equal(1);
      expect(stderr).to.include(`${file} is damaged: account 5, positions 3 to 4`);
      expect(existsSync(backup)).to.equal(false);
    });

    it('says where there is no room for it, and for what is made of it', async function () {
      const disk = smallDisk(join(dir, 'disk'), 65_536);
      if (disk === null) this.skip();
      try {
        const full = join(dir, 'disk', 'backup.db');
        writeFileSync(join(dir, 'disk', 'filler'), Buffer.alloc(57_344));
        expect((await ours('backup', full)).stderr).to.equal(`Cannot write ${full}: no space is left.\n`);
        expect(readdirSync(join(dir, 'disk'))).to.deep.equal(['filler']);
        await ours('backup', backup);
        const { code, stderr } = await run('restore', backup, '--data', join(dir, 'disk', 'data'));
        expect(stderr).to.equal(`Cannot write ${join(dir, 'disk', 'data')}: no space is left.\n`);
        expect(code).to.equal(1);
      } finally {
        disk.remove();
      }
    });

    it('says where it cannot be written, and where there is no center', async () => {
      const nowhere = await ours('backup', join(dir, 'none', 'backup.db'));
      expect(nowhere.code).to.equal(1);
      expect(nowhere.stderr).to.equal(`Cannot write ${join(dir, 'none', 'backup.db')}: there is no such directory.\n`);
      const none = await run('backup', backup, '--data', join(dir, 'none'));
      expect(none.code).to.equal(1);
      expect(none.stderr).to.include('There is no center in');
    });
  });

  describe('center restore', () => {
    beforeEach(() => ours('backup', backup));

    async function mailOf(account: number, from = file): Promise<number[]> {
      const store = await openSqliteStore({ file: from });
      const runs = await store.read(account, 0, 1e9);
      await store.close();
      return runs.flatMap(({ frames }) => positionsIn(frames));
    }

    it('makes the same center, elsewhere', async () => {
      const elsewhere = join(dir, 'elsewhere');
      const { code, stdout } = await run('restore', backup, '--data', elsewhere);
      expect(code).to.equal(0);
      expect(stdout).to.include('Restored 2 accounts and 6 waiting messages').and.not.to.include('is kept in');
      const [before, after] = [await openIdentity(dataDir), await openIdentity(elsewhere)];
      expect(after.fingerprint).to.equal(before.fingerprint);
      expect(after.centerId.equals(before.centerId)).to.equal(true);
      for (const name of [identityFile, storeFile]) {
        expect(statSync(join(elsewhere, name)).mode & 0o777, name).to.equal(0o600);
      }
      expect(await mailOf(5, join(elsewhere, storeFile))).to.deep.equal([1, 2, 3, 4, 5, 6]);
      expect(readdirSync(elsewhere).filter((name) => name.startsWith('restoring'))).to.deep.equal([]);
    });

    it('ends all sessions and consents, and takes no time back', async () => {
      tamper('UPDATE center SET time_ms = 99999999999999');
      const { stdout } = await ours('restore', backup);
      expect(stdout).to.match(/What the center accepted from then on until 5138-11-16 .* is missing/);
      const store = await openSqliteStore({ file });
      expect((await store.account(5))?.session).to.equal(null);
      expect(await store.time()).to.equal(99999999999999);
      await store.close();
    });

    it('keeps what was there before', async () => {
      tamper('DELETE FROM runs');
      const { stdout } = await ours('restore', backup);
      const [, aside = ''] = /What was there before is kept in (.*)\.\n/.exec(stdout) ?? [];
      expect(readdirSync(aside)).to.include.members([storeFile, identityFile]);
      expect(await mailOf(5)).to.deep.equal([1, 2, 3, 4, 5, 6]);
      const again = await ours('check');
      expect(again.code).to.equal(0);
    });

    it('is refused while a center has the directory', async () => {
      const lock = lockDirectory(dataDir, 'a center');
      const { code, stderr } = await ours('restore', backup);
      lock.release();
      expect(code).to.equal(1);
      expect(stderr).to.include('is in use');
    });

    it('refuses what is no backup, or no whole one, and changes nothing', async () => {
      const wrong: [string, (path: string) => void, string][] = [
        ['nothing', () => {}, 'There is no file'],
        ['text', (path) => writeFileSync(path, 'hello '.repeat(2000)), 'is not a backup'],
        ['a database', (path) => tamper('CREATE TABLE t (x)', path), 'is not a backup'],
        ["a center's own", (path) => copyFileSync(file, path), '`center backup` makes those'],
        ['a newer one', (path) => spoilt(path, 'PRAGMA user_version = 99'), 'newer version'],
        ['a damaged one', (path) => spoilt(path, 'DELETE FROM runs WHERE first = 3'), 'is damaged: account 5'],
      ];
      const before = readFileSync(file);
      for (const [name, make, reason] of wrong) {
        const path = join(dir, 'wrong.db');
        rmSync(path, { force: true });
        make(path);
        const { code, stderr } = await ours('restore', path);
        expect(code, name).to.equal(1);
        expect(stderr, name).to.include(reason);
      }
      expect(readFileSync(file).equals(before)).to.equal(true);
    });

    function spoilt(path: string, sql: string): void {
      copyFileSync(backup, path);
      tamper(sql, path);
    }

    it('is needed: a backup is not started as it is', async () => {
      copyFileSync(backup, file);
      rmSync(`${file}.tail`);
      const options = { host: '127.0.0.1', port: 0, plain: true, dataDir };
      const refused = await Center.start(options).catch((error: Error) => error);
      expect(refused).to.be.instanceOf(Error).with.property('message').that.includes('`center restore`');
    });
  });

  describe('center check', () => {
    it('finds nothing wrong with what is whole', async () => {
      const { code, stdout } = await ours('check');
      expect(stdout).to.equal(`${dataDir} is whole: 2 accounts, 6 waiting messages.\n`);
      expect(code).to.equal(0);
    });

    it('names accounts and positions, and exits with 3', async () => {
      tamper(`DELETE FROM runs WHERE first = 3;
        UPDATE runs SET frames = CAST(replace(CAST(frames AS TEXT), 'seas', 'seat') AS BLOB) WHERE first = 5`);
      const { code, stdout } = await ours('check');
      expect(stdout.split('\n')).to.include.members([
        '  a5 (account 5), positions 3 to 6 of its mailbox: a checksum does not match',
      ]);
      expect(stdout).to.include('--salvage').and.to.include('center restore');
      expect(code).to.equal(3);
    });

    it('names an identity that is damaged, which only a backup has', async () => {
      writeFileSync(join(dataDir, identityFile), '{}');
      const { code, stdout } = await ours('check', '--salvage');
      expect(stdout).to.include('identity.json is damaged').and.not.to.include('Rescued');
      expect(code).to.equal(3);
    });

    it('keeps a center from starting, which names it', async () => {
      tamper('DELETE FROM runs WHERE first = 3');
      const { code, stderr } = await ours('127.0.0.1', '0');
      expect(code).to.equal(1);
      expect(stderr)
        .to.include('is damaged: account 5, positions 3 to 4 of its mailbox: a run is missing')
        .and.to.include('`center check --salvage`');
    });

    it('rescues the rest with --salvage, says what is lost, and keeps the damaged files', async () => {
      tamper('DELETE FROM runs WHERE first = 3');
      const { code, stdout } = await ours('check', '--salvage');
      expect(code).to.equal(3);
      expect(stdout).to.include('Rescued: 2 accounts, 4 waiting messages.\nLost:\n');
      expect(stdout).to.include('  a5 (account 5), positions 3 to 4 of its mailbox: lost\n');
      const [, aside = ''] = /The damaged files are kept in (.*)\.\n/.exec(stdout) ?? [];
      expect(readdirSync(aside)).to.include(storeFile);
      expect(await ours('check')).to.include({ code: 0 });
      const center = await Center.start({ host: '127.0.0.1', port: 0, plain: true, dataDir });
      await center.stop();
    });

    it('leaves alone what is whole, with --salvage too', async () => {
      const before = readFileSync(file);
      expect(await ours('check', '--salvage')).to.include({ code: 0 });
      expect(readFileSync(file).equals(before)).to.equal(true);
    });

    it('looks at backups', async () => {
      await ours('backup', backup);
      const whole = await run('check', backup);
      expect(whole.stdout).to.include('is a whole backup: 2 accounts, 6 waiting messages.');
      tamper('DELETE FROM runs WHERE first = 3', backup);
      const damaged = await run('check', backup);
      expect(damaged.code).to.equal(3);
      expect(damaged.stdout).to.include('positions 3 to 4');
      expect(await run('check', backup, '--salvage')).to.include({ code: 2 });
      expect(await run('check', join(dir, 'none'))).to.include({ code: 1 });
    });

    it('is refused while a center has the directory, and says how it can be done then', async () => {
      const lock = lockDirectory(dataDir, 'a center');
      const { code, stderr } = await ours('check');
      lock.release();
      expect(code).to.equal(1);
      expect(stderr).to.include('in use').and.to.include('center check FILE');
    });

    it('says where there is no center', async () => {
      const { code, stderr } = await run('check', '--data', join(dir, 'none'));
      expect(code).to.equal(1);
      expect(stderr).to.include('There is no center in');
    });
  });
});
