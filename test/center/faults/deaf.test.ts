// A recipient that stops reading, while somebody writes to it as fast as it is accepted: the disk holds it, not the memory.
import { expect } from 'chai';
import { temporaryDirectory } from '../../helpers/programs.ts';
import type { WirePeer } from '../../helpers/wire.ts';
import { bodyOf, connect, type MachineCenter, residentBytes, startCenter } from './machine.ts';

const bodyBytes = 16_000;
const atOnce = 50;
/** More than the store's page cache takes, which has its size then. */
const beforeBytes = 96 * 1024 * 1024;
const moreBytes = 96 * 1024 * 1024;
/** What the collectors of garbage may make of it. */
const mostGrowthBytes = 40 * 1024 * 1024;

describe('a center with a recipient that stops reading', function () {
  this.timeout(60_000);
  const directory = temporaryDirectory();
  let center: MachineCenter;

  before(function () {
    // Where the memory of a process can be read.
    if (process.platform !== 'linux') this.skip();
  });

  after(async () => {
    await center?.running.kill();
    directory.remove();
  });

  it('does not grow with what waits for it', async () => {
    const roomy = ['--mailbox-bytes', '1G', '--mailbox-sender-share', '1', '--max-store', '2G'];
    center = await startCenter(directory.path, roomy);
    const pid = center.running.child.pid!;
    const seas: WirePeer = await (await connect(center)).register('seas');
    const google = await (await connect(center)).register('google');
    await seas.attach();
    // All that it asks for is delivered to it, as far as its connection takes it.
    await google.attach({ windowMessages: 1_000_000 });
    google.stream.pause();

    let number = 0;
    const write = async (bytes: number): Promise<void> => {
      for (let sent = 0; sent < bytes; sent += atOnce * bodyBytes) {
        for (let more = 0; more < atOnce; more++) seas.message(google.account, ++number, bodyOf(number, bodyBytes));
        await seas.isAccepted(google.account, number);
        seas.received.length = 0;
      }
    };
    await write(beforeBytes);
    const before = residentBytes(pid);
    await write(moreBytes);
    expect(residentBytes(pid) - before).to.be.below(mostGrowthBytes);

    // And all is there for it.
    google.destroy();
    const again = await (await connect(center)).resume(google);
    expect((await again.attach()).waiting).to.equal(number);
    again.destroy();
    seas.destroy();
  });
});
