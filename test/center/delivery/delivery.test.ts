import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type AppendRun, type Store, StoreError } from '../../../center/store/store.ts';
import { encodeNotice, noticeOutbox } from '../../../center/undeliverable.ts';
import { TestCenter } from '../../helpers/center.ts';
import { overriding, Room, type RoomOptions } from '../../helpers/room.ts';
import type { WirePeer } from '../../helpers/wire.ts';

describe('delivery', () => {
  let room: Room;

  async function open(options: RoomOptions = {}): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(() => room.close());

  /** Sends texts with numbers from `from` on. */
  function send(peer: WirePeer, to: number, from: number, count: number): void {
    for (let number = from; number < from + count; number++) peer.message(to, number, `text ${number}`);
  }

  async function reads(peer: WirePeer, from: number, count: number): Promise<void> {
    for (let number = from; number < from + count; number++) {
      const deliver = await peer.sees('deliver');
      expect([deliver.number, deliver.body]).to.deep.equal([number, `text ${number}`]);
      peer.ack(deliver.position ?? 0);
    }
  }

  async function isRefused(peer: WirePeer, number: number, code: string): Promise<void> {
    const frame = await peer.take(({ refused }) => refused?.number === number, `that ${number} is refused`);
    expect(frame.refused?.error?.code).to.equal(code);
  }

  const isDeliver = ({ deliver }: { deliver?: unknown }): boolean => deliver != null;

  describe('accepted and stored', () => {
    beforeEach(() => open());

    it('are two things: the disk has it, and the peer has it', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      seas.message(google.account, 1, 'Hello');
      const deliver = await google.sees('deliver');
      expect(deliver).to.deep.include({ from: seas.account, fromName: 'seas', number: 1, body: 'Hello' });
      expect(Buffer.from(deliver.outbox!)).to.deep.equal(Buffer.from(seas.outbox));
      expect(await seas.sees('accepted')).to.deep.include({ to: google.account, number: 1 });
      await seas.hasNot(({ stored }) => stored != null);
      google.ack(deliver.position!);
      expect(await seas.sees('stored')).to.deep.include({ to: google.account, number: 1 });
    });

    it('are said of all that came before', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 500);
      for (let count = 1; count < 500; count++) await google.sees('deliver');
      const { position } = await google.sees('deliver');
      google.ack(position!);
      await seas.isStored(google.account, 500);
    });

    it('for messages to oneself too', async () => {
      const seas = await room.join('seas');
      seas.message(seas.account, 1, 'note');
      expect(await seas.reads()).to.equal('<seas>: note');
      await seas.isStored(seas.account, 1);
    });
  });

  it('commits what came while a commit was on its way, though nobody acknowledges', async () => {
    const appends: { run: AppendRun; go: () => void }[] = [];
    let appended = Promise.withResolvers<void>();
    await open({
      wrap: (store) =>
        overriding(store, (store) => ({
          append: async (id, run) => {
            // The frames are only good during the call.
            const copy = { ...run, frames: Uint8Array.from(run.frames) };
            await new Promise<void>((go) => {
              appends.push({ run: copy, go });
              appended.resolve();
            });
            return store.append(id, copy);
          },
        })),
    });
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    send(seas, google.account, 1, 1);
    await appended.promise;
    appended = Promise.withResolvers();
    send(seas, google.account, 2, 1);
    await google.take(({ deliver }) => deliver?.number === 2);
    // Longer than the patience with which the second one waits for its Ack.
    await wait(30);
    appends[0]?.go();
    await seas.isAccepted(google.account, 1);
    await appended.promise;
    appends[1]?.go();
    await seas.isAccepted(google.account, 2);
  });

  it('a message stored before its commit is due never touches the disk', async () => {
    let appends = 0;
    await open({
      wrap: (store) =>
        overriding(store, (store) => ({
          append: (id, run) => {
            appends++;
            return store.append(id, run);
          },
        })),
    });
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    google.stream.on('data', () => {
      for (const { deliver } of google.received.splice(0)) if (deliver) google.ack(deliver.position!);
    });
    send(seas, google.account, 1, 100);
    await seas.isStored(google.account, 100);
    expect(appends).to.equal(0);
    await room.services.mail.settle(room.services.mail.mailbox(google.account)!);
    expect(appends).to.equal(0);
    await room.restart();
    const again = await room.resume(seas);
    expect((await again.attach()).highestNumber).to.equal(100);
    await again.isStored(google.account, 100);
  });

  describe('an offline mailbox', () => {
    beforeEach(() => open());

    it('is delivered in order at the next login', async () => {
      const seas = await room.join('seas');
      const google = await room.register('google');
      google.destroy();
      send(seas, google.account, 1, 300);
      await seas.isAccepted(google.account, 300);
      await room.restart();
      const again = await room.resume(google);
      expect((await again.attach()).waiting).to.equal(300);
      const sender = await room.resume(seas);
      await sender.attach();
      await reads(again, 1, 300);
      await sender.isStored(google.account, 300);
      expect(room.services.mail.storedBytes).to.equal(0);
    });

    it('takes its place behind what waits, also for what comes meanwhile', async () => {
      const seas = await room.join('seas');
      const google = await room.register('google');
      send(seas, google.account, 1, 50);
      await seas.isAccepted(google.account, 50);
      google.send({ request: 900, attach: { outbox: google.outbox } });
      send(seas, google.account, 51, 50);
      await reads(google, 1, 100);
    });
  });

  describe('attaching late', () => {
    it('is to the same mailbox, however long it takes', async () => {
      await open();
      const [seas, google] = [await room.join('seas'), await room.register('google')];
      const mailbox = room.services.mail.mailbox(google.account);
      expect(mailbox?.idle).to.equal(false);
      google.destroy();
      while (room.services.sessions.count > 1) await seas.fence();
      expect(mailbox?.idle).to.equal(true);
    });
  });

  describe('repeats', () => {
    beforeEach(() => open());

    it('are answered as accepted and not delivered again', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 3);
      await reads(google, 1, 3);
      await seas.isStored(google.account, 3);
      send(seas, google.account, 1, 3);
      await seas.isStored(google.account, 3);
      await google.hasNot(isDeliver);
    });

    it('are known after a restart', async () => {
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      send(seas, google.account, 1, 3);
      await reads(google, 1, 3);
      await seas.isStored(google.account, 3);
      await room.restart();
      const [again, reader] = [await room.resume(seas), await room.resume(google)];
      await reader.attach();
      expect((await again.attach()).highestNumber).to.equal(3);
      await again.isStored(google.account, 3);
      send(again, google.account, 2, 3);
      await reads(reader, 4, 1);
      await reader.hasNot(isDeliver);
    });

    it('are told by outbox and by recipient', async () => {
      const seas = await room.join('seas');
      const [google, bing] = [await room.join('google'), await room.join('bing')];
      send(seas, google.account, 5, 1);
      await reads(google, 5, 1);
      send(seas, bing.account, 3, 1);
      await reads(bing, 3, 1);
      seas.destroy();
      const other = await room.login('seas');
      expect((await other.attach()).highestNumber).to.equal(0);
      send(other, google.account, 1, 1);
      await reads(google, 1, 1);
    });

    it('the highest number of an outbox is of any recipient', async () => {
      const [seas, google, bing] = [await room.join('seas'), await room.join('google'), await room.register('bing')];
      send(seas, google.account, 7, 1);
      await reads(google, 7, 1);
      send(seas, bing.account, 12, 1);
      await seas.isAccepted(bing.account, 12);
      const again = await room.resume(seas);
      expect((await again.attach()).highestNumber).to.equal(12);
      await room.restart();
      const later = await room.resume(again);
      expect((await later.attach()).highestNumber).to.equal(12);
    });
  });

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

    it('are nothing to an account that is gone', async () => {
      const seas = await room.join('seas');
      await seas.ask({ deleteAccount: { password: 'summerisover' } });
      await seas.ends();
      await sendNotices(seas, [1]);
    });
  });

  describe('positions', () => {
    beforeEach(() => open());

    it('are never given out twice, whatever the disk saw of them', async () => {
      let [seas, google] = [await room.join('seas'), await room.join('google')];
      let highest = 0;
      for (let round = 0; round < 4; round++) {
        send(seas, google.account, round * 10 + 1, 10);
        for (let count = 0; count < 10; count++) {
          const { position } = await google.sees('deliver');
          expect(position).to.be.greaterThan(highest);
          highest = position!;
          google.ack(position!);
        }
        await seas.isStored(google.account, round * 10 + 10);
        await room.restart();
        [seas, google] = [await room.resume(seas), await room.resume(google)];
        await seas.attach();
        await google.attach();
      }
    });
  });
});

describe('delivery over real sockets', () => {
  let center: TestCenter;

  afterEach(() => center.stop());

  it('keeps what a restarted center had accepted, for peers that come back by token', async () => {
    center = await TestCenter.start({ plain: false });
    const [seas, google] = [await center.join('seas'), await center.join('google')];
    for (let number = 1; number <= 100; number++) seas.message(google.account, number, `text ${number}`);
    await seas.isAccepted(google.account, 100);
    expect(await google.reads()).to.equal('<seas>: text 1');
    await seas.isStored(google.account, 1);
    await center.restart();
    const [again, reader] = [await center.resume(seas), await center.resume(google)];
    expect((await again.attach()).highestNumber).to.equal(100);
    expect((await reader.attach()).waiting).to.equal(99);
    for (let number = 2; number <= 100; number++) expect(await reader.reads()).to.equal(`<seas>: text ${number}`);
    await again.isStored(google.account, 100);
  });
});
