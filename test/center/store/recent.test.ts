// Short runs on their way to their places: they are read, taken away and found damaged as if they were there already.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import sinon from 'sinon';
import type { ActName } from '../../../center/store/acts.ts';
import { countContents, findDamage } from '../../../center/store/damage.ts';
import { Engine } from '../../../center/store/engine.ts';
import { salvage } from '../../../center/store/salvage.ts';
import { migrate, migrations } from '../../../center/store/schema.ts';
import type { MailboxRun, MailboxState } from '../../../center/store/store.ts';
import { Random } from '../../../scripts/selftest/random.ts';
import { makeRun, outboxA, outboxB, positionsFrom, positionsIn } from './run.ts';

/** Another one: PARLEY_TEST_SEED=7 mocha test/center/store/recent.test.ts */
const seed = Number(process.env.PARLEY_TEST_SEED ?? 20261121);
const endings = ['', '-wal', '.tail'];
const full = 13;

describe('center/store/recent', () => {
  let dir: string;
  let file: string;
  let engine: Engine;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'parley-recent-'));
    file = join(dir, 'center.db');
    engine = new Engine({ file, reserveBytes: 4096 });
    for (const id of [1, 2, 3]) act('createAccount', { id, name: `a${id}`, passwordHash: '', createdAtMs: 1 });
  });
  afterEach(() => {
    sinon.restore();
    engine.close();
    rmSync(dir, { recursive: true });
  });

  function acts(...asked: [ActName, ...unknown[]][]): unknown[] {
    const { results, failures } = engine.run(asked.map(([name, ...rest]) => ({ name, asked: rest })));
    for (const { index, reason } of failures) results[index] = reason;
    return results;
  }
  const act = (name: ActName, ...asked: unknown[]): unknown => acts([name, ...asked])[0];

  function append(id: number, ...firsts: number[]): unknown[] {
    return acts(...firsts.map((first): [ActName, ...unknown[]] => ['append', id, makeRun({ first })]));
  }

  function positions(id: number, after = 0): number[] {
    return (act('read', id, after, 1e9) as MailboxRun[]).flatMap(({ frames }) => positionsIn(frames));
  }

  /** As after `kill -9`: what is on the disk now, opened anew. before: is done to the files */
  function restart(before: (path: string) => void = () => {}): void {
    const copy = join(dir, 'killed.db');
    for (const ending of endings) copyFileSync(file + ending, copy + ending);
    engine.close();
    for (const ending of endings) copyFileSync(copy + ending, file + ending);
    before(file);
    engine = new Engine({ file, reserveBytes: 4096 });
  }

  function withFile<Result>(use: (db: DatabaseSync) => Result, path = file): Result {
    const db = new DatabaseSync(path);
    try {
      return use(db);
    } finally {
      db.close();
    }
  }
  const count = (table: string): number =>
    withFile((db) => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n));

  it('lie together, a row a commit, until there are enough', () => {
    append(1, 1, 2, 3);
    append(2, 1);
    expect([count('recent'), count('runs')]).to.deep.equal([2, 0]);
    for (let first = 4; count('recent') > 0; first += 100) {
      act('append', 1, makeRun({ first, bodyBytes: 3000 }));
      append(1, ...positionsFrom(first + 1, 50));
      engine.tidy();
    }
    expect(count('runs')).to.be.greaterThan(100);
    expect(positions(2)).to.deep.equal([1]);
    expect(positions(1).slice(0, 6)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('are read where they are, before, between and after others', () => {
    append(1, 1, 2);
    act('append', 1, makeRun({ first: 3, bodyBytes: 5000 }));
    append(1, 4, 5);
    expect(positions(1)).to.deep.equal([1, 2, 3, 4, 5]);
    expect(positions(1, 4)).to.deep.equal([5]);
    restart();
    expect(positions(1)).to.deep.equal([1, 2, 3, 4, 5]);
    expect(act('openMailbox', 1)).to.deep.include({ count: 5, ackedTo: 0 });
    expect(acts(['append', 1, makeRun({ first: 6 })], ['read', 1, 5, 1e9])[1]).to.have.nested.property('0.last', 6);
  });

  it('do not come back after they were stored', () => {
    append(1, 1, 2, 3);
    act('advance', 1, 0, 2, [{ sender: 7, outbox: outboxA, accepted: 2, stored: 2 }]);
    expect(positions(1)).to.deep.equal([3]);
    restart();
    expect(positions(1)).to.deep.equal([3]);
    act('advance', 1, 0, 3, []);
    restart();
    expect(positions(1)).to.deep.equal([]);
    expect(act('openMailbox', 1)).to.deep.include({ count: 0, ackedTo: 3 });
    expect(act('outbox', 7, outboxA)).to.deep.equal([{ recipient: 1, accepted: 3, stored: 2 }]);
    expect(append(1, 3, 4)).to.deep.equal(['repeat', 'accepted']);
    expect(positions(1)).to.deep.equal([4]);
  });

  it('are known as repeats, also when they were joined', () => {
    append(1, ...positionsFrom(1, 20));
    expect(append(1, 20, 7)).to.deep.equal(['repeat', 'repeat']);
    act('totalBytes');
    expect(count('runs')).to.be.lessThan(20);
    expect(append(1, 20, 7)).to.deep.equal(['repeat', 'repeat']);
    const other = makeRun({ first: 7, bodyBytes: 11 });
    const longer = makeRun({ first: 20, positions: [20, 21] });
    expect(acts(['append', 1, other], ['append', 1, longer])).to.deep.equal(['failed', 'failed']);
    expect(positions(1)).to.deep.equal(positionsFrom(1, 20));
  });

  it('are as they were where an act beside them fails', () => {
    append(1, 1);
    expect(append(1, 2, 1, 3).concat(acts(['append', 1, makeRun({ first: 2, positions: [2, 9] })]))).to.deep.equal([
      'accepted',
      'repeat',
      'accepted',
      'failed',
    ]);
    const mixed = acts(
      ['append', 1, makeRun({ first: 4 })],
      ['append', 1, makeRun({ first: 2, positions: [2, 9] })],
      ['append', 2, makeRun({ first: 1 })],
    );
    expect(mixed).to.deep.equal(['accepted', 'failed', 'accepted']);
    for (const again of [false, true]) {
      if (again) restart();
      expect([positions(1), positions(2)]).to.deep.equal([[1, 2, 3, 4], [1]]);
    }
  });

  it('stay readable where the disk has no room to settle them', () => {
    append(1, ...positionsFrom(1, 9));
    const exec = DatabaseSync.prototype.exec;
    sinon.stub(DatabaseSync.prototype, 'exec').callsFake(function (this: DatabaseSync, sql) {
      if (sql === 'DELETE FROM recent') throw Object.assign(new Error('full'), { errcode: full });
      exec.call(this, sql);
    });
    expect(act('totalBytes')).to.equal('full');
    expect(append(1, 10)).to.deep.equal(['full']);
    expect(positions(1)).to.deep.equal(positionsFrom(1, 9));
    expect(act('advance', 1, 0, 4, [])).to.equal('done');
    expect(act('openMailbox', 1)).to.deep.include({ count: 5, ackedTo: 4 });
    restart();
    sinon.restore();
    expect(positions(1)).to.deep.equal(positionsFrom(5, 5));
  });

  it('settle beside what is damaged, which is still found', () => {
    acts(['append', 1, makeRun({ first: 1 })], ['append', 2, makeRun({ first: 1, from: 8 })]);
    act('totalBytes');
    withFile((db) => {
      db.exec('PRAGMA ignore_check_constraints = 1; UPDATE marks SET accepted = accepted + 1024 WHERE sender = 7');
    });
    acts(['append', 1, makeRun({ first: 2 })], ['append', 2, makeRun({ first: 2, from: 8 })]);
    expect(act('outbox', 8, outboxA)).to.deep.equal([{ recipient: 2, accepted: 2, stored: 0 }]);
    expect(act('outbox', 7, outboxA)).to.equal('damaged');
    expect([positions(1), positions(2), count('runs')]).to.deep.equal([[1, 2], [1, 2], 4]);
  });

  it('are found by who counts, and by who makes a backup', () => {
    append(1, 1, 2, 3);
    append(2, 1);
    act('advance', 1, 0, 1, []);
    expect(withFile(countContents)).to.deep.equal({ accounts: 3, messages: 3 });
    expect(withFile((db) => [...findDamage(db)])).to.deep.equal([]);
  });

  describe('where they are damaged', () => {
    const refused = (sql: string): string => {
      try {
        restart((path) => {
          withFile((db) => db.exec(sql), path);
          // It would tell first that somebody has changed the last page.
          rmSync(`${path}.tail`);
        });
      } catch (error) {
        return (error as Error).message;
      } finally {
        // Something whole for afterEach.
        engine = new Engine({ file: join(dir, 'other.db'), reserveBytes: 4096 });
      }
      return 'opened';
    };
    const flip = "UPDATE recent SET runs = CAST(replace(runs, 'seas', 'seat') AS BLOB) WHERE id = 2";

    beforeEach(() => {
      append(1, 1, 2);
      acts(['append', 1, makeRun({ first: 3 })], ['append', 2, makeRun({ first: 1 })]);
      append(1, 4);
    });

    for (const [what, sql, text] of [
      ['a row of them is missing', 'DELETE FROM recent WHERE id = 2', 'row 2 is missing'],
      ['the last row is missing', 'DELETE FROM recent WHERE id = 3', 'row 3 is missing'],
      ['the first row is missing', 'DELETE FROM recent WHERE id = 1', 'row 1 is missing'],
      ['all rows are missing', 'DELETE FROM recent', 'row 1 is missing'],
      ['a byte has flipped', flip, 'row 2 is damaged'],
      ['their end has changed', 'UPDATE recent_ends SET written_to = 2', 'row 3 was not to be expected'],
      ['their end is missing', 'DELETE FROM recent_ends', 'not known'],
    ] as const) {
      it(`${what}: it is said`, () => {
        const message = refused(sql);
        expect(message).to.include(`${file} is damaged: `).and.to.include(text).and.to.include('`center check`');
      });
    }

    it('the runs that are whole are rescued, and what is missing is named', () => {
      refused("UPDATE recent SET runs = CAST(substr(runs, 1, 40) || x'77' || substr(runs, 42) AS BLOB) WHERE id = 2");
      const to = join(dir, 'rescued.db');
      const { lost, messages } = salvage(file, to);
      expect(messages).to.equal(4);
      expect(lost).to.deep.equal([
        { account: null, positions: null, text: 'some of the newest mail is lost' },
        { account: 1, positions: { from: 3, to: 3 }, text: 'lost' },
      ]);
      engine.close();
      engine = new Engine({ file: to, reserveBytes: 4096 });
      expect([positions(1), positions(2)]).to.deep.equal([[1, 2, 4], [1]]);
      expect(act('outbox', 7, outboxA)).to.deep.equal([
        { recipient: 1, accepted: 4, stored: 0 },
        { recipient: 2, accepted: 1, stored: 0 },
      ]);
    });
  });

  it('come to databases that were made before there were any', () => {
    const path = join(dir, 'older.db');
    withFile((db) => {
      migrate(db, path, migrations.slice(0, 3));
      db.exec("INSERT INTO accounts (id, name, folded, password_hash, created_at_ms) VALUES (1, 'a1', 'a1', '', 1)");
      db.exec('INSERT INTO mailboxes VALUES (1, 0, 0, 1, 8)');
    }, path);
    engine.close();
    engine = new Engine({ file: path, reserveBytes: 4096 });
    expect(engine.openedFrom).to.equal(3);
    expect(append(1, 1)).to.deep.equal(['accepted']);
    expect(positions(1)).to.deep.equal([1]);
  });

  for (let round = 0; round < 6; round++) {
    it(`are as if each were at its place at once, whatever is done (${round})`, () => {
      const random = new Random(seed + round);
      const model = [1, 2, 3].map((id) => ({ id, acked: 0, next: 1, waiting: [] as number[], accepted: [0, 0] }));
      for (let step = 0; step < 150; step++) {
        const batch: [ActName, ...unknown[]][] = [];
        const expected: unknown[] = [];
        const ask = (result: unknown, ...asked: [ActName, ...unknown[]]): void => {
          batch.push(asked);
          expected.push(result);
        };
        for (let left = random.between(1, 12); left > 0; left--) {
          const mailbox = model[random.between(0, 2)]!;
          const { id } = mailbox;
          const kind = random.between(0, 19);
          if (kind < 14) {
            const which = random.between(0, 1);
            const given = positionsFrom(mailbox.next + random.between(0, 1), random.between(1, 3));
            const bodyBytes = random.between(0, 9) === 0 ? 5000 : random.between(1, 300);
            const [first = 0, last = first] = [given[0], given.at(-1)];
            const outbox = which === 0 ? outboxA : outboxB;
            ask('accepted', 'append', id, makeRun({ first, positions: given, outbox, bodyBytes }));
            mailbox.next = last + 1;
            mailbox.waiting.push(...given);
            mailbox.accepted[which] = last;
          } else if (kind < 16) {
            const position = Math.max(mailbox.acked, mailbox.next - 1 - random.between(0, 5));
            if (kind === 14) ask('done', 'advance', id, 0, position, []);
            else ask(undefined, 'discard', id, position);
            mailbox.acked = position;
            mailbox.waiting = mailbox.waiting.filter((waiting) => waiting > position);
          } else if (kind === 16) ask('failed', 'append', id, { ...makeRun({ first: 1 }), first: -1, last: 2 ** 40 });
          else if (kind === 17) ask('done', 'setState', id, 'open');
          else if (kind === 18) ask(undefined, 'setBlock', id, 2, true);
        }
        expect(acts(...batch), `step ${step}`).to.deep.equal(expected);
        if (random.between(0, 3) === 0) engine.tidy();
        if (random.between(0, 14) === 0) restart();
        const mailbox = model[random.between(0, 2)]!;
        const seen = positions(mailbox.id).filter((position) => position > mailbox.acked);
        expect(seen, `step ${step}`).to.deep.equal(mailbox.waiting);
        const state = act('openMailbox', mailbox.id) as MailboxState;
        expect([state.ackedTo, state.count], `step ${step}`).to.deep.equal([mailbox.acked, mailbox.waiting.length]);
        mailbox.next = state.next;
      }
      for (const [which, outbox] of [outboxA, outboxB].entries()) {
        const marks = act('outbox', 7, outbox) as { recipient: number; accepted: number }[];
        for (const { id, accepted } of model) {
          expect(marks.find(({ recipient }) => recipient === id)?.accepted ?? 0).to.equal(accepted[which]);
        }
      }
      expect(withFile((db) => [...findDamage(db)])).to.deep.equal([]);
    });
  }
});
