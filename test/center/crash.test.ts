import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Reader, Sender, seeded } from '../helpers/correspondents.ts';
import { WirePeer } from '../helpers/wire.ts';

const source = `
  import { Center } from ${JSON.stringify(new URL('../../center/center.ts', import.meta.url).href)};
  const limits = { maxRegistrationsPerHour: 0, messagesPerSecond: 0, windowMessages: 50 };
  const center = await Center.start({
    host: '127.0.0.1', port: 0, plain: true, bcryptCost: 4, dataDir: process.argv[1], limits,
  });
  console.log(center.port);
`;

describe('a center that is killed', () => {
  let dataDir: string;
  let child: ChildProcess;
  let port: number;
  const peers: WirePeer[] = [];

  async function start(): Promise<void> {
    child = spawn(process.execPath, ['--input-type=module', '-e', source, dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: child.stdout! }), 'line');
    port = Number(line);
  }

  async function kill(): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    await Promise.all(peers.splice(0).map((peer) => peer.ends()));
  }

  async function connect(): Promise<WirePeer> {
    const peer = await WirePeer.connect({ port }, { plain: true });
    peers.push(peer);
    return peer;
  }

  async function resume(before: WirePeer): Promise<WirePeer> {
    const peer = await (await connect()).resume(before);
    await peer.attach();
    return peer;
  }

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'parley-crash-'));
    await start();
  });

  afterEach(async () => {
    await kill();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('has every message that it accepted', async () => {
    const seas = await (await connect()).register('seas');
    const google = await (await connect()).register('google');
    await seas.attach();
    for (let number = 1; number <= 1000; number++) seas.message(google.account, number, `text ${number}`);
    const { accepted } = await seas.take(({ accepted }) => accepted != null);
    await kill();
    const numbers = seas.received.map((frame) => Number(frame.accepted?.number ?? 0));
    const highest = Math.max(Number(accepted?.number), ...numbers);
    await start();
    const again = await resume(google);
    for (let number = 1; number <= highest; number++) expect(await again.reads()).to.equal(`<seas>: text ${number}`);
    const sender = await (await connect()).resume(seas);
    expect((await sender.attach()).highestNumber).to.be.at.least(highest);
  });

  it('again and again, at any moment, loses and repeats nothing in the history', async function () {
    this.timeout(60_000);
    const random = seeded(7);
    const sender = new Sender(await (await connect()).register('seas'));
    const readers = [
      new Reader(await (await connect()).register('google')),
      new Reader(await (await connect()).register('bing')),
    ];
    for (const { peer } of [sender, ...readers]) await peer.attach();
    for (let round = 0; round < 6; round++) {
      const endMs = performance.now() + random(150);
      do {
        for (let count = random(30); count > 0; count--) sender.send(readers[random(2)]!.peer.account);
        for (const reader of readers) {
          reader.listen();
          if (random(4) > 0) reader.acknowledge(random(60));
        }
        sender.listen();
        await wait(random(4));
      } while (performance.now() < endMs);
      await kill();
      for (const one of [sender, ...readers]) one.listen();
      await start();
      for (const reader of readers) reader.continueOn(await resume(reader.peer));
      sender.continueOn(await resume(sender.peer));
    }
    const isMissing = (): boolean =>
      readers.some(({ history, peer }) => {
        const sent = sender.sent.get(peer.account)?.length ?? 0;
        return (history.get(sender.peer.account)?.length ?? 0) < sent;
      });
    for (let tries = 0; (sender.outbox.length > 0 || isMissing()) && tries < 2000; tries++) {
      for (const reader of readers) {
        reader.listen();
        reader.acknowledge(1000);
      }
      sender.listen();
      await wait(10);
    }
    expect(sender.outbox).to.deep.equal([]);
    for (const reader of readers) {
      expect(reader.history.get(sender.peer.account)).to.deep.equal(sender.sent.get(reader.peer.account));
    }
  });
});
