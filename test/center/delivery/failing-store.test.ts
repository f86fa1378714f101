import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type Store, StoreError } from '../../../center/store/store.ts';
import { overriding, Room, type RoomOptions } from '../../helpers/room.ts';
import { isDeliver, isRefused, reads, send } from '../../helpers/texts.ts';

describe('delivery over a store that fails', () => {
  let room: Room;

  async function open(options: RoomOptions = {}): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(() => room.close());

  describe('where the store fails', () => {
    /** Appends fail with this while it is set. */
    let failure: StoreError | null;
    let answers: (() => void)[] | null;

    function failing(store: Store): Store {
      return overriding(store, (store) => ({
        append: async (id, run) => {
          const answer = failure ? null : store.append(id, run);
          const why = failure;
          if (answers) await new Promise<void>((resolve) => answers?.push(resolve));
          if (!answer) throw why;
          return answer;
        },
      }));
    }

    beforeEach(async () => {
      failure = null;
      answers = null;
      await open({ wrap: failing });
    });

    it('nothing is accepted, what nobody saw is refused, and it goes on when there is room', async () => {
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      failure = new StoreError('full', 'a test');
      send(seas, google.account, 1, 3);
      await isRefused(seas, 1, 'store_full');
      await isRefused(seas, 2, 'earlier_refused');
      await isRefused(seas, 3, 'earlier_refused');
      await seas.hasNot(({ accepted }) => accepted != null);
      expect(room.services.mail.storedBytes).to.equal(0);
      failure = null;
      send(seas, google.account, 1, 3);
      await seas.isAccepted(google.account, 3);
      await google.attach();
      await reads(google, 1, 3);
    });

    it('what was delivered is accepted when it is acknowledged', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      failure = new StoreError('failed', 'a test');
      send(seas, google.account, 1, 2);
      await google.take(({ deliver }) => deliver?.number === 2);
      await wait(20);
      await seas.hasNot(({ accepted, refused }) => accepted != null || refused != null);
      google.ack(google.received.find(isDeliver)!.deliver!.position! + 1);
      await seas.isStored(google.account, 2);
      failure = null;
      await room.services.mail.settle(room.services.mail.mailbox(google.account)!);
      expect(room.services.mail.storedBytes).to.equal(0);
    });

    it('what was delivered is committed later', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      failure = new StoreError('failed', 'a test');
      send(seas, google.account, 1, 2);
      await google.take(({ deliver }) => deliver?.number === 2);
      await wait(20);
      failure = null;
      await seas.isAccepted(google.account, 2);
    });

    it('a commit that fails after the acknowledgement takes nothing back', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      answers = [];
      failure = new StoreError('failed', 'a test');
      send(seas, google.account, 1, 1);
      const { position } = await google.sees('deliver');
      while (answers.length === 0) await wait(1);
      google.ack(position!);
      await seas.isStored(google.account, 1);
      answers.shift()?.();
      answers = failure = null;
      await room.services.mail.settle(room.services.mail.mailbox(google.account)!);
      expect(room.services.mail.storedBytes).to.equal(0);
      send(seas, google.account, 1, 2);
      await reads(google, 2, 1);
      await room.restart();
      const again = await room.resume(seas);
      expect((await again.attach()).highestNumber).to.equal(2);
    });

    it('a commit that fails after the recipient left refuses what it never confirmed', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      answers = [];
      failure = new StoreError('full', 'a test');
      send(seas, google.account, 1, 2);
      await google.take(({ deliver }) => deliver?.number === 2);
      while (answers.length === 0) await wait(1);
      google.destroy();
      while (room.services.sessions.count > 1) await seas.fence();
      answers.shift()?.();
      await isRefused(seas, 1, 'store_full');
      await isRefused(seas, 2, 'earlier_refused');
      answers = failure = null;
      send(seas, google.account, 1, 2);
      await seas.isAccepted(google.account, 2);
      const again = await room.resume(google);
      await again.attach();
      await reads(again, 1, 2);
    });

    it('a recipient that leaves while its commit is on its way gets the messages again, once', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      answers = [];
      send(seas, google.account, 1, 2);
      await google.take(({ deliver }) => deliver?.number === 2);
      while (answers.length === 0) await wait(1);
      const again = await room.resume(google);
      await again.attach();
      answers.shift()?.();
      answers = null;
      await seas.isAccepted(google.account, 2);
      await reads(again, 1, 2);
      await again.hasNot(isDeliver);
      expect(room.services.mail.storedBytes).to.equal(0);
    });

    it('a mailbox that cannot be closed goes on', async () => {
      let fails = false;
      const unlessItFails = <Result>(act: () => Promise<Result>): Promise<Result> =>
        fails ? Promise.reject(new StoreError('failed', 'a test')) : act();
      await room.close();
      await open({
        wrap: (store) =>
          overriding(store, (store) => ({
            advance: (...asked) => unlessItFails(() => store.advance(...asked)),
            saveMarks: (...asked) => unlessItFails(() => store.saveMarks(...asked)),
            time: () => unlessItFails(() => store.time()),
          })),
      });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 1);
      await reads(google, 1, 1);
      await seas.isStored(google.account, 1);
      google.destroy();
      while (room.services.sessions.count > 1) await seas.fence();
      fails = true;
      const refused = await room.services.mail.closeMailbox(google.account).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(StoreError);
      fails = false;
      send(seas, google.account, 2, 1);
      await seas.isAccepted(google.account, 2);
      await room.services.mail.closeMailbox(google.account);
      expect(room.services.mail.mailbox(google.account)).to.equal(undefined);
      const again = await room.resume(google);
      expect((await again.attach()).waiting).to.equal(1);
      await reads(again, 2, 1);
    });

    it('a disk that is full refuses, and reads go on', async () => {
      await room.close();
      await open({ store: { maxFileBytes: 400_000, reserveBytes: 200_000, roomRetryMs: 10 } });
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      let last = 0;
      for (let number = 1; number <= 100 && !seas.received.some((frame) => frame.refused); number++) {
        seas.message(google.account, number, 'x'.repeat(16_000));
        last = number;
        await seas.fence();
      }
      const { number, error } = await seas.sees('refused');
      expect(error?.code).to.equal('store_full');
      expect(number).to.be.at.most(last);
      await google.attach();
      for (let count = 1; count < number!; count++) {
        const deliver = await google.sees('deliver');
        expect(deliver.number).to.equal(count);
        google.ack(deliver.position!);
      }
      await seas.isStored(google.account, number! - 1);
    });
  });

  it('a mailbox that cannot be read is tried again now and then, not for each message that comes', async () => {
    let tries = 0;
    let isDamaged = true;
    await open({
      wrap: (store) =>
        overriding(store, (store) => ({
          read: (...asked) => {
            tries++;
            return isDamaged ? Promise.reject(new StoreError('damaged', 'a test')) : store.read(...asked);
          },
        })),
    });
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    send(seas, google.account, 1, 1);
    await seas.isAccepted(google.account, 1);
    await google.attach();
    for (let number = 2; number <= 41; number++) {
      send(seas, google.account, number, 1);
      await seas.isAccepted(google.account, number);
    }
    expect(tries).to.be.within(1, 3);
    isDamaged = false;
    await reads(google, 1, 41);
  });
});
