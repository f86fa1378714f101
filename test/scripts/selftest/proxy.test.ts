// The bad network of the self-test: that what it cuts is cut in the middle.
import { once } from 'node:events';
import net from 'node:net';
import { expect } from 'chai';
import { CuttingProxy } from '../../../scripts/selftest/proxy.ts';
import { Random } from '../../../scripts/selftest/random.ts';

const greeting = 'x'.repeat(50);
const frameBytes = 1000;

describe('the network of the self-test', () => {
  const proxy = new CuttingProxy(new Random(7));
  const center = net.createServer();
  let port: number;

  before(async () => {
    center.listen(0, '127.0.0.1');
    await once(center, 'listening');
    proxy.targetPort = (center.address() as net.AddressInfo).port;
    port = await proxy.start();
  });
  after(() => {
    proxy.stop();
    center.close();
  });

  /** What arrives of a frame during which its connection is cut. */
  async function cutOne(): Promise<number> {
    const near = net.connect({ host: '127.0.0.1', port });
    const [far] = (await once(center, 'connection')) as [net.Socket];
    far.on('error', () => undefined);
    let bytes = 0;
    near.write(greeting);
    await new Promise<void>((resolve) => {
      far.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes === greeting.length) resolve();
      });
    });
    expect(proxy.cut(1)).to.equal(1);
    const ended = [once(near, 'close'), once(far, 'close')];
    near.write('y'.repeat(frameBytes));
    await Promise.all(ended);
    return bytes - greeting.length;
  }

  it('passes on what came before, and cuts a frame anywhere in it', async () => {
    const arrived: number[] = [];
    for (let count = 0; count < 20; count++) arrived.push(await cutOne());
    for (const bytes of arrived) expect(bytes).to.be.within(0, frameBytes - 1);
    expect(arrived.filter((bytes) => bytes > 0).length).to.be.above(15);
    expect(new Set(arrived).size).to.be.above(10);
  });
});
