import { setTimeout as wait } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import sinon from 'sinon';
import { type Chunk, ChunkPool, chunkBytes } from '../../center/chunks.ts';
import { TestCenter } from '../helpers/center.ts';
import { seeded } from '../helpers/correspondents.ts';
import type { WirePeer } from '../helpers/wire.ts';

/** Until it is as told; what it is then, if it does not come to that. */
async function becomes<Value>(look: () => Value, wanted: Value): Promise<void> {
  for (let tries = 0; tries < 2000 && JSON.stringify(look()) !== JSON.stringify(wanted); tries++) await wait(10);
  expect(look()).to.deep.equal(wanted);
}

describe('memory of a center', () => {
  let center: TestCenter;

  afterEach(async () => {
    sinon.restore();
    await center.stop();
  });

  for (const { plain, cycles } of [
    { plain: true, cycles: 2000 },
    { plain: false, cycles: 200 },
  ]) {
    it(`is free of ${cycles} connections that came and went, ${plain ? 'plain' : 'over TLS'}`, async function () {
      this.timeout(60_000);
      center = await TestCenter.start({ plain, limits: { graceMs: 300, maxUnauthenticated: 64 } });
      const accounts = 20;
      const peers: WirePeer[] = [];
      for (let index = 0; index < accounts; index++) peers.push(await center.join(`u${index}`));
      const runs = peers.map(async (first, index) => {
        let peer = first;
        for (let cycle = index; cycle < cycles; cycle += accounts) {
          const before = peer;
          if (cycle % 3 === 0) before.destroy();
          // Some give up before they have said who they are.
          if (cycle % 7 === 0) (await center.connect()).destroy();
          peer = await center.resume(before);
          if (cycle % 2 === 0) await peer.attach();
          if (cycle % 5 === 0) peer.message(peers[(index + 1) % accounts]!.account, cycle + 1, 'text');
          before.destroy();
        }
        peer.destroy();
      });
      await Promise.all(runs);
      await becomes(() => [center.center.counts.connections, center.center.counts.online], [0, 0]);
      expect(center.center.counts.mailboxes).to.be.at.most(accounts);
      expect(center.center.counts.outboxes).to.be.at.most(accounts);
      await becomes(() => center.query('SELECT count(*) AS n FROM accounts WHERE online = 1')[0]?.n, 0);
      // Every place that a connection took was given back: there are few for those not logged in.
      const strangers = await Promise.all(Array.from({ length: 64 }, () => center.connect()));
      await Promise.all(strangers.map((stranger) => stranger.greet()));
    });
  }

  describe('chunks', () => {
    const poison = 0xee;
    let free: Set<Chunk>;
    let held: Set<Chunk>;

    /** Memory that nobody holds is overwritten at once; what is still read or written of it shows. */
    beforeEach(() => {
      free = new Set();
      held = new Set();
      const { take, release } = ChunkPool.prototype;
      sinon.replace(ChunkPool.prototype, 'take', function (this: ChunkPool, minBytes: number): Chunk {
        const chunk = take.call(this, minBytes);
        expect(held.has(chunk), 'a chunk that is held is not given out').to.equal(false);
        if (free.delete(chunk)) {
          for (let at = 0; at < chunkBytes; at += 61)
            expect(chunk.buffer[at], 'free memory is not written').to.equal(poison);
        }
        expect([chunk.used, chunk.refs]).to.deep.equal([0, 1]);
        held.add(chunk);
        return chunk;
      });
      sinon.replace(ChunkPool.prototype, 'release', function (this: ChunkPool, chunk: Chunk): void {
        expect(held.has(chunk), 'only what is held is released').to.equal(true);
        expect(chunk.refs).to.be.greaterThan(0);
        if (chunk.refs === 1) {
          held.delete(chunk);
          free.add(chunk);
          chunk.buffer.fill(poison);
        }
        release.call(this, chunk);
      });
    });

    const checked = (text: string): string => `${text}:${crc32(text)}`;

    function check(body: string): void {
      const [text = '', sum] = body.split(':');
      expect(Number(sum), 'the text is whole').to.equal(crc32(text));
    }

    for (const plain of [true, false]) {
      it(`are never used once they are free, ${plain ? 'plain' : 'over TLS'}`, async function () {
        this.timeout(60_000);
        center = await TestCenter.start({
          plain,
          limits: { windowMessages: 64, windowBytes: 100_000, maxOutputBytes: 60_000, maxUnresolvedBytes: 400_000 },
        });
        const random = seeded(plain ? 3 : 4);
        const people = 5;
        const messages = 400;
        const peers: WirePeer[] = [];
        for (let index = 0; index < people; index++) peers.push(await center.join(`u${index}`));
        let read = 0;
        let unread: number[] = peers.map(() => 0);

        function listen(index: number): void {
          const peer = peers[index]!;
          for (const frame of peer.received.splice(0)) {
            expect(frame.refused ?? null).to.equal(null);
            if (frame.broadcastDeliver) check(frame.broadcastDeliver.body ?? '');
            if (!frame.deliver) continue;
            check(frame.deliver.body ?? '');
            read++;
            unread[index] = frame.deliver.position ?? 0;
          }
        }

        for (let number = 1; number <= messages; number++) {
          for (const [index, peer] of peers.entries()) {
            const to = peers[random(people)]!.account;
            const text = String.fromCharCode(97 + random(26)).repeat(random(4) === 0 ? random(12_000) : random(200));
            peer.message(to, number, checked(`${number} ${text}`));
            if (random(40) === 0) peer.send({ request: 9, broadcast: { body: checked(text) } });
            if (random(8) === 0) peer.stream.pause();
            if (random(4) === 0) peer.stream.resume();
            listen(index);
            if (random(3) === 0) peer.ack(unread[index]!);
          }
          if (number % 4 === 0) await wait(random(3));
          if (number % 100 === 0) {
            const index = random(people);
            const before = peers[index]!;
            listen(index);
            before.ack(unread[index]!);
            before.stream.resume();
            await before.fence();
            listen(index);
            const peer = await center.resume(before);
            await peer.attach();
            read -= before.received.filter(({ deliver }) => deliver).length;
            peers[index] = peer;
            unread[index] = 0;
          }
        }
        unread = unread.map(() => 0);
        for (const peer of peers) peer.stream.resume();
        const waiting = (): number => center.waiting();
        for (let tries = 0; tries < 2000 && (waiting() > 0 || tries < 20); tries++) {
          for (const [index, peer] of peers.entries()) {
            listen(index);
            if (unread[index]! > 0) peer.ack(unread[index]!);
          }
          await wait(10);
        }
        expect(waiting()).to.equal(0);
        expect(read).to.be.at.least(people * messages * 0.9);
        for (const peer of peers) peer.destroy();
        await becomes(() => center.center.counts.connections, 0);
        await becomes(() => held.size, 0);
      });
    }
  });
});
