// The SQLite engine: the conformance suite, and what is its own: damage, a full disk, a killed process, a stop.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import {
  maxWaitingActs,
  maxWaitingBytes,
  openSqliteStore,
  type SqliteStoreOptions,
} from '../../../center/store/sqlite.ts';
import { type Store, StoreError } from '../../../center/store/store.ts';
import { judged, makeAccounts, storeConformance } from './conformance.ts';
import { makeRun, outboxA, positionsFrom, positionsIn } from './run.ts';

storeConformance('sqlite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'parley-store-'));
  return {
    open: () => openSqliteStore({ file: join(dir, 'center.db'), reserveBytes: 4096 }),
    remove: () => rm(dir, { recursive: true }),
  };
});

describe('center/store/sqlite', () => {
  let dir: string;
  let file: string;
  const opened: Store[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'parley-store-'));
    file = join(dir, 'center.db');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await rm(dir, { recursive: true });
  });

  async function open(more: Partial<SqliteStoreOptions> = {}): Promise<Store> {
    const store = await openSqliteStore({ file, reserveBytes: 64 * 1024, ...more });
    opened.push(store);
    return store;
  }

  /** Changes the file behind the back of a closed store. */
  function tamper(sql: string): void {
    const db = new DatabaseSync(file);
    db.exec(sql);
    db.close();
  }

  it('keeps its files for their owner alone', async () => {
    const store = await open();
    await store.saveTime(1);
    for (const name of [file, `${file}-wal`]) expect(statSync(name).mode & 0o777, name).to.equal(0o600);
  });

  it('moves its log into the database, so that it does not grow for ever', async () => {
    const store = await open();
    await makeAccounts(store, 1);
    const bodyBytes = 1024 * 1024;
    for (let first = 1; first <= 60; first++) {
      await store.append(1, makeRun({ first, bodyBytes }));
      await store.discard(1, first);
    }
    expect(statSync(`${file}-wal`).size).to.be.lessThan(24 * bodyBytes);
  });

  describe('opening', () => {
    it('refuses a file of a newer version, naming both', async () => {
      await (await open()).close();
      tamper('PRAGMA user_version = 99');
      const refused = await open().catch((error: Error) => error);
      expect(refused).to.be.instanceOf(Error);
      expect(refused)
        .to.have.property('message')
        .that.matches(/center\.db has version 99.*no later one than \d+\./);
    });

    it('refuses what is not its own', async () => {
      tamper('CREATE TABLE other (x)');
      const refused = await open().catch((error: Error) => error);
      expect(refused).to.have.property('message', `${file} is not the database of a Parley center.`);
      await writeFile(file, 'hello '.repeat(1000));
      const garbage = await open().catch((error: Error) => error);
      expect(garbage).to.have.property('message', `${file} cannot be opened: file is not a database`);
    });

    it('refuses a damaged file', async () => {
      const store = await open();
      await makeAccounts(store, ...positionsFrom(1, 200));
      await store.close();
      const db = new DatabaseSync(file);
      const page = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'accounts'").get();
      const pageBytes = Number(db.prepare('PRAGMA page_size').get()?.page_size);
      db.close();
      const bytes = new Uint8Array(20).fill(0xee);
      const { open: openFile } = await import('node:fs/promises');
      const handle = await openFile(file, 'r+');
      await handle.write(bytes, 0, bytes.length, (Number(page?.rootpage) - 1) * pageBytes + 12);
      await handle.close();
      const refused = await open().catch((error: Error) => error);
      expect(refused).to.have.property('message').that.includes(`${file} is damaged: `).and.includes('`center check`');
    });

    it('names a place where there can be no file', async () => {
      const path = join(dir, 'missing', 'center.db');
      const refused = await open({ file: path }).catch((error: Error) => error);
      expect(refused).to.have.property('message').that.includes(path);
    });
  });

  describe('damage', () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
      await makeAccounts(store, 5, 6);
      for (const first of [1, 3, 5]) await store.append(5, makeRun({ first, positions: [first, first + 1] }));
      await store.append(6, makeRun({ first: 1 }));
      await store.close();
    });

    /** What is in the way of reading and of opening the mailbox of account 5. */
    async function troubles(after = 0): Promise<unknown[]> {
      // As where the file is too large to be checked when it is opened.
      store = await open({ maxCheckBytes: 0 });
      const results = await Promise.allSettled([
        store.read(5, after, 1_000_000),
        store.openMailbox(5),
        store.read(6, 0, 1_000_000),
      ]);
      expect(results[2].status, 'another mailbox').to.equal('fulfilled');
      return results.slice(0, 2).map((result) => {
        if (result.status === 'fulfilled') return null;
        expect(result.reason).to.be.instanceOf(StoreError).with.property('reason', 'damaged');
        return result.reason.message;
      });
    }

    const at = (position: number, what: string) =>
      `the mailbox of account 5 is damaged at position ${position}: ${what}`;
    const both = (text: string) => [text, text];

    it('is seen in a byte that has flipped', async () => {
      tamper("UPDATE runs SET frames = CAST(replace(CAST(frames AS TEXT), 'seas', 'seat') AS BLOB) WHERE first = 3");
      expect(await troubles()).to.deep.equal(both(at(3, 'a checksum does not match')));
    });

    it('is seen in a number that has changed', async () => {
      tamper('UPDATE runs SET last = 7 WHERE first = 5');
      expect(await troubles()).to.deep.equal(both(at(5, 'a checksum does not match')));
    });

    it('is seen where the first run is missing', async () => {
      tamper('DELETE FROM runs WHERE account = 5 AND first = 1');
      expect(await troubles()).to.deep.equal(both(at(2, 'a run is missing')));
    });

    it('is seen where a run between others is missing', async () => {
      tamper('DELETE FROM runs WHERE account = 5 AND first = 3');
      expect(await troubles()).to.deep.equal(both(at(4, 'a run is missing')));
      expect(await troubles(2)).to.deep.equal(both(at(4, 'a run is missing')));
    });

    it('is seen where the last run is missing', async () => {
      tamper('DELETE FROM runs WHERE account = 5 AND first = 5');
      expect(await troubles()).to.deep.equal(both(at(6, 'a run is missing')));
    });

    it('is seen where all runs are missing', async () => {
      tamper('DELETE FROM runs WHERE account = 5');
      expect(await troubles()).to.deep.equal(both(at(6, 'a run is missing')));
    });

    it('is seen in the numbers of a mailbox', async () => {
      tamper('PRAGMA ignore_check_constraints = 1; UPDATE mailboxes SET acked_to = 4 WHERE account = 5');
      expect(await troubles()).to.deep.equal(both('the numbers of the mailbox of account 5 are damaged'));
    });

    it('is seen in a mark, read or raised', async () => {
      tamper('PRAGMA ignore_check_constraints = 1; UPDATE marks SET accepted = accepted + 1024 WHERE recipient = 5');
      store = await open({ maxCheckBytes: 0 });
      const results = await Promise.allSettled([
        store.outbox(7, outboxA),
        store.saveMarks(5, [{ sender: 7, outbox: outboxA, accepted: 9999, stored: 0 }], 1),
        store.saveMarks(6, [{ sender: 7, outbox: outboxA, accepted: 9999, stored: 0 }], 1),
      ]);
      expect(results.map((result) => (result.status === 'rejected' ? result.reason.reason : 'done'))).to.deep.equal([
        'damaged',
        'damaged',
        'done',
      ]);
    });

    it('keeps a file from being opened', async () => {
      tamper('DELETE FROM runs WHERE account = 5 AND first = 3');
      const refused = await open().catch((error: Error) => error);
      expect(refused)
        .to.have.property('message')
        .that.includes(`${file} is damaged: account 5, positions 3 to 4 of its mailbox: a run is missing.`);
    });

    it('is not seen where nothing is wrong', async () => {
      expect(await troubles()).to.deep.equal([null, null]);
    });
  });

  describe('without room', () => {
    const maxFileBytes = 512 * 1024;

    async function fill(store: Store): Promise<number[]> {
      await makeAccounts(store, 1, 2);
      await store.claimSession(judged(1), { jti: 'one', nextJti: null, key: '', expiresAtMs: 1 }, '::1');
      const accepted: number[] = [];
      for (let first = 1; ; first++) {
        const result = await store.append(1, makeRun({ first, bodyBytes: 10_000 })).catch((error: unknown) => error);
        if (result !== 'accepted') {
          expect(result).to.be.instanceOf(StoreError).with.property('reason', 'full');
          return accepted;
        }
        accepted.push(first);
      }
    }

    it('keeps what it accepted and refuses more', async () => {
      let store = await open({ maxFileBytes });
      const accepted = await fill(store);
      expect(accepted.length).to.be.greaterThan(20);
      await store.close();
      store = await open();
      const runs = await store.read(1, 0, 10_000_000);
      expect(runs.flatMap(({ frames }) => positionsIn(frames))).to.deep.equal(accepted);
    });

    it('goes on with all that is not an append', async () => {
      const store = await open({ maxFileBytes, roomRetryMs: 60_000 });
      const accepted = await fill(store);
      expect(existsSync(`${file}.reserve`), 'the reserve is given up').to.equal(false);
      const stored = { sender: 7, outbox: new Uint8Array(16).fill(0xa), accepted: 1, stored: 1 };
      const results = await Promise.allSettled([
        store.append(2, makeRun({ first: 1 })),
        store.saveMarks(
          2,
          Array.from({ length: 200 }, (_, sender) => ({ ...stored, sender })),
          1,
        ),
        store.append(1, makeRun({ first: accepted.length + 1 })),
        store.endSession(1, 'one'),
        store.setBlock(1, 2, true),
        store.read(1, 0, 1),
        store.advance(1, 1, 1, [stored]),
      ]);
      expect(results.map(({ status }) => status)).to.deep.equal([
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
        'fulfilled',
        'fulfilled',
      ]);
      expect((await store.account(1))?.session).to.equal(null);
      expect((await store.read(1, 0, 1))[0]?.first).to.equal(2);
    });

    it('accepts again when there is room', async () => {
      const store = await open({ maxFileBytes, roomRetryMs: 0 });
      const accepted = await fill(store);
      await store.advance(1, 1, 10, []);
      const next = accepted.length + 1;
      expect(await store.append(1, makeRun({ first: next, bodyBytes: 10_000 }))).to.equal('accepted');
      expect(existsSync(`${file}.reserve`), 'the reserve is there again').to.equal(true);
      const runs = await store.read(1, 10, 10_000_000);
      expect(runs.flatMap(({ frames }) => positionsIn(frames))).to.deep.equal([...accepted.slice(10), next]);
    });

    it('does the rest of a turn in which an append finds no room', async () => {
      const store = await open({ maxFileBytes });
      await makeAccounts(store, 1, 2);
      const results = await Promise.allSettled([
        store.append(2, makeRun({ first: 1 })),
        store.append(1, makeRun({ first: 1, bodyBytes: maxFileBytes })),
        store.saveTime(77),
      ]);
      expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'fulfilled']);
      expect(await store.time()).to.equal(77);
    });
  });

  describe('limits', () => {
    it('refuses appends while too many bytes wait', async () => {
      const store = await open();
      await makeAccounts(store, 1);
      const frames = new Uint8Array(maxWaitingBytes / 4);
      const wrong = { ...makeRun({ first: 1 }), frames };
      const asked = Array.from({ length: 5 }, () => store.append(1, wrong).catch((error: StoreError) => error.reason));
      expect(await Promise.all(asked)).to.deep.equal(['failed', 'failed', 'failed', 'full', 'full']);
      expect(await store.append(1, makeRun({ first: 1 }))).to.equal('accepted');
    });

    it('refuses acts while too many wait', async function () {
      this.timeout(60_000);
      const store = await open();
      const asked: Promise<unknown>[] = [];
      for (let count = 0; count < maxWaitingActs; count++) asked.push(store.saveMarks(1, [], 1));
      const refused = await store.time().catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(StoreError).with.property('reason', 'failed');
      await Promise.all(asked);
      expect(await store.time()).to.equal(0);
    });
  });

  it('keeps all that it confirmed to a process that is killed', async function () {
    this.timeout(60_000);
    for (let round = 0; round < 3; round++) {
      const child = startAppending(file);
      const confirmed: { account: number; position: number }[] = [];
      const exited = once(child, 'exit');
      const lines = createInterface({ input: child.stdout! });
      for await (const line of lines) {
        const [account, position] = line.split(' ').map(Number);
        if (account === undefined || position === undefined) throw new Error(`unexpected: ${line}`);
        confirmed.push({ account, position });
        if (confirmed.length === 2000) child.kill('SIGKILL');
      }
      expect(await exited, `after ${confirmed.length}`).to.deep.equal([null, 'SIGKILL']);
      expect(confirmed).to.have.length.of.at.least(2000);
      const store = await open();
      for (const account of [1, 2, 3]) {
        const kept = (await store.read(account, 0, 1e9)).flatMap(({ frames }) => positionsIn(frames));
        const missing = new Set(confirmed.filter((one) => one.account === account).map(({ position }) => position));
        for (const position of kept) missing.delete(position);
        expect([...missing]).to.deep.equal([]);
        const state = await store.openMailbox(account);
        expect(state).to.have.property('count', kept.length);
        expect(state)
          .to.have.property('next')
          .that.is.greaterThan(kept.at(-1) ?? 0);
      }
      await store.close();
    }
  });
});

/** A process that appends to three mailboxes and prints account and position of what was accepted, until it is killed. */
function startAppending(file: string): ChildProcess {
  const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { writeSync } from 'node:fs';
    import { openSqliteStore } from ${here('../../../center/store/sqlite.ts')};
    import { makeAccounts } from ${here('./conformance.ts')};
    import { makeRun } from ${here('./run.ts')};
    const store = await openSqliteStore({ file: ${JSON.stringify(file)}, reserveBytes: 4096 });
    await makeAccounts(store, 1, 2, 3);
    for (const account of [1, 2, 3]) {
      const { next } = await store.openMailbox(account);
      void append(account, next);
    }
    async function append(account, first) {
      for (let position = first; ; position++) {
        const run = makeRun({ first: position, reservedTo: first + 60_000 });
        if ((await store.append(account, run)) === 'accepted') writeSync(1, account + ' ' + position + '\\n');
      }
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return child;
}
