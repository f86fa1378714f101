// A connection's output, over real sockets: what is written at once, and what has to wait for a reader.
import { once } from 'node:events';
import net from 'node:net';
import { expect } from 'chai';
import sinon from 'sinon';
import { ChunkPool } from '../../center/chunks.ts';
import { Connection, Outputs } from '../../center/connection.ts';
import { Turn } from '../../center/turn.ts';

const turnEnds = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('connection', () => {
  let server: net.Server;
  let near: net.Socket;
  let far: net.Socket;
  let received: Buffer[];
  let connection: Connection;
  let take: sinon.SinonSpy;
  let release: sinon.SinonSpy;
  let sent: Buffer[];

  beforeEach(async () => {
    server = net.createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    far = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    [near] = (await once(server, 'connection')) as [net.Socket];
    near.on('error', () => near.destroy()).resume();
    received = [];
    far.on('error', () => far.destroy());
    far.on('data', (bytes: Buffer) => received.push(bytes));
    const pool = new ChunkPool();
    take = sinon.spy(pool, 'take');
    release = sinon.spy(pool, 'release');
    const turn = new Turn();
    const outputs = new Outputs(pool, turn, 64 * 1024 * 1024);
    turn.addStep(outputs.flush);
    connection = new Connection(near, outputs);
    sent = [];
  });

  afterEach(() => {
    near.destroy();
    far.destroy();
    server.close();
  });

  function send(bytes: number): void {
    const piece = Buffer.alloc(bytes, sent.length % 251);
    sent.push(piece);
    connection.sendBytes(piece);
  }

  /** The other side reads no more, and as much is sent as it takes to show. */
  async function stopReading(): Promise<void> {
    far.pause();
    while (connection.outputBytes < 500_000) {
      send(10_000);
      await turnEnds();
    }
  }

  async function allArrives(): Promise<void> {
    const all = Buffer.concat(sent);
    while (Buffer.concat(received).length < all.length) await once(far, 'data');
    expect(Buffer.concat(received).equals(all)).to.equal(true);
    while (release.callCount < take.callCount) await turnEnds();
    expect(connection.outputBytes).to.equal(0);
    expect(release.callCount).to.equal(take.callCount);
  }

  it('is empty again as soon as the socket has taken what was written', async () => {
    for (let i = 0; i < 20; i++) {
      send(100);
      await turnEnds();
      expect(connection.outputBytes).to.equal(0);
    }
    await allArrives();
  });

  it('counts what a reader that stopped leaves over, and writes it in order when it reads on', async () => {
    send(100);
    await turnEnds();
    await stopReading();
    // One turn with less than a chunk, and one with several.
    send(10);
    await turnEnds();
    for (let i = 0; i < 50; i++) send(5000);
    await turnEnds();
    expect(connection.outputBytes).to.be.greaterThan(500_000);
    far.resume();
    await allArrives();
    send(100);
    await turnEnds();
    await allArrives();
  });

  it('gives its memory back where the other side goes', async () => {
    send(100);
    await turnEnds();
    await stopReading();
    const closed = new Promise((resolve) => near.once('close', resolve));
    far.resetAndDestroy();
    await closed;
    connection.destroy();
    await turnEnds();
    expect(release.callCount).to.equal(take.callCount);
  });

  it('knows who reads nothing from who reads slowly', async () => {
    send(100);
    await turnEnds();
    expect(connection.isStuck(0)).to.equal(false);
    await stopReading();
    connection.isStuck(0);
    expect(connection.isStuck(0)).to.equal(true);
    far.resume();
    await allArrives();
    expect(connection.isStuck(0)).to.equal(false);
  });
});
