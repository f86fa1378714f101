import { expect } from 'chai';
import { encodeNotice, noticeOutbox } from '../../../center/undeliverable.ts';
import { Room, type RoomOptions } from '../../helpers/room.ts';
import { isDeliver } from '../../helpers/texts.ts';
import type { WirePeer } from '../../helpers/wire.ts';

describe('delivery of notices', () => {
  let room: Room;

  async function open(options: RoomOptions = {}): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(() => room.close());

  describe('the center’s own notices', () => {
    beforeEach(() => open());

    const notice = (position: number, recipient: number) => ({
      code: 'undeliverable' as const,
      recipient,
      recipientName: 'google',
      position,
      outbox: Buffer.alloc(16, 3),
      number: position * 10,
    });

    function sendNotices(to: WirePeer, positions: number[]): Promise<void> {
      const recipient = 2 ** 40;
      const encoded = positions.map((number) => ({
        number,
        encode: (position: number, atMs: number) => encodeNotice(notice(number, recipient), position, atMs),
      }));
      return room.services.mail.notices.send(to.account, noticeOutbox(recipient), encoded);
    }

    it('come as mail, each once, also when they are sent again', async () => {
      const seas = await room.join('seas');
      await Promise.all([sendNotices(seas, [3, 5]), sendNotices(seas, [3, 5, 9])]);
      await sendNotices(seas, [3, 5, 9]);
      for (const number of [3, 5, 9]) {
        const { from, undeliverable, position } = await seas.sees('deliver');
        expect(from).to.equal(0);
        expect(undeliverable).to.deep.include({ toName: 'google', number: number * 10, code: 'undeliverable' });
        seas.ack(position!);
      }
      await seas.hasNot(isDeliver);
    });

    it('wait for whoever is offline, and survive a restart', async () => {
      const seas = await room.register('seas');
      await sendNotices(seas, [1, 2]);
      await room.restart();
      await sendNotices(seas, [1, 2, 3]);
      const again = await room.resume(seas);
      expect((await again.attach()).waiting).to.equal(3);
      for (let count = 0; count < 3; count++) again.ack((await again.sees('deliver')).position!);
      await again.hasNot(isDeliver);
    });

    it('come to two at once', async () => {
      const both = [await room.join('seas'), await room.join('google')];
      await Promise.all(both.map((to, index) => sendNotices(to, [index + 1])));
      for (const to of both) expect(await to.sees('deliver')).to.have.property('undeliverable');
    });

    it('come to an account that is being deleted, which goes when it has them', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      google.message(seas.account, 1, 'one');
      await google.isAccepted(seas.account, 1);
      await seas.ask({ deleteAccount: { password: 'summerisover' } });
      await sendNotices(seas, [4]);
      google.message(seas.account, 2, 'two');
      expect((await google.sees('refused')).error?.code).to.equal('unknown_account');
      expect(await seas.reads()).to.equal('<google>: one');
      const { undeliverable, position } = await seas.sees('deliver');
      expect(undeliverable).to.include({ number: 40 });
      expect((await room.services.store.account(seas.account))?.state).to.equal('closing');
      seas.ack(position!);
      expect((await seas.isClosed()).code).to.equal('account_deleted');
    });

    it('wait for an account whose deletion is abandoned', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      google.message(seas.account, 1, 'one');
      await google.isAccepted(seas.account, 1);
      await seas.ask({ deleteAccount: { password: 'summerisover' } });
      await sendNotices(seas, [4]);
      seas.destroy();
      while (room.services.sessions.count > 1) await google.fence();
      const again = await room.resume(seas);
      expect((await again.attach()).waiting).to.equal(2);
      expect(await again.reads()).to.equal('<google>: one');
      expect((await again.sees('deliver')).undeliverable).to.include({ number: 40 });
    });

    it('are not lost where the mailbox leaves memory meanwhile', async () => {
      const seas = await room.register('seas');
      seas.destroy();
      while (room.services.sessions.count > 0) await new Promise(setImmediate);
      const closed = room.services.mail.closeMailbox(seas.account);
      await Promise.all([sendNotices(seas, [1]), closed]);
      const again = await room.resume(seas);
      expect((await again.attach()).waiting).to.equal(1);
    });

    it('are nothing to an account that is gone', async () => {
      const seas = await room.join('seas');
      await seas.ask({ deleteAccount: { password: 'summerisover' } });
      await seas.ends();
      await sendNotices(seas, [1]);
    });
  });
});
