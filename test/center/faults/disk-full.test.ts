// A disk that is full, for real: nothing that was accepted is lost, reads go on, and there is room again when it is made.

import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { smallDisk } from '../../helpers/faults.ts';
import { temporaryDirectory } from '../../helpers/programs.ts';
import type { WirePeer } from '../../helpers/wire.ts';
import { bodyOf, command, connect, type MachineCenter, readNumbers, sendUntilRefused, startCenter } from './machine.ts';

const diskBytes = 20 * 1024 * 1024;
const bodyBytes = 8000;
/** The store looks for room once a second. */
const patienceMs = 30_000;

describe('a center on a full disk', function () {
  this.timeout(60_000);
  const directory = temporaryDirectory();
  let disk: ReturnType<typeof smallDisk> = null;
  let dataDir: string;
  let center: MachineCenter;

  before(function () {
    disk = smallDisk(join(directory.path, 'disk'), diskBytes);
    // Then only the limit of pages is left to test with, in test/center/store/sqlite.test.ts.
    if (disk === null) {
      this.test!.title = 'needs the right to mount a tmpfs, which is not given here';
      this.skip();
    }
    dataDir = join(directory.path, 'disk', 'data');
  });

  after(async () => {
    await center?.running.kill();
    disk?.remove();
    directory.remove();
  });

  /** Sends it until it is accepted: a refused message is tried again, as a peer does it. */
  async function sendUntilAccepted(peer: WirePeer, to: number, number: number): Promise<void> {
    const endMs = performance.now() + patienceMs;
    for (;;) {
      peer.message(to, number, bodyOf(number, bodyBytes));
      const { refused } = await peer.take(
        ({ accepted, stored, refused }) =>
          [accepted, stored].some((told) => told?.to === to && Number(told.number) >= number) ||
          (refused?.to === to && refused.number === number),
        `an answer to ${number}`,
      );
      if (!refused) return;
      expect(refused.error?.code).to.equal('store_full');
      if (performance.now() > endMs) throw new Error('there is no room again');
      await wait(100);
    }
  }

  it('keeps half of what is free at its start for other things, unless told otherwise', async () => {
    const { bavail, bsize } = statfsSync(join(directory.path, 'disk'));
    center = await startCenter(join(directory.path, 'disk', 'other'));
    const seas = await (await connect(center)).register('seas');
    await seas.attach();
    const { code, accepted } = await sendUntilRefused(seas, seas.account, 1, bodyBytes);
    expect(code).to.equal('store_full');
    expect((accepted * bodyBytes) / (bavail * bsize)).to.be.within(0.25, 0.5);
    await center.running.kill();
    rmSync(join(directory.path, 'disk', 'other'), { recursive: true });
  });

  it('refuses, delivers what it has, and accepts again', async () => {
    const roomy = ['--max-store', '1G'];
    center = await startCenter(dataDir, roomy);
    const seas = await (await connect(center)).register('seas');
    await seas.attach();
    const google = await (await connect(center)).register('google');
    google.destroy();

    const first = await sendUntilRefused(seas, google.account, 1, bodyBytes);
    expect(first.code).to.equal('store_full');
    expect(first.accepted).to.be.greaterThan(200);

    // A start finds the disk as full as it was.
    await center.running.kill('SIGKILL');
    seas.destroy();
    center = await startCenter(dataDir, roomy);
    const seasAgain = await (await connect(center)).resume(seas);
    await seasAgain.attach();
    const second = await sendUntilRefused(seasAgain, google.account, first.accepted + 1, bodyBytes);
    expect(second.code).to.equal('store_full');

    const googleAgain = await (await connect(center)).resume(google);
    await googleAgain.attach();
    const expected = Array.from({ length: second.accepted }, (_, index) => index + 1);
    expect(await readNumbers(googleAgain, expected.length)).to.deep.equal(expected);
    await googleAgain.fence();

    await sendUntilAccepted(seasAgain, google.account, second.accepted + 1);
    expect(await readNumbers(googleAgain, 1)).to.deep.equal([second.accepted + 1]);

    googleAgain.destroy();
    const third = await sendUntilRefused(seasAgain, google.account, second.accepted + 2, bodyBytes);
    expect(third.accepted).to.be.greaterThan(second.accepted + 200);
    await center.running.kill('SIGTERM');
    expect(await command('check', '--data', dataDir)).to.include({ code: 0 });
  });
});
