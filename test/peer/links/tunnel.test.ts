import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Tunnel } from '../../../peer/links/tunnel.ts';
import type { parley } from '../../../shared/protocol.js';

const creditBytes = 262_144;
const maxDataBytes = 16_384;

/** Two ends of a tunnel, and what went through the center between them. */
function tunnel(): { near: Tunnel; far: Tunnel; passed: parley.Frame.$Properties[] } {
  const passed: parley.Frame.$Properties[] = [];
  const ends: Tunnel[] = [];
  const end = (other: number): Tunnel =>
    new Tunnel(7, creditBytes, (frame) => {
      passed.push(frame);
      setImmediate(() => {
        const to = ends[other] as Tunnel;
        if (frame.tunnelData) to.data(frame.tunnelData.data ?? Buffer.alloc(0));
        if (frame.tunnelCredit) to.credit(frame.tunnelCredit.bytes ?? 0);
        if (frame.tunnelClose) to.ended();
      });
    });
  ends.push(end(1), end(0));
  for (const one of ends) one.on('error', () => undefined);
  return { near: ends[0] as Tunnel, far: ends[1] as Tunnel, passed };
}

const dataBytes = (passed: parley.Frame.$Properties[]): number =>
  passed.reduce((sum, { tunnelData }) => sum + (tunnelData?.data?.length ?? 0), 0);

describe('a tunnel', () => {
  it('carries bytes both ways, in pieces that the center takes', async () => {
    const { near, far, passed } = tunnel();
    const sent = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 251));
    near.end(sent);
    far.write('back');
    const came: Buffer[] = [];
    far.on('data', (bytes: Buffer) => came.push(bytes));
    const [back] = await once(near, 'data');
    expect(String(back)).to.equal('back');
    while (Buffer.concat(came).length < sent.length) await wait(5);
    expect(Buffer.concat(came).equals(sent)).to.equal(true);
    expect(passed.every(({ tunnelData }) => (tunnelData?.data?.length ?? 0) <= maxDataBytes)).to.equal(true);
    near.destroy();
  });

  it('is never ahead of the reader by more than the credit', async () => {
    const { near, far, passed } = tunnel();
    near.write(Buffer.alloc(creditBytes * 3));
    await wait(50);
    expect(dataBytes(passed)).to.equal(creditBytes);
    // What a stream takes before anybody reads is its own, small buffer.
    expect(far.readableLength).to.be.at.most(maxDataBytes * 2);
    let came = 0;
    far.on('data', (bytes: Buffer) => {
      came += bytes.length;
    });
    while (came < creditBytes * 3) await wait(5);
    expect(dataBytes(passed)).to.equal(creditBytes * 3);
    near.destroy();
  });

  it('tells the writer when there is room', async () => {
    const { near, far } = tunnel();
    expect(near.write(Buffer.alloc(creditBytes * 2))).to.equal(false);
    let drained = false;
    near.once('drain', () => {
      drained = true;
    });
    await wait(30);
    expect(drained).to.equal(false);
    far.resume();
    await once(near, 'drain');
    near.destroy();
  });

  it('ends with the other end, and with the center', async () => {
    const one = tunnel();
    one.far.resume();
    one.near.destroy();
    await once(one.far, 'close');
    const other = tunnel();
    other.near.write(Buffer.alloc(creditBytes * 2));
    other.near.ended();
    await once(other.near, 'close');
    expect(other.passed.filter(({ tunnelClose }) => tunnelClose)).to.deep.equal([]);
  });

  it('is closed when more comes than the credit allows', async () => {
    const { far } = tunnel();
    const failed = new Promise<Error>((resolve) => far.once('error', resolve));
    for (let i = 0; i < 20; i++) far.data(Buffer.alloc(maxDataBytes));
    expect((await failed).message).to.include('more than it may');
    expect(far.destroyed).to.equal(true);
  });

  it('keeps nothing of what is empty', () => {
    let credits = 0;
    const one = new Tunnel(7, creditBytes, () => credits++);
    for (let i = 0; i < 1000; i++) one.data(Buffer.alloc(0));
    // A credit goes out for each piece that was kept, when somebody reads.
    one.read();
    expect(credits).to.equal(0);
    one.destroy();
  });
});
