import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { StoreError } from '../../../center/store/store.ts';
import { overriding, Room, type RoomOptions } from '../../helpers/room.ts';
import { isDeliver, reads, send } from '../../helpers/texts.ts';

describe('delivery to the slow, the held and the changing', () => {
  let room: Room;

  async function open(options: RoomOptions = {}): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(() => room.close());

  describe('a slow recipient', () => {
    const limits = { windowMessages: 10, windowBytes: 4000 };

    it('gets no more than its window, and the disk holds the rest', async () => {
      await open({ limits });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 1000);
      await seas.isAccepted(google.account, 1000);
      await google.fence();
      expect(google.received.filter(isDeliver)).to.have.length(10);
      // The window's and the connection's own are all that memory holds.
      await reads(google, 1, 1000);
      await seas.isStored(google.account, 1000);
    });

    it('sets its own window at Attach', async () => {
      await open();
      const [seas, google] = [await room.join('seas'), await room.join('google', { windowMessages: 3 })];
      send(seas, google.account, 1, 20);
      await seas.isAccepted(google.account, 20);
      await google.fence();
      expect(google.received.filter(isDeliver)).to.have.length(3);
      await reads(google, 1, 20);
    });

    it('bounds the bytes of its window', async () => {
      await open({ limits: { windowBytes: 4000 } });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      for (let number = 1; number <= 10; number++) seas.message(google.account, number, 'x'.repeat(1500));
      await seas.isAccepted(google.account, 10);
      await google.fence();
      expect(google.received.filter(isDeliver)).to.have.length(3);
    });

    it('keeps the order while what it reads back and what is committed overtake each other', async () => {
      await open({ limits: { windowMessages: 2 } });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      const seen: number[] = [];
      google.stream.on('data', () => {
        for (const { deliver } of google.received.splice(0)) {
          if (!deliver) continue;
          seen.push(deliver.number!);
          google.ack(deliver.position!);
        }
      });
      for (let number = 1; number <= 2000; number += 5) {
        send(seas, google.account, number, 5);
        if (number % 3 === 0) await new Promise(setImmediate);
      }
      await seas.isStored(google.account, 2000);
      expect(seen).to.deep.equal(Array.from({ length: 2000 }, (_, index) => index + 1));
    });

    it('gets once what a read finds before the answer of its commit', async () => {
      let isGated = false;
      const answers: (() => void)[] = [];
      const gated = async <Result>(asked: Promise<Result>): Promise<Result> => {
        if (!isGated) return asked;
        const result = await asked;
        return new Promise((resolve) => answers.push(() => resolve(result)));
      };
      await open({
        limits: { windowMessages: 3 },
        wrap: (store) =>
          overriding(store, (store) => ({
            append: (...asked) => gated(store.append(...asked)),
            read: (...asked) => gated(store.read(...asked)),
          })),
      });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 4);
      await seas.isAccepted(google.account, 4);
      isGated = true;
      send(seas, google.account, 5, 1);
      while (answers.length < 1) await wait(1);
      await reads(google, 1, 3);
      while (answers.length < 2) await wait(1);
      // As where both were in one batch of the store.
      for (const answer of answers.splice(0)) answer();
      isGated = false;
      await reads(google, 4, 2);
      await seas.isStored(google.account, 5);
      send(seas, google.account, 6, 1);
      await reads(google, 6, 1);
      await google.hasNot(isDeliver);
    });

    it('goes on after the store failed to read', async () => {
      let failures = 0;
      await open({
        limits,
        wrap: (store) =>
          overriding(store, (store) => ({
            read: (...asked) =>
              failures-- > 0 ? Promise.reject(new StoreError('failed', 'a test')) : store.read(...asked),
          })),
      });
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      send(seas, google.account, 1, 30);
      await seas.isAccepted(google.account, 30);
      failures = 1;
      await google.attach();
      await reads(google, 1, 30);
    });
  });

  describe('hold', () => {
    beforeEach(() => open());

    it('leaves messages at the center, tells how many, and lets as many through as are fetched', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google', { hold: true })];
      send(seas, google.account, 1, 5);
      await seas.isAccepted(google.account, 5);
      const told = await google.take(({ waiting, request }) => waiting != null && !request && waiting.count === 5);
      expect(told.waiting?.count).to.equal(5);
      await google.hasNot(isDeliver);
      expect((await google.ask({ fetch: { limit: 2 } })).waiting?.count).to.equal(2);
      await reads(google, 1, 2);
      await google.hasNot(isDeliver);
      expect((await google.ask({ fetch: { limit: 9 } })).waiting?.count).to.equal(3);
      await reads(google, 3, 3);
      send(seas, google.account, 6, 1);
      await seas.isAccepted(google.account, 6);
      await google.hasNot(isDeliver);
      await google.ask({ hold: { on: false } });
      await reads(google, 6, 1);
    });

    it('is not opened further by fetching twice', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google', { hold: true })];
      send(seas, google.account, 1, 5);
      await seas.isAccepted(google.account, 5);
      const [first, second] = [google.ask({ fetch: {} }), google.ask({ fetch: {} })];
      expect((await first).waiting?.count).to.equal(5);
      expect((await second).waiting?.count).to.equal(0);
      await reads(google, 1, 5);
      send(seas, google.account, 6, 3);
      await seas.isAccepted(google.account, 8);
      await google.hasNot(isDeliver);
    });

    it('survives a change of machine', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google', { hold: true })];
      send(seas, google.account, 1, 5);
      await seas.isAccepted(google.account, 5);
      const elsewhere = await room.login('google');
      expect((await elsewhere.attach({ hold: true })).waiting).to.equal(5);
      await elsewhere.ask({ fetch: { limit: 1 } });
      await reads(elsewhere, 1, 1);
    });
  });

  describe('a change of the connection', () => {
    beforeEach(() => open());

    it('brings again what was not acknowledged', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 10);
      await reads(google, 1, 4);
      await seas.isStored(google.account, 4);
      const again = await room.resume(google);
      await again.attach();
      await reads(again, 5, 6);
      await seas.isStored(google.account, 10);
    });

    it('makes the older session’s acknowledgements worth nothing', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 3);
      await seas.isAccepted(google.account, 3);
      const elsewhere = await room.login('google');
      for (const { deliver } of google.received) if (deliver) google.ack(deliver.position!);
      await elsewhere.attach();
      await seas.hasNot(({ stored }) => stored != null);
      await reads(elsewhere, 1, 3);
    });

    it('does not stop what was stored from being saved, where nobody attaches any more', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 3);
      await seas.isAccepted(google.account, 3);
      await reads(google, 1, 3);
      const elsewhere = await room.login('google');
      await seas.isStored(google.account, 3);
      await room.restart();
      const again = await room.resume(elsewhere);
      expect((await again.attach()).waiting).to.equal(0);
    });

    it('sends unresolved messages again without a second delivery', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 5);
      seas.destroy();
      const again = await room.resume(seas);
      await again.attach();
      send(again, google.account, 1, 6);
      await reads(google, 1, 6);
      await again.isStored(google.account, 6);
      await google.hasNot(isDeliver);
    });

    it('tells at Attach, after its answer, how far every recipient got', async () => {
      const [seas, google, bing] = [await room.join('seas'), await room.join('google'), await room.register('bing')];
      send(seas, google.account, 1, 2);
      send(seas, bing.account, 3, 1);
      await seas.isAccepted(bing.account, 3);
      await seas.isAccepted(google.account, 2);
      await room.restart();
      const reader = await room.resume(google);
      await reader.attach();
      await reads(reader, 1, 2);
      await reader.fence();
      const again = await room.resume(seas);
      await again.attach();
      await again.fence();
      const kinds = again.received.map((frame) => (frame.stored ? 'stored' : frame.accepted ? 'accepted' : 'other'));
      expect(kinds.sort()).to.deep.equal(['accepted', 'stored']);
      await again.isStored(google.account, 2);
      await again.isAccepted(bing.account, 3);
    });
  });
});
