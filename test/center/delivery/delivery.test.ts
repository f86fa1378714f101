import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { AppendRun } from '../../../center/store/store.ts';
import { TestCenter } from '../../helpers/center.ts';
import { overriding, Room, type RoomOptions } from '../../helpers/room.ts';
import { isDeliver, reads, send } from '../../helpers/texts.ts';

describe('delivery', () => {
  let room: Room;

  async function open(options: RoomOptions = {}): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(() => room.close());

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

  it('commits first what comes before positions are reserved: a crash must not give them out again', async () => {
    let reserved = 0;
    let append = Promise.withResolvers<() => void>();
    await open({
      wrap: (store) =>
        overriding(store, (store) => ({
          append: async (id, run) => {
            reserved = run.reservedTo;
            const copy = { ...run, frames: Uint8Array.from(run.frames) };
            await new Promise<void>((go) => append.resolve(go));
            return store.append(id, copy);
          },
        })),
    });
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    await google.attach();
    send(seas, google.account, 1, 1);
    const go = await append.promise;
    await google.hasNot(isDeliver);
    go();
    const { position } = await google.sees('deliver');
    expect(reserved).to.be.greaterThan(position! + 1);
    append = Promise.withResolvers();
    send(seas, google.account, 2, 1);
    expect((await google.sees('deliver')).position, 'the next one need not wait').to.equal(position! + 1);
    (await append.promise)();
    await seas.isAccepted(google.account, 2);
  });

  it('reserves positions by itself for a peer that attached', async () => {
    const reserved = Promise.withResolvers<{ account: number; reservedTo: number }>();
    await open({
      wrap: (store) =>
        overriding(store, (store) => ({
          saveMarks: (account, marks, reservedTo) => {
            reserved.resolve({ account, reservedTo });
            return store.saveMarks(account, marks, reservedTo);
          },
        })),
    });
    const google = await room.register('google');
    await google.attach();
    const { account, reservedTo } = await reserved.promise;
    expect([account, reservedTo > 1000]).to.deep.equal([google.account, true]);
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
