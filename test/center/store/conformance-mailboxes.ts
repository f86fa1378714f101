// The part of the conformance suite about mailboxes: runs, positions, marks, and each act done again.
import { expect } from 'chai';
import { type MailboxState, StoreError } from '../../../center/store/store.ts';
import { judged, makeAccounts, type StoreUnderTest } from './conformance.ts';
import { makeRun, outboxA, outboxB, positionsFrom, positionsIn } from './run.ts';

export function mailboxConformance(test: StoreUnderTest): void {
  describe('mail', () => mailTests(test));
}

function mailTests(test: StoreUnderTest): void {
  async function open(id: number): Promise<MailboxState> {
    const state = await test.store.openMailbox(id);
    if (state === 'gone') throw new Error(`account ${id} is gone`);
    return state;
  }

  /** All positions above this, in the order in which they are read. */
  async function positions(id: number, after = 0, maxBytes = 1_000_000): Promise<number[]> {
    const runs = await test.store.read(id, after, maxBytes);
    for (const run of runs) {
      const inRun = positionsIn(run.frames);
      expect([run.first, run.last, run.count]).to.deep.equal([inRun[0], inRun.at(-1), inRun.length]);
    }
    return runs.flatMap(({ frames }) => positionsIn(frames));
  }

  beforeEach(() => makeAccounts(test.store, 1, 2));

  describe('mailboxes', () => {
    it('begin empty', async () => {
      expect(await open(1)).to.deep.include({
        generation: 0,
        ackedTo: 0,
        next: 1,
        blocks: [],
        count: 0,
        bytes: 0,
        senders: [],
      });
      expect(await test.store.read(1, 0, 1000)).to.deep.equal([]);
      expect(await test.store.openMailbox(3)).to.equal('gone');
      expect(await test.store.read(3, 0, 1000)).to.deep.equal([]);
    });

    it('give back what was appended, in order, byte for byte', async () => {
      const runs = [
        makeRun({ first: 1, positions: [1, 2, 5] }),
        makeRun({ first: 9, bodyBytes: 20_000 }),
        makeRun({ first: 10, positions: [10, 11] }),
      ];
      const results = runs.map((run) => test.store.append(1, run));
      expect(await Promise.all(results)).to.deep.equal(['accepted', 'accepted', 'accepted']);
      await test.reopen();
      expect(await positions(1)).to.deep.equal([1, 2, 5, 9, 10, 11]);
      expect(await positions(1, 5)).to.deep.equal([9, 10, 11]);
      expect(await positions(1, 11)).to.deep.equal([]);
      const read = await test.store.read(1, 0, 1_000_000);
      const all = Buffer.concat(read.map(({ frames }) => frames));
      expect(all.equals(Buffer.concat(runs.map(({ frames }) => frames)))).to.equal(true);
    });

    it('read a run whole where a position is in the middle of it', async () => {
      await test.store.append(1, makeRun({ first: 1 }));
      await test.store.append(1, makeRun({ first: 2, positions: [2, 3, 4] }));
      expect(await positions(1, 3)).to.deep.equal([2, 3, 4]);
    });

    it('read in pieces, at least one run at a time', async () => {
      for (let first = 1; first <= 10; first++) void test.store.append(1, makeRun({ first, bodyBytes: 1000 }));
      expect(await positions(1, 0, 1)).to.deep.equal([1]);
      const two = await positions(1, 1, 1500);
      expect(two).to.deep.equal(positionsFrom(2, two.length)).and.have.length.within(1, 3);
      const seen: number[] = [];
      for (let after = 0, piece = [0]; piece.length > 0; after = seen.at(-1) ?? 0) {
        piece = await positions(1, after, 3000);
        seen.push(...piece);
      }
      expect(seen).to.deep.equal(positionsFrom(1, 10));
    });

    it('copy the frames at once: the buffer they were in can be used again', async () => {
      const run = makeRun({ first: 1, positions: [1, 2] });
      const appended = test.store.append(1, run);
      run.frames.fill(0);
      await appended;
      expect(await positions(1)).to.deep.equal([1, 2]);
    });

    it('see a write that was asked for before the read', async () => {
      void test.store.append(1, makeRun({ first: 1 }));
      expect(await positions(1)).to.deep.equal([1]);
      void test.store.advance(1, 0, 1, []);
      expect(await positions(1)).to.deep.equal([]);
    });

    it('answer an append that comes again as a repeat', async () => {
      const run = makeRun({ first: 1, positions: [1, 2, 3] });
      const next = makeRun({ first: 4, positions: [4, 5] });
      await test.store.append(1, run);
      expect(await test.store.append(1, run)).to.equal('repeat');
      await test.store.append(1, next);
      await test.reopen();
      expect(await test.store.append(1, run), 'with another after it').to.equal('repeat');
      await test.store.advance(1, 0, 3, []);
      expect(await test.store.append(1, run), 'when it is stored and gone').to.equal('repeat');
      expect(await test.store.append(1, next)).to.equal('repeat');
      await test.store.setState(1, 'closing');
      expect(await test.store.append(1, next), 'when the account is closing').to.equal('repeat');
      expect(await positions(1)).to.deep.equal([4, 5]);
    });

    it('refuse a run that would change the past', async () => {
      await test.store.append(1, makeRun({ first: 5, positions: [5, 6] }));
      for (const run of [
        makeRun({ first: 3 }),
        makeRun({ first: 5, positions: [5, 6, 7] }),
        makeRun({ first: 6, positions: [6, 7] }),
      ]) {
        const refused = await test.store.append(1, run).catch((error: unknown) => error);
        expect(refused).to.be.instanceOf(StoreError).with.property('reason', 'failed');
      }
      expect(await positions(1)).to.deep.equal([5, 6]);
      expect(await test.store.outbox(7, outboxA)).to.deep.equal([{ recipient: 1, accepted: 6, stored: 0 }]);
    });

    it('do the others where one in the middle is refused', async () => {
      const results = await Promise.allSettled([
        test.store.append(1, makeRun({ first: 1 })),
        test.store.append(1, { ...makeRun({ first: 3 }), first: 1, last: 3 }),
        test.store.append(1, makeRun({ first: 2 })),
        test.store.append(2, makeRun({ first: 1 })),
        test.store.advance(1, 9, 2, []),
      ]);
      expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'refused'))).to.deep.equal([
        'accepted',
        'refused',
        'accepted',
        'accepted',
        'stale',
      ]);
      expect(await positions(1)).to.deep.equal([1, 2]);
      expect(await positions(2)).to.deep.equal([1]);
    });

    it('take hundreds of appends in one turn, each account in its order', async () => {
      const ids = positionsFrom(10, 50);
      await makeAccounts(test.store, ...ids);
      const asked: Promise<string>[] = [];
      for (let first = 1; first <= 10; first++) {
        for (const id of ids) asked.push(test.store.append(id, makeRun({ first, from: id + 100, bodyBytes: id })));
      }
      expect(new Set(await Promise.all(asked))).to.deep.equal(new Set(['accepted']));
      await test.reopen();
      for (const id of ids) {
        expect(await positions(id)).to.deep.equal(positionsFrom(1, 10));
        expect(await open(id))
          .to.have.property('senders')
          .that.has.length(1)
          .with.nested.property('0.sender', id + 100);
      }
    });
  });

  describe('positions', () => {
    it('are never given out twice', async () => {
      const first = await open(1);
      expect((await open(1)).next, 'none was reserved').to.equal(first.next);
      await test.store.append(1, makeRun({ first: first.next, reservedTo: 500_000 }));
      await test.reopen();
      const third = await open(1);
      expect(third.next).to.be.at.least(500_000);
      await test.store.saveMarks(1, [], 800_000);
      await test.store.saveMarks(1, [], 700_000);
      await test.reopen();
      const fourth = await open(1);
      expect(fourth.next).to.be.at.least(800_000);
      await test.store.advance(1, 0, 900_000, []);
      expect((await open(1)).next).to.be.greaterThan(900_000);
    });

    it('are reserved by a repeated append as well', async () => {
      await test.store.append(1, makeRun({ first: 1 }));
      await test.store.append(1, makeRun({ first: 1, reservedTo: 400_000 }));
      expect((await open(1)).next).to.be.at.least(400_000);
    });
  });

  describe('storing', () => {
    it('takes away what is stored, and never takes a position back', async () => {
      for (let first = 1; first <= 5; first += 2) {
        await test.store.append(1, makeRun({ first, positions: [first, first + 1] }));
      }
      expect(await test.store.advance(1, 0, 3, [])).to.equal('done');
      expect(await positions(1, 3), 'the run with 3 in its middle stays whole').to.deep.equal([3, 4, 5, 6]);
      expect(await open(1)).to.deep.include({ ackedTo: 3, count: 3 });
      expect(await test.store.advance(1, 0, 1, [])).to.equal('done');
      await test.reopen();
      expect(await open(1)).to.deep.include({ ackedTo: 3, count: 3 });
      expect(await test.store.advance(1, 0, 6, [])).to.equal('done');
      expect(await test.store.advance(1, 0, 6, [])).to.equal('done');
      expect(await open(1)).to.deep.include({ ackedTo: 6, count: 0, bytes: 0, senders: [] });
    });

    it('goes on after everything was stored', async () => {
      await test.store.append(1, makeRun({ first: 1 }));
      await test.store.advance(1, 0, 4, []);
      expect(await test.store.append(1, makeRun({ first: 3 })), 'stored without the disk').to.equal('repeat');
      expect(await test.store.append(1, makeRun({ first: 4, positions: [4, 5] }))).to.equal('accepted');
      expect(await positions(1, 4)).to.deep.equal([4, 5]);
      expect(await open(1)).to.deep.include({ ackedTo: 4, count: 1 });
    });

    it('is ignored where it comes from an older login', async () => {
      const session = { jti: 'one', nextJti: null, key: '', expiresAtMs: 1 };
      await test.store.append(1, makeRun({ first: 1, from: 2 }));
      await test.store.claimSession(judged(1), session, '::1');
      const stored = [{ sender: 2, outbox: outboxA, accepted: 9, stored: 9 }];
      for (const generation of [0, 2]) {
        expect(await test.store.advance(1, generation, 1, stored)).to.equal('stale');
      }
      expect(await positions(1)).to.deep.equal([1]);
      expect(await test.store.outbox(2, outboxA)).to.deep.equal([{ recipient: 1, accepted: 1, stored: 0 }]);
      expect(await test.store.advance(1, 1, 1, stored)).to.equal('done');
      expect(await open(1)).to.deep.include({ generation: 1, count: 0 });
    });

    it('is not needed to discard', async () => {
      await test.store.append(1, makeRun({ first: 1, positions: [1, 2] }));
      await test.store.append(1, makeRun({ first: 3 }));
      await test.store.discard(1, 2);
      await test.store.discard(1, 2);
      await test.reopen();
      expect(await positions(1)).to.deep.equal([3]);
      expect(await open(1)).to.deep.include({ ackedTo: 2, count: 1 });
      expect(await test.store.outbox(7, outboxA)).to.deep.equal([{ recipient: 1, accepted: 3, stored: 0 }]);
    });
  });

  describe('marks', () => {
    const mark = (accepted: number, stored: number, outbox = outboxA) => ({ sender: 7, outbox, accepted, stored });
    const marks = async (outbox = outboxA) =>
      (await test.store.outbox(7, outbox)).sort((one, other) => one.recipient - other.recipient);

    it('rise and never go down, whichever act brings them', async () => {
      await test.store.append(1, makeRun({ first: 1, marks: [mark(5, 2)] }));
      await test.store.saveMarks(1, [mark(4, 3)], 1);
      await test.store.append(1, makeRun({ first: 2, marks: [mark(2, 0)] }));
      await test.reopen();
      expect(await marks()).to.deep.equal([{ recipient: 1, accepted: 5, stored: 3 }]);
      await test.store.advance(1, 0, 1, [mark(5, 5)]);
      await test.store.advance(1, 0, 1, [mark(0, 4)]);
      await test.store.append(1, makeRun({ first: 2, marks: [mark(6, 0)] }));
      expect(await marks()).to.deep.equal([{ recipient: 1, accepted: 6, stored: 5 }]);
    });

    it('are kept for each outbox and recipient', async () => {
      const run = makeRun({ first: 1, marks: [mark(1, 0), mark(2, 0, outboxB)] });
      await Promise.all([test.store.append(1, run), test.store.append(2, run)]);
      await test.store.saveMarks(2, [mark(9, 0)], 1);
      expect(await marks()).to.deep.equal([
        { recipient: 1, accepted: 1, stored: 0 },
        { recipient: 2, accepted: 9, stored: 0 },
      ]);
      expect(await marks(outboxB)).to.have.length(2);
      expect(await marks(new Uint8Array(16))).to.deep.equal([]);
      expect(await test.store.outbox(8, outboxA)).to.deep.equal([]);
    });

    it('can be views of a larger buffer', async () => {
      const pool = new Uint8Array(100);
      pool.set(outboxB, 50);
      const view = pool.subarray(50, 66);
      await test.store.saveMarks(1, [mark(3, 1, view)], 1);
      expect(await marks(outboxB)).to.deep.equal(await marks(view));
      expect(await marks(view)).to.deep.equal([{ recipient: 1, accepted: 3, stored: 1 }]);
    });
  });

  describe('sums', () => {
    it('count messages and bytes of each sender, also those that the center itself sent', async () => {
      const mine = makeRun({ first: 1, positions: [1, 2], from: 2 ** 40 });
      const center = makeRun({ first: 3, from: 0, marks: [] });
      await test.store.append(1, mine);
      await test.store.append(1, center);
      const state = await open(1);
      expect(state.count).to.equal(3);
      expect(state.bytes).to.equal(mine.frames.length + center.frames.length);
      expect(state.senders).to.have.deep.members([
        { sender: 2 ** 40, count: 2, bytes: mine.frames.length },
        { sender: 0, count: 1, bytes: center.frames.length },
      ]);
      await test.store.append(2, mine);
      expect(await test.store.totalBytes()).to.equal(2 * mine.frames.length + center.frames.length);
      await test.store.discard(1, 3);
      expect(await test.store.totalBytes()).to.equal(mine.frames.length);
    });

    it('tell which mailboxes hold old mail', async () => {
      await makeAccounts(test.store, 3);
      await test.store.append(1, makeRun({ first: 1, receivedAtMs: 100 }));
      await test.store.append(1, makeRun({ first: 2, receivedAtMs: 110 }));
      await test.store.append(2, makeRun({ first: 1, receivedAtMs: 200 }));
      await test.store.append(3, makeRun({ first: 1, receivedAtMs: 300 }));
      const olderThan = (receivedAtMs: number, after = 0, limit = 10) =>
        test.store.mailboxesOlderThan(receivedAtMs, { after, limit });
      expect(await olderThan(100)).to.deep.equal([]);
      expect(await olderThan(250)).to.deep.equal([1, 2]);
      expect(await olderThan(250, 0, 1)).to.deep.equal([1]);
      expect(await olderThan(250, 1)).to.deep.equal([2]);
      expect(await olderThan(250, 2)).to.deep.equal([]);
      await test.store.discard(1, 2);
      expect(await olderThan(250)).to.deep.equal([2]);
    });
  });
}
