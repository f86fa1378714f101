import { expect } from 'chai';
import sinon from 'sinon';
import { overriding, Room } from '../../helpers/room.ts';

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
    expect(counts()).to.deep.equal({ mailboxes: 1, outboxes: 1 });
    seas.destroy();
    while (room.services.sessions.count > 0) await new Promise(setImmediate);
    sweep();
    expect(counts()).to.deep.equal({ mailboxes: 0, outboxes: 0 });
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
});
