// The engine when the disk fails it: errors are put in place of SQLite's, for no disk fails on demand.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Act } from '../../../center/store/batch.ts';
import { Engine } from '../../../center/store/engine.ts';
import { EngineStopped } from '../../../center/store/failures.ts';
import { openSqliteStore } from '../../../center/store/sqlite.ts';
import { StoreError } from '../../../center/store/store.ts';
import { makeRun } from './run.ts';

const failedFsync = 1034;
const failedWrite = 778;
const full = 13;

describe('center/store/engine', () => {
  let dir: string;
  let file: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'parley-engine-'));
    file = join(dir, 'center.db');
  });
  afterEach(async () => {
    sinon.restore();
    await rm(dir, { recursive: true });
  });

  /** From now on this statement fails, at most so many times. */
  function failAt(statement: string, errcode: number, times = Number.POSITIVE_INFINITY): void {
    const exec = DatabaseSync.prototype.exec;
    let left = times;
    sinon.stub(DatabaseSync.prototype, 'exec').callsFake(function (this: DatabaseSync, sql) {
      if (sql === statement && left-- > 0) throw Object.assign(new Error('disk I/O error'), { errcode });
      exec.call(this, sql);
    });
  }

  describe('a batch', () => {
    const batch: Act[] = [
      { name: 'append', asked: [1, makeRun({ first: 1 })] },
      { name: 'saveTime', asked: [7] },
      { name: 'account', asked: [1] },
    ];
    let engine: Engine;
    beforeEach(() => {
      engine = new Engine({ file, reserveBytes: 4096 });
      engine.run([{ name: 'createAccount', asked: [{ id: 1, name: 'seas', passwordHash: '', createdAtMs: 1 }] }]);
    });
    afterEach(() => engine.close());

    it('is not tried again after a failed fsync', () => {
      failAt('COMMIT', failedFsync, 1);
      expect(() => engine.run(batch)).to.throw(EngineStopped);
      sinon.restore();
      expect(engine.run([{ name: 'time', asked: [] }]).results).to.deep.equal([0]);
    });

    it('fails where its commit cannot be written, and changes nothing', () => {
      failAt('COMMIT', failedWrite);
      const { results, failures } = engine.run(batch);
      expect(results).to.have.length(3);
      expect(failures.map(({ index, reason }) => [index, reason])).to.deep.equal([
        [0, 'failed'],
        [1, 'failed'],
        [2, 'failed'],
      ]);
      sinon.restore();
      const after = engine.run([
        { name: 'read', asked: [1, 0, 1000] },
        { name: 'time', asked: [] },
      ]);
      expect(after).to.deep.equal({ results: [[], 0], failures: [] });
    });

    it('does all but its appends where the disk is full at its commit', () => {
      failAt('COMMIT', full, 1);
      const { results, failures } = engine.run(batch);
      expect(results[2]).to.have.property('name', 'seas');
      expect(failures).to.deep.equal([{ index: 0, reason: 'full', text: 'there is no room left on the disk' }]);
      expect(engine.run([{ name: 'time', asked: [] }]).results).to.deep.equal([7]);
    });

    it('is done act by act where it cannot be done together', () => {
      failAt('COMMIT', failedWrite, 2);
      const { results, failures } = engine.run(batch);
      expect(failures).to.deep.equal([]);
      expect(results.slice(0, 2)).to.deep.equal(['accepted', undefined]);
    });

    it('fails at once where the database stays locked by somebody else', () => {
      failAt('BEGIN IMMEDIATE', 5, 1);
      expect(engine.run(batch).failures.map(({ reason }) => reason)).to.deep.equal(['failed', 'failed', 'failed']);
    });
  });

  describe('a stop', () => {
    it('rejects what waits and what comes, and tells the owner once', async () => {
      const onFailed = sinon.spy();
      const log = { info: sinon.spy(), error: sinon.spy() };
      const store = await openSqliteStore({ file, reserveBytes: 4096, onFailed, log });
      await store.saveTime(5);
      // What the thread cannot read is as unforeseen as anything: it stops.
      const send = Worker.prototype.postMessage;
      sinon.stub(Worker.prototype, 'postMessage').callsFake(function (this: Worker) {
        send.call(this, null);
      });
      const first = [store.saveTime(6), store.append(1, makeRun({ first: 1 }))];
      await new Promise(setImmediate);
      const waiting = [...first, store.saveTime(7)];
      for (const result of await Promise.allSettled(waiting)) {
        expect(result).to.have.property('reason').that.is.instanceOf(StoreError).with.property('reason', 'closed');
      }
      const later = await store.time().catch((error: unknown) => error);
      expect(later).to.be.instanceOf(StoreError).with.property('reason', 'closed');
      await store.close();
      sinon.assert.calledOnceWithExactly(onFailed, later);
      sinon.assert.calledOnce(log.error);
      sinon.restore();

      const again = await openSqliteStore({ file, reserveBytes: 4096 });
      expect(await again.time()).to.equal(5);
      await again.close();
    });

    it('resolves a close that was asked for before', async () => {
      const store = await openSqliteStore({ file, reserveBytes: 4096 });
      const send = Worker.prototype.postMessage;
      sinon.stub(Worker.prototype, 'postMessage').callsFake(function (this: Worker) {
        send.call(this, null);
      });
      const asked = store.saveTime(6).catch((error: StoreError) => error.reason);
      await store.close();
      expect(await asked).to.equal('closed');
    });
  });
});
