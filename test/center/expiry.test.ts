import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { expireMail } from '../../center/expiry.ts';
import { StoreError } from '../../center/store/store.ts';
import { type DeliverNotices, encodeNotice, noticeOutbox } from '../../center/undeliverable.ts';
import { overriding, Room } from '../helpers/room.ts';
import { makeRun } from './store/run.ts';

describe('expired mail', () => {
  let room: Room;
  let gate: PromiseWithResolvers<void> | null;
  let reads: number;
  let unreadable: number;

  beforeEach(async () => {
    gate = null;
    reads = 0;
    unreadable = 0;
    room = await Room.open({
      wrap: (store) =>
        overriding(store, (store) => ({
          read: async (...asked) => {
            if (asked[0] === unreadable) throw new StoreError('damaged', 'damaged');
            const runs = await store.read(...asked);
            reads++;
            await gate?.promise;
            return runs;
          },
        })),
    });
  });

  afterEach(() => room.close());

  const deliver: DeliverNotices = (sender, notices) => {
    const encoded = notices.map((notice) => ({
      number: notice.position,
      encode: (position: number, atMs: number) => encodeNotice(notice, position, atMs),
    }));
    return room.services.mail.notices.send(sender, noticeOutbox(notices[0]!.recipient), encoded);
  };

  function expire(beforeMs: number): Promise<number> {
    const { store, mail } = room.services;
    return expireMail({ store, mail, deliver }, beforeMs);
  }

  /** Three old messages and two new ones for somebody who is away; gives the time between. */
  async function fill() {
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    google.destroy();
    while (room.services.sessions.count > 1) await seas.fence();
    for (let number = 1; number <= 3; number++) seas.message(google.account, number, `text ${number}`);
    await seas.isAccepted(google.account, 3);
    await wait(5);
    const beforeMs = room.services.clock.now();
    await wait(5);
    for (let number = 4; number <= 5; number++) seas.message(google.account, number, `text ${number}`);
    await seas.isAccepted(google.account, 5);
    await room.services.mail.closeMailbox(google.account);
    return { seas, google, beforeMs };
  }

  it('goes, its sender is told of each message, and what is newer stays', async () => {
    const { seas, google, beforeMs } = await fill();
    expect(await expire(beforeMs)).to.equal(3);
    for (let number = 1; number <= 3; number++) {
      const { undeliverable, position } = await seas.sees('deliver');
      expect(undeliverable).to.deep.include({ to: google.account, toName: 'google', number, code: 'expired' });
      seas.ack(position!);
    }
    expect(await expire(beforeMs)).to.equal(0);
    await seas.hasNot(({ deliver }) => deliver != null);
    const again = await room.resume(google);
    expect((await again.attach()).waiting).to.equal(2);
    expect(await again.reads()).to.equal('<seas>: text 4');
    expect(await again.reads()).to.equal('<seas>: text 5');
  });

  it('goes from a mailbox that is written to so often that it is always in memory', async () => {
    const { seas, google, beforeMs } = await fill();
    seas.message(google.account, 6, 'text 6');
    await seas.isAccepted(google.account, 6);
    seas.message(google.account, 7, 'text 7');
    while (room.services.mail.mailbox(google.account)?.count !== 7) await seas.fence();
    expect(await expire(beforeMs)).to.equal(3);
    seas.message(google.account, 8, 'text 8');
    await seas.isAccepted(google.account, 8);
    const again = await room.resume(google);
    expect((await again.attach()).waiting).to.equal(5);
    for (let number = 4; number <= 8; number++) expect(await again.reads()).to.equal(`<seas>: text ${number}`);
  });

  it('does not count what was stored, though it lies in one run with what was not', async () => {
    const { seas, google, beforeMs } = await fill();
    const reader = await room.resume(google);
    await reader.attach();
    expect(await reader.reads()).to.equal('<seas>: text 1');
    await seas.isStored(google.account, 1);
    reader.destroy();
    while (room.services.sessions.count > 1) await seas.fence();
    await room.services.mail.closeMailbox(google.account);
    expect(await expire(beforeMs)).to.equal(2);
    expect((await seas.sees('deliver')).undeliverable?.number).to.equal(2);
  });

  it('is not delivered to whoever comes back at that moment', async () => {
    const { seas, google, beforeMs } = await fill();
    gate = Promise.withResolvers();
    const before = reads;
    const expired = expire(beforeMs);
    while (reads === before) await seas.fence();
    const coming = room.resume(google);
    seas.message(google.account, 6, 'text 6');
    await seas.fence();
    gate.resolve();
    expect(await expired).to.equal(3);
    const again = await coming;
    await seas.isAccepted(google.account, 6);
    expect((await again.attach()).waiting).to.equal(3);
    for (let number = 4; number <= 6; number++) expect(await again.reads()).to.equal(`<seas>: text ${number}`);
    await seas.isStored(google.account, 6);
    expect(room.services.mail.mailbox(google.account)?.count).to.equal(0);
  });

  it('goes while a notice about somebody else’s mail is on its way to the same mailbox', async () => {
    const { seas, google, beforeMs } = await fill();
    gate = Promise.withResolvers();
    const before = reads;
    const expired = expire(beforeMs);
    while (reads === before) await seas.fence();
    const recipient = 2 ** 40;
    const about = { recipient, recipientName: 'x', position: 1, outbox: Buffer.alloc(16, 3), number: 7 };
    const told = deliver(google.account, [{ code: 'undeliverable', ...about }]);
    gate.resolve();
    expect(await expired).to.equal(3);
    await told;
    expect((await seas.sees('deliver')).undeliverable?.number).to.equal(1);
    const again = await room.resume(google);
    expect((await again.attach()).waiting).to.equal(3);
  });

  describe('of very many', () => {
    const count = 120;
    const ids = Array.from({ length: count }, (_, index) => index + 1);

    beforeEach(async () => {
      const { store } = room.services;
      await Promise.all(
        ids.flatMap((id) => [
          store.createAccount({ id, name: `a${id}`, passwordHash: 'x', createdAtMs: 1 }),
          store.append(id, makeRun({ first: 1, receivedAtMs: 1000 })),
        ]),
      );
    });

    const isEmpty = async (id: number) => (await room.services.store.read(id, 0, 1)).length === 0;

    it('goes, though it stays for many who are there before them', async () => {
      for (const id of ids.slice(0, -1)) (await room.services.mail.openMailbox(id))!.sessions++;
      expect(await expire(2000)).to.equal(1);
      expect(await isEmpty(count)).to.equal(true);
      expect(await isEmpty(1)).to.equal(false);
    });

    it('goes, though one mailbox cannot be read', async () => {
      unreadable = 1;
      await expire(2000).then(
        () => expect.fail('nobody hears of it'),
        (error: Error) => expect(error.message).to.equal('damaged'),
      );
      for (const id of [2, count]) expect(await isEmpty(id)).to.equal(true);
    });
  });

  it('goes in two rounds at once, where each tells the owner of the other’s mailbox', async () => {
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    seas.message(google.account, 1, 'to google');
    google.message(seas.account, 1, 'to seas');
    await Promise.all([seas.isAccepted(google.account, 1), google.isAccepted(seas.account, 1)]);
    await wait(5);
    const beforeMs = room.services.clock.now();
    for (const peer of [seas, google]) peer.destroy();
    while (room.services.sessions.count > 0) await new Promise(setImmediate);
    for (const { account } of [seas, google]) await room.services.mail.closeMailbox(account);
    const { store, mail } = room.services;
    const both = [seas, google].map(({ account }) =>
      expireMail(
        {
          store: overriding(store, () => ({
            mailboxesOlderThan: async (_, { after }) => (after < account ? [account] : []),
          })),
          mail,
          deliver,
        },
        beforeMs,
      ),
    );
    expect(await Promise.all(both)).to.deep.equal([1, 1]);
  });

  it('stays where its owner is here', async () => {
    const { google, beforeMs } = await fill();
    const again = await room.resume(google);
    expect(await expire(beforeMs)).to.equal(0);
    expect((await again.attach()).waiting).to.equal(5);
  });
});
