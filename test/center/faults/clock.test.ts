// A wall clock that is set a day back and forth under a center: nothing that is timed notices, and nothing is reordered.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Faults, skipWithoutFaults } from '../../helpers/faults.ts';
import { temporaryDirectory } from '../../helpers/programs.ts';
import type { WirePeer } from '../../helpers/wire.ts';
import { connect, type MachineCenter, startCenter } from './machine.ts';

const daySeconds = 86_400;
const lockMs = 60_000;
const silenceMs = 2400;
const timing = ['--heartbeat-ms', '300', '--silence-ms', String(silenceMs), '--grace-ms', '100'];

describe('a center whose wall clock is set', function () {
  this.timeout(60_000);
  const directory = temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  let faults: Faults | null = null;
  let center: MachineCenter;
  let beats: NodeJS.Timeout;

  before(function () {
    skipWithoutFaults(this);
    faults = new Faults(directory.path);
  });

  after(async () => {
    clearInterval(beats);
    await center?.running.kill();
    faults?.close();
    directory.remove();
  });

  async function wrongPassword(peer: WirePeer, name: string) {
    return peer.refused({ login: { name, password: 'something else', ...peer.proof() } });
  }

  /** The seconds that a lock still has; fails where there is none. */
  async function lockedForMs(name: string): Promise<number> {
    const stranger = await connect(center);
    await stranger.greet();
    const error = await wrongPassword(stranger, name);
    stranger.destroy();
    expect(error.code).to.equal('suspended');
    return Number(error.retryAfterMs);
  }

  it('keeps lockouts, tokens, heartbeats and the order of messages', async () => {
    center = await startCenter(dataDir, timing, faults!.env);
    const seas = await (await connect(center)).register('seas');
    const google = await (await connect(center)).register('google');
    const silent = await (await connect(center)).register('silent');
    await seas.attach();
    await google.attach();
    beats = setInterval(() => {
      for (const peer of [seas, google]) if (!peer.closed) peer.send({ heartbeat: {} });
    }, 200);
    const stranger = await connect(center);
    await stranger.greet();
    const codes: (string | null | undefined)[] = [];
    for (let attempt = 0; attempt < 3; attempt++) codes.push((await wrongPassword(stranger, 'silent')).code);
    expect(codes).to.deep.equal(['bad_credentials', 'bad_credentials', 'locked']);
    stranger.destroy();

    const received: { number: number; receivedAtMs: number }[] = [];
    let number = 0;
    const say = async (): Promise<void> => {
      seas.message(google.account, ++number, `number ${number}`);
      const { receivedAtMs, position } = await google.sees('deliver');
      google.ack(position ?? 0);
      received.push({ number, receivedAtMs: Number(receivedAtMs) });
    };
    const startMs = Date.now();
    for (const days of [0, 1, 0, -1, 0]) {
      faults!.setClock(days * daySeconds);
      await say();
      expect(await lockedForMs('silent')).to.be.within(lockMs - (Date.now() - startMs) - 5000, lockMs);
      // Longer than the center waits for a sign of life, in the end.
      await wait(silenceMs / 3);
    }
    expect([seas.closed, google.closed], 'peers that gave signs of life').to.deep.equal([false, false]);
    // A peer that gave none.
    await silent.ends();

    // What another start makes of it: the time that was saved holds, and what is behind it is not believed.
    faults!.setClock(-daySeconds);
    await center.running.kill('SIGTERM');
    center = await startCenter(dataDir, timing, faults!.env);
    expect(await lockedForMs('silent')).to.be.within(1, lockMs);
    const [again, googleAgain] = [await connect(center), await connect(center)];
    await again.resume(seas);
    await again.attach();
    await googleAgain.resume(google);
    await googleAgain.attach();
    again.message(google.account, ++number, `number ${number}`);
    const { receivedAtMs, body } = await googleAgain.sees('deliver');
    received.push({ number: Number(String(body).slice('number '.length)), receivedAtMs: Number(receivedAtMs) });

    expect(received.map((one) => one.number)).to.deep.equal(Array.from({ length: number }, (_, index) => index + 1));
    const times = received.map((one) => one.receivedAtMs);
    expect(times, 'the times of the messages').to.deep.equal(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).to.be.within(startMs, Date.now() + 5000);
    again.destroy();
    googleAgain.destroy();
  });
});
