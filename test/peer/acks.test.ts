import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { Acks } from '../../peer/acks.ts';
import type { Connection } from '../../peer/connection.ts';
import { ParleyError } from '../../shared/errors.ts';
import type { parley } from '../../shared/protocol.js';
import { ScriptedCenter } from '../helpers/scripted-center.ts';

describe('acknowledgements', () => {
  const [seas, google] = [1, 2];
  let clock: SinonFakeTimers;
  let center: ScriptedCenter;
  let connection: Connection;
  let acks: Acks;
  let position: number;

  beforeEach(async () => {
    ({ center, connection } = await ScriptedCenter.connected());
    clock = useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    // The first message of a connection comes after a while of nothing.
    clock.tick(1_000);
    acks = new Acks(connection);
    position = 0;
  });

  afterEach(() => {
    acks.stop();
    clock.restore();
    connection.close(new ParleyError('cancelled', 'done'));
  });

  /** What the center hears of messages that come so long after one another. */
  async function told(senders: number[], apartMs: number): Promise<number[]> {
    const positions: number[] = [];
    for (const sender of senders) {
      clock.tick(apartMs);
      position += 1;
      acks.came(sender);
      acks.done(position);
      positions.push(...(await heard()));
    }
    return positions;
  }

  async function heard(): Promise<number[]> {
    return (await frames()).flatMap(({ ack }) => (ack ? [ack.position!] : []));
  }

  async function frames(): Promise<parley.Frame[]> {
    // Through both streams.
    for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
    return center.received.splice(0);
  }

  it('are sent at once where messages come now and then', async () => {
    expect(await told([seas], 0)).to.deep.equal([1]);
    for (const at of [2, 3, 4, 5]) expect(await told([seas], 3)).to.deep.equal([at]);
  });

  it('wait for more of a stream, 3 ms at most', async () => {
    expect(await told([seas], 0)).to.deep.equal([1]);
    for (const last of [4, 7]) {
      expect(await told([seas, seas, seas], 0.8)).to.deep.equal([]);
      clock.tick(0.5);
      expect(await heard()).to.deep.equal([]);
      clock.tick(1);
      expect(await heard()).to.deep.equal([last]);
    }
  });

  it('wait for no more than 32 messages', async () => {
    await told([seas], 0);
    expect(
      await told(
        Array.from({ length: 70 }, () => seas),
        0.01,
      ),
    ).to.deep.equal([33, 65]);
    clock.tick(3);
    expect(await heard()).to.deep.equal([71]);
  });

  it('do not hold up a sender who waits for each: it is tried more and more seldom', async () => {
    let late = 0;
    let atOnce = 0;
    const endMs = performance.now() + 5_000;
    while (performance.now() < endMs) {
      const [at] = await told([seas], 0.5);
      if (at === undefined) {
        late += 1;
        clock.tick(3);
        expect(await heard()).to.deep.equal([position]);
      } else atOnce += 1;
    }
    expect(late).to.equal(10);
    expect(atOnce).to.be.greaterThan(9_000);
  });

  it('do not hold up a sender with some on their way, nor a small window', async () => {
    await told([seas, seas], 0.5);
    expect(await told([seas, seas, seas], 0.01)).to.deep.equal([]);
    clock.tick(3);
    expect(await heard()).to.deep.equal([5]);
    expect(await told([seas, seas, seas], 0.01)).to.deep.equal([6, 7, 8]);
  });

  it('are sent at once when somebody else writes into a stream, and for a while after', async () => {
    await told([seas, seas, seas], 0.5);
    expect(await told([google], 0.5)).to.deep.equal([4]);
    expect(await told([seas, seas, google, google, seas, seas], 0.1)).to.deep.equal([5, 6, 7, 8, 9, 10]);
    clock.tick(20);
    expect(await told([seas, seas, seas], 0.5)).to.deep.equal([11]);
  });

  it('go along with what else is sent', async () => {
    await told([seas, seas, seas], 0.5);
    connection.send({ heartbeat: {} });
    expect((await frames()).map(({ ack, heartbeat }) => ack?.position ?? heartbeat)).to.deep.equal([{}, 3]);
    clock.tick(3);
    expect(await heard()).to.deep.equal([]);
  });

  it('are sent when the connection is closed', async () => {
    await told([seas, seas, seas], 0.5);
    connection.close(new ParleyError('cancelled', 'done'));
    expect(await heard()).to.deep.equal([3]);
  });

  it('of a connection that is no longer the one are not sent', async () => {
    await told([seas, seas, seas], 0.5);
    acks.stop();
    clock.tick(3);
    connection.close(new ParleyError('cancelled', 'done'));
    expect(await heard()).to.deep.equal([]);
  });
});
