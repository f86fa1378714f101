import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Outbox } from '../../../center/delivery/outbox.ts';
import { overriding, Room } from '../../helpers/room.ts';
import { isRefused, send } from '../../helpers/texts.ts';
import type { WirePeer } from '../../helpers/wire.ts';

// What nobody uses leaves memory every now and then; the intervals and the clock are the test's own.
describe('what leaves memory', () => {
  let room: Room;
  let clock: sinon.SinonFakeTimers;
  let outboxGate: PromiseWithResolvers<void> | null;
  let mailboxGate: PromiseWithResolvers<void> | null;
  let resumeGate: PromiseWithResolvers<void> | null;

  beforeEach(async () => {
    clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    outboxGate = mailboxGate = resumeGate = null;
    room = await Room.open({
      wrap: (store) =>
        overriding(store, (store) => ({
          outbox: async (...asked) => {
            const marks = await store.outbox(...asked);
            await outboxGate?.promise;
            return marks;
          },
          openMailbox: async (id) => {
            const mailbox = await store.openMailbox(id);
            await mailboxGate?.promise;
            return mailbox;
          },
          resumeSession: async (...asked) => {
            const account = await store.resumeSession(...asked);
            await resumeGate?.promise;
            return account;
          },
        })),
    });
  });

  afterEach(async () => {
    clock.restore();
    await room.close();
  });

  /** Long enough for two looks at what is idle, short enough for the peers. */
  const sweep = (): void => void clock.tick(25_000);
  const counts = () => room.services.mail.counts;

  it('is what belongs to nobody who is connected', async () => {
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    seas.message(google.account, 1, 'text');
    await seas.isAccepted(google.account, 1);
    google.destroy();
    while (room.services.sessions.count > 1) await seas.fence();
    sweep();
    expect(counts()).to.deep.equal({ mailboxes: 1, outboxes: 1, flows: 1 });
    seas.destroy();
    while (room.services.sessions.count > 0) await new Promise(setImmediate);
    sweep();
    expect(counts()).to.deep.equal({ mailboxes: 0, outboxes: 0, flows: 0 });
    const again = await room.resume(google);
    expect((await again.attach()).waiting).to.equal(1);
    expect(await again.reads()).to.equal('<seas>: text');
  });

  it('is not the mailbox of a session that attaches late', async () => {
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    sweep();
    seas.message(google.account, 1, 'before');
    await seas.isAccepted(google.account, 1);
    await google.fence();
    sweep();
    await google.attach();
    seas.message(google.account, 2, 'after');
    expect(await google.reads()).to.equal('<seas>: before');
    expect(await google.reads()).to.equal('<seas>: after');
    await seas.isStored(google.account, 2);
    await google.ask({ block: { name: 'seas', on: true } });
    seas.message(google.account, 3, 'blocked');
    expect((await seas.sees('refused')).error?.code).to.equal('blocked');
    await room.restart();
    const again = await room.resume(google);
    expect((await again.attach()).waiting).to.equal(0);
  });

  it('is not the mailbox of a login that the store takes long over', async () => {
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    google.destroy();
    while (room.services.sessions.count > 1) await seas.fence();
    sweep();
    resumeGate = Promise.withResolvers();
    const resumed = room.resume(google);
    while (counts().mailboxes < 2) await seas.fence();
    sweep();
    resumeGate.resolve();
    resumeGate = null;
    const again = await resumed;
    await again.attach();
    seas.message(google.account, 1, 'text');
    expect(await again.reads()).to.equal('<seas>: text');
  });

  it('is not an outbox whose marks are being read', async () => {
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    seas.message(google.account, 1, 'text');
    await seas.isAccepted(google.account, 1);
    seas.destroy();
    while (room.services.sessions.count > 1) await google.fence();
    await room.restart();
    const reader = await room.resume(google);
    const again = await room.resume(seas);
    outboxGate = Promise.withResolvers();
    const attached = again.attach();
    await reader.fence();
    sweep();
    await Promise.all([reader.attach(), Promise.resolve(outboxGate.resolve())]);
    expect((await attached).highestNumber).to.equal(1);
    expect(await reader.reads()).to.equal('<seas>: text');
    await again.isStored(google.account, 1);
  });

  it('is not an outbox whose marks one connection waits for when another one has them', async () => {
    const [seas, google] = [await room.register('seas'), await room.register('google')];
    const attaches = async (peer: WirePeer): Promise<PromiseWithResolvers<void>> => {
      const gate = Promise.withResolvers<void>();
      outboxGate = gate;
      peer.send({ request: 1000, attach: { outbox: peer.outbox } });
      await peer.fence();
      await room.services.store.time();
      return gate;
    };
    const first = await attaches(seas);
    const again = await room.resume(seas);
    const second = await attaches(again);
    first.resolve();
    await again.fence();
    sweep();
    second.resolve();
    await again.sees('attached');
    again.message(google.account, 1, 'text');
    await again.isAccepted(google.account, 1);
    await google.attach();
    expect(await google.reads()).to.equal('<seas>: text');
    await again.isStored(google.account, 1);
  });

  it('is not a mailbox that messages wait for', async () => {
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    google.destroy();
    while (room.services.sessions.count > 1) await seas.fence();
    sweep();
    mailboxGate = Promise.withResolvers();
    for (let number = 1; number <= 3; number++) seas.message(google.account, number, 'text');
    await seas.fence();
    sweep();
    mailboxGate.resolve();
    await seas.isAccepted(google.account, 3);
    expect((await seas.refused({ withdraw: { to: google.account, number: 2 } })).code).to.equal('already_accepted');
  });

  describe('while its sender stays:', () => {
    function outboxOf(peer: WirePeer): Outbox {
      const state = room.services.sessions.of(peer.account)?.state;
      if (state?.name !== 'member' || !state.member.outbox) throw new Error('it has not attached');
      return state.member.outbox;
    }

    /** Until nothing but this holds on to it. */
    async function isCollected(ref: WeakRef<object>): Promise<void> {
      setFlagsFromString('--expose-gc');
      const collect: () => void = runInNewContext('gc');
      for (let tries = 0; tries < 100 && ref.deref(); tries++) {
        await new Promise(setImmediate);
        collect();
      }
      expect(ref.deref()).to.equal(undefined);
    }

    it('a mailbox, for the outbox too, and it is found again', async () => {
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      google.destroy();
      while (room.services.sessions.count > 1) await seas.fence();
      send(seas, google.account, 1, 1);
      await seas.isAccepted(google.account, 1);
      const mailbox = new WeakRef(room.services.mail.mailbox(google.account)!);
      sweep();
      expect(counts()).to.deep.equal({ mailboxes: 1, outboxes: 1, flows: 1 });
      await isCollected(mailbox);
      send(seas, google.account, 1, 2);
      await seas.isAccepted(google.account, 2);
      const again = await room.resume(google);
      expect((await again.attach()).waiting).to.equal(2);
    });

    it('an outbox, for the mailboxes it wrote to too', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 1);
      await google.reads();
      await seas.isStored(google.account, 1);
      const outbox = new WeakRef(outboxOf(seas));
      seas.destroy();
      while (room.services.sessions.count > 1) await google.fence();
      room.services.mail.schedule.saveAll();
      await room.services.store.time();
      sweep();
      expect(counts()).to.deep.equal({ mailboxes: 1, outboxes: 1, flows: 0 });
      await isCollected(outbox);
    });
  });

  describe('of those who are not there', () => {
    const remembered = 1024;
    const nobody = 2 ** 40;

    /** All that was asked of the store is answered, and what follows from it done. */
    async function settled(): Promise<void> {
      await room.services.store.time();
      await new Promise(setImmediate);
    }

    /** Writes to so many accounts that never were. */
    async function writeToNobody(seas: WirePeer, count: number): Promise<void> {
      for (let index = 1; index <= count; index++) seas.message(nobody + index, 1, 'text');
      for (let index = 1; index <= count; index++) {
        const { refused } = await seas.take((frame) => frame.refused?.to === nobody + index, 'that it is refused');
        expect(refused?.error?.code).to.equal('unknown_account');
      }
      await settled();
    }

    it('is all but the latest: nothing is ever taken for them', async function () {
      this.timeout(60_000);
      const seas = await room.join('seas');
      await writeToNobody(seas, remembered + 100);
      expect(counts().flows).to.equal(remembered);
      seas.message(nobody + 101, 2, 'text');
      await isRefused(seas, 2, 'earlier_refused');
      seas.message(nobody + 100, 2, 'text');
      await isRefused(seas, 2, 'unknown_account');
      seas.message(nobody + 100, 1, 'text');
      await isRefused(seas, 1, 'unknown_account');
      seas.message(nobody + 100, 2, 'text');
      await isRefused(seas, 2, 'earlier_refused');
      await settled();
      expect(counts().flows).to.equal(remembered);
    });

    it('is what was withdrawn, or refused on the connection before', async () => {
      const seas = await room.join('seas');
      await writeToNobody(seas, 20);
      expect(counts().flows).to.equal(20);
      for (let index = 1; index <= 10; index++) {
        expect(await seas.ask({ withdraw: { to: nobody + index, number: 1 } })).to.have.property('done');
      }
      expect(counts().flows).to.equal(10);
      const again = await room.resume(seas);
      await again.attach();
      expect(counts().flows).to.equal(0);
      await writeToNobody(again, 1);
    });

    it('is nothing of those who may be there later: order holds', async function () {
      this.timeout(60_000);
      const [seas, google, yahoo] = [await room.join('seas'), await room.join('google'), await room.join('yahoo')];
      const bing = await room.register('bing');
      const { store } = room.services;
      bing.destroy();
      while (room.services.sessions.count > 3) await seas.fence();
      sweep();
      // Two are being deleted, the mailbox of one of them not in memory; the third was sent nothing but an empty text.
      await store.setState(bing.account, 'closing');
      yahoo.message(google.account, 1, 'wait for me');
      await yahoo.isAccepted(google.account, 1);
      expect(await google.ask({ deleteAccount: { password: 'summerisover' } })).to.have.property('done');
      for (const { account } of [bing, google]) {
        seas.message(account, 1, 'one');
        await isRefused(seas, 1, 'unknown_account');
      }
      seas.message(yahoo.account, 1, '');
      await isRefused(seas, 1, 'empty_body');
      await writeToNobody(seas, remembered + 1);
      google.destroy();
      while (room.services.sessions.count > 2) await seas.fence();
      await store.setState(bing.account, 'open');
      sweep();
      for (const { account } of [bing, google, yahoo]) {
        seas.message(account, 2, 'two');
        await isRefused(seas, 2, 'earlier_refused');
      }
      for (const { account } of [bing, google]) {
        send(seas, account, 1, 2);
        await seas.isAccepted(account, 2);
      }
    });
  });
});
