// The data directory: permissions, the lock and its owner's death, where it is by default.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DirectoryInUse, defaultDataDir, lockDirectory, makeDirectory, waitForLock } from '../../shared/directory.ts';

describe('shared/directory', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'parley-directory-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  describe('makeDirectory', () => {
    it('makes all of the path, for its owner alone', () => {
      makeDirectory(join(dir, 'a', 'b'));
      expect(statSync(join(dir, 'a')).mode & 0o777).to.equal(0o700);
      expect(statSync(join(dir, 'a', 'b')).mode & 0o777).to.equal(0o700);
    });

    it('leaves one that exists as it is', () => {
      chmodSync(dir, 0o750);
      makeDirectory(dir);
      expect(statSync(dir).mode & 0o777).to.equal(0o750);
    });

    it('names the path and a way out where a file is in the way', () => {
      const file = join(dir, 'file');
      writeFileSync(file, '');
      for (const path of [file, join(file, 'below')]) {
        expect(() => makeDirectory(path))
          .to.throw(path)
          .with.property('message')
          .that.matches(/file of that name in the way.*--data/);
      }
    });

    it('gives up where nothing can be made, and does not try for ever', function () {
      if (process.platform !== 'linux') this.skip();
      expect(() => makeDirectory('/proc/parley/data')).to.throw('Cannot keep data in /proc/parley/data: ');
    });

    it('names the path and a way out where it may not write', function () {
      if (process.getuid?.() === 0) this.skip();
      chmodSync(dir, 0o500);
      expect(() => makeDirectory(dir)).to.throw(`Cannot keep data in ${dir}: permission denied.`);
      expect(() => makeDirectory(join(dir, 'below'))).to.throw('permission denied');
    });
  });

  describe('lockDirectory', () => {
    it('lets one in at a time', () => {
      const lock = lockDirectory(dir, 'center');
      expect(() => lockDirectory(dir, 'center')).to.throw(
        DirectoryInUse,
        `${dir} is in use by process ${process.pid} (center).`,
      );
      lock.release();
      lock.release();
      lockDirectory(dir, 'center').release();
    });

    it('names the other process, and is free when that one is killed', async () => {
      const child = await holdElsewhere(dir);
      expect(() => lockDirectory(dir, 'center'))
        .to.throw(`${dir} is in use by process ${child.pid} (other).`)
        .with.property('pid', child.pid);
      const died = once(child, 'exit');
      child.kill('SIGKILL');
      await died;
      lockDirectory(dir, 'center').release();
    });

    it('names the path where there is no directory', () => {
      const path = join(dir, 'missing');
      expect(() => lockDirectory(path, 'center')).to.throw(path);
    });
  });

  describe('waitForLock', () => {
    it('comes in when the holder lets go', async () => {
      const first = lockDirectory(dir, 'first');
      const second = waitForLock(dir, 5000, 'second');
      first.release();
      const lock = await second;
      expect(() => lockDirectory(dir, 'third')).to.throw('(second)');
      lock.release();
    });

    it('gives up after its time, naming the holder', async () => {
      const lock = lockDirectory(dir, 'first');
      const refused = await waitForLock(dir, 60, 'second').catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(DirectoryInUse).with.property('pid', process.pid);
      lock.release();
    });

    it('gives up when it is told to', async () => {
      const lock = lockDirectory(dir, 'first');
      const stop = new AbortController();
      const refused = waitForLock(dir, 60_000, 'second', stop.signal).catch((error: unknown) => error);
      stop.abort();
      expect(await refused).to.have.property('name', 'AbortError');
      lock.release();
    });
  });

  describe('defaultDataDir', () => {
    it('follows XDG', () => {
      expect(defaultDataDir('center', { XDG_DATA_HOME: '/data', HOME: '/home/a' })).to.equal('/data/parley/center');
      expect(defaultDataDir('peer', { HOME: '/home/a' })).to.equal('/home/a/.local/share/parley/peer');
      expect(defaultDataDir('peer', { XDG_DATA_HOME: '', HOME: '/home/a' })).to.equal(
        '/home/a/.local/share/parley/peer',
      );
      expect(defaultDataDir('peer', { XDG_DATA_HOME: 'here', HOME: '/h' })).to.equal('/h/.local/share/parley/peer');
      expect(defaultDataDir('peer', {})).to.equal(join(homedir(), '.local/share/parley/peer'));
    });
  });
});

/** A process of its own that holds the lock until it is killed. */
async function holdElsewhere(dir: string) {
  const source = new URL('../../shared/directory.ts', import.meta.url).href;
  const script = `import { lockDirectory } from ${JSON.stringify(source)};
    globalThis.kept = lockDirectory(${JSON.stringify(dir)}, 'other');
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}
