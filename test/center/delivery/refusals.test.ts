import { expect } from 'chai';
import { StoreError } from '../../../center/store/store.ts';
import { overriding, Room, type RoomOptions } from '../../helpers/room.ts';
import { isRefused, reads, send } from '../../helpers/texts.ts';

describe('delivery that is refused', () => {
  let room: Room;

  async function open(options: RoomOptions = {}): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(() => room.close());

  describe('refusals', () => {
    beforeEach(() => open({ limits: { mailboxMessages: 4, mailboxSenderShare: 1 } }));

    it('hold back what is later until the message is sent again', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google', { hold: true })];
      send(seas, google.account, 1, 7);
      await isRefused(seas, 5, 'mailbox_full');
      await isRefused(seas, 6, 'earlier_refused');
      await isRefused(seas, 7, 'earlier_refused');
      await google.ask({ fetch: {} });
      await reads(google, 1, 4);
      await seas.isStored(google.account, 4);
      send(seas, google.account, 6, 1);
      await isRefused(seas, 6, 'earlier_refused');
      send(seas, google.account, 5, 3);
      await google.ask({ hold: { on: false } });
      await reads(google, 5, 3);
      await seas.isStored(google.account, 7);
    });

    it('end with a Withdraw', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      seas.message(google.account, 1, '');
      await isRefused(seas, 1, 'empty_body');
      send(seas, google.account, 2, 1);
      await isRefused(seas, 2, 'earlier_refused');
      expect(await seas.ask({ withdraw: { to: google.account, number: 1 } })).to.have.property('done');
      send(seas, google.account, 2, 1);
      await reads(google, 2, 1);
      const error = await seas.refused({ withdraw: { to: google.account, number: 2 } });
      expect(error.code).to.equal('already_accepted');
    });

    it('end with the connection', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      seas.message(google.account, 1, '');
      await isRefused(seas, 1, 'empty_body');
      const again = await room.resume(seas);
      await again.attach();
      send(again, google.account, 2, 1);
      await reads(google, 2, 1);
    });

    it('keep the order where an earlier number comes after a later one was refused', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google', { hold: true })];
      send(seas, google.account, 1, 4);
      send(seas, google.account, 9, 1);
      await isRefused(seas, 9, 'mailbox_full');
      await google.ask({ fetch: {} });
      await reads(google, 1, 4);
      await google.ask({ hold: { on: false } });
      send(seas, google.account, 8, 1);
      await reads(google, 8, 1);
      send(seas, google.account, 10, 1);
      await isRefused(seas, 10, 'earlier_refused');
      send(seas, google.account, 9, 2);
      await reads(google, 9, 2);
    });

    it('say why', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      seas.message(2 ** 40, 1, 'to nobody');
      await isRefused(seas, 1, 'unknown_account');
      seas.message(google.account, 2, 'x'.repeat(16_385));
      await isRefused(seas, 2, 'body_too_long');
      expect(await seas.ask({ withdraw: { to: google.account, number: 2 } })).to.have.property('done');
      seas.stream.write(Buffer.from(`000000151213${idHex(google.account)}40035206c3a9c328ff41`, 'hex'));
      await isRefused(seas, 3, 'bad_text');
      expect(await seas.ask({ withdraw: { to: google.account, number: 3 } })).to.have.property('done');
      seas.send({ message: { to: google.account, number: 4 } });
      await isRefused(seas, 4, 'empty_body');
    });

    function idHex(account: number): string {
      const bytes = Buffer.alloc(9);
      bytes[0] = 0x09;
      bytes.writeBigUInt64LE(BigInt(account), 1);
      return bytes.toString('hex');
    }

    it('of the first messages to a mailbox that cannot be read name the first of them', async () => {
      const read = Promise.withResolvers<never>();
      await room.close();
      await open({
        wrap: (store) =>
          overriding(store, (store) => ({
            openMailbox: (id) => (id === blind ? read.promise : store.openMailbox(id)),
          })),
      });
      let blind = 0;
      const seas = await room.join('seas');
      const google = await room.register('google');
      google.destroy();
      await seas.fence();
      room.services.mail.mailbox(google.account)?.leaveMemory();
      room.services.mail.vanished(room.services.mail.mailbox(google.account)!);
      blind = google.account;
      send(seas, google.account, 1, 3);
      await seas.fence();
      read.reject(new StoreError('failed', 'a test'));
      await isRefused(seas, 1, 'internal');
      await isRefused(seas, 2, 'earlier_refused');
      blind = 0;
      send(seas, google.account, 3, 1);
      await isRefused(seas, 3, 'earlier_refused');
      send(seas, google.account, 1, 3);
      await seas.isAccepted(google.account, 3);
    });
  });

  it('is not overtaken while it is looked up whether there will ever be such an account', async () => {
    let gate: Promise<void> | null = null;
    await open({
      wrap: (store) =>
        overriding(store, (store) => ({
          account: async (id) => {
            const account = await store.account(id);
            await gate;
            return account;
          },
        })),
    });
    const { store, mail } = room.services;
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    google.destroy();
    while (room.services.sessions.count > 1) await seas.fence();
    await mail.closeMailbox(google.account);
    await store.setState(google.account, 'closing');
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    send(seas, google.account, 1, 1);
    await seas.fence();
    await store.setState(google.account, 'open');
    await mail.openMailbox(google.account);
    send(seas, google.account, 2, 1);
    await seas.fence();
    resolve();
    gate = null;
    await isRefused(seas, 1, 'unknown_account');
    await isRefused(seas, 2, 'earlier_refused');
    send(seas, google.account, 1, 2);
    await seas.isAccepted(google.account, 2);
    const again = await room.resume(google);
    await again.attach();
    await reads(again, 1, 2);
  });

  describe('blocks', () => {
    beforeEach(() => open());

    it('refuse mail both ways, and let it pass when they are taken back', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      await google.ask({ block: { name: 'seas', on: true } });
      send(seas, google.account, 1, 1);
      await isRefused(seas, 1, 'blocked');
      send(google, seas.account, 1, 1);
      await isRefused(google, 1, 'blocked');
      await google.ask({ block: { name: 'seas', on: false } });
      send(seas, google.account, 1, 1);
      await reads(google, 1, 1);
    });

    it('refuse mail while the blocker is offline, after a restart', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      await google.ask({ block: { name: 'seas', on: true } });
      await room.restart();
      const again = await room.resume(seas);
      await again.attach();
      send(again, google.account, 1, 1);
      await isRefused(again, 1, 'blocked');
    });

    it('that cannot be kept are not in force', async () => {
      await room.close();
      await open({
        wrap: (store) =>
          overriding(store, () => ({ setBlock: () => Promise.reject(new StoreError('failed', 'a test')) })),
      });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      expect((await google.refused({ block: { name: 'seas', on: true } })).code).to.equal('internal');
      send(seas, google.account, 1, 1);
      await reads(google, 1, 1);
    });

    it('are in force as they are kept, where some of several at once are not', async () => {
      const cases = [
        { asked: [true, true], fail: [true, true] },
        { asked: [true, false], fail: [true, true] },
        { asked: [true, true], fail: [true, false] },
        { asked: [true, false], fail: [false, true] },
      ];
      let fail: boolean[] = [];
      await room.close();
      await open({
        wrap: (store) =>
          overriding(store, (store) => ({
            setBlock: async (...asked) => {
              if (!fail.shift()) return store.setBlock(...asked);
              await store.time();
              throw new StoreError('failed', 'a test');
            },
          })),
      });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      for (const next of cases) {
        fail = [...next.fail];
        await Promise.all(next.asked.map((on) => google.ask({ block: { name: 'seas', on } })));
        const isKept = (await room.services.store.blocks(google.account)).includes(seas.account);
        expect(room.services.mail.mailbox(google.account)?.blocks.has(seas.account)).to.equal(isKept);
        await google.ask({ block: { name: 'seas', on: false } });
      }
    });
  });

  describe('quotas', () => {
    it('mailboxSenderShare: one sender fills a part', async () => {
      await open({ limits: { mailboxMessages: 10, mailboxSenderShare: 2 } });
      const [seas, bing, google] = [await room.join('seas'), await room.join('bing'), await room.register('google')];
      send(seas, google.account, 1, 6);
      await isRefused(seas, 6, 'sender_quota');
      send(bing, google.account, 1, 5);
      await bing.isAccepted(google.account, 5);
      send(bing, google.account, 6, 1);
      await isRefused(bing, 6, 'mailbox_full');
    });

    it('mailboxBytes', async () => {
      await open({ limits: { mailboxBytes: 10_000, mailboxSenderShare: 1 } });
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      for (let number = 1; number <= 3; number++) seas.message(google.account, number, 'x'.repeat(4000));
      await isRefused(seas, 3, 'mailbox_full');
      await seas.isAccepted(google.account, 2);
    });

    it('maxStoreBytes: of all mailboxes together, and there is room again when one is read', async () => {
      await open({ maxStoreBytes: 10_000 });
      const [seas, google, bing] = [
        await room.join('seas'),
        await room.register('google'),
        await room.register('bing'),
      ];
      seas.message(google.account, 1, 'x'.repeat(6000));
      await seas.isAccepted(google.account, 1);
      seas.message(bing.account, 2, 'x'.repeat(6000));
      await isRefused(seas, 2, 'store_full');
      await google.attach();
      const { position } = await google.sees('deliver');
      google.ack(position!);
      await seas.isStored(google.account, 1);
      seas.message(bing.account, 2, 'x'.repeat(6000));
      await seas.isAccepted(bing.account, 2);
    });

    it('count nothing that was stored, though it was not saved yet', async () => {
      await open();
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      send(seas, google.account, 1, 3);
      await seas.isAccepted(google.account, 3);
      await google.attach();
      await reads(google, 1, 3);
      await seas.isStored(google.account, 3);
      await room.services.mail.recount();
      expect(room.services.mail.storedBytes).to.equal(0);
    });

    it('count what is read back after the mailbox was out of memory', async () => {
      await open({ limits: { mailboxMessages: 10, mailboxSenderShare: 2 } });
      const seas = await room.join('seas');
      let google = await room.register('google');
      for (let round = 0; round < 3; round++) {
        google.destroy();
        while (room.services.sessions.count > 1) await seas.fence();
        send(seas, google.account, 1 + round * 5, 5);
        await seas.isAccepted(google.account, 5 + round * 5);
        await room.services.mail.closeMailbox(google.account);
        google = await room.resume(google);
        await google.attach();
        await reads(google, 1 + round * 5, 5);
        await seas.isStored(google.account, 5 + round * 5);
      }
    });
  });
});
