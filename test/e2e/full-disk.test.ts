// A peer whose disk is full: what it could not keep it does not promise, and what was kept goes out.
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Chat } from '../helpers/chat.ts';
import { smallDisk } from '../helpers/faults.ts';
import type { Running } from '../helpers/programs.ts';

const diskBytes = 512 * 1024;
/** Left free: enough for some messages. */
const freeBytes = 96 * 1024;
const bodyBytes = 8000;

describe('a peer on a full disk', function () {
  this.timeout(60_000);
  let chat: Chat;
  let disk: ReturnType<typeof smallDisk> = null;
  let path: string;
  const peers: Running[] = [];

  before(async function () {
    chat = await Chat.open(['seas', 'google']);
    path = join(chat.directory(), 'disk');
    disk = smallDisk(path, diskBytes);
    if (disk === null) {
      this.test!.title = 'needs the right to mount a tmpfs, which is not given here';
      this.skip();
    }
  });

  after(async () => {
    // A mount that is in use cannot go.
    await Promise.all(peers.map((peer) => peer.kill()));
    disk?.remove();
    await chat.close();
  });

  async function seasOnTheDisk(): Promise<Running> {
    const peer = await chat.logIn('seas', { data: join(path, 'data') });
    peers.push(peer);
    return peer;
  }

  function body(number: number): string {
    return `number ${number} `.padEnd(bodyBytes, 'x');
  }

  function numbers(running: Running): number[] {
    return [...running.stdout.matchAll(/<seas>: number (\d+) /g)].map(([, number]) => Number(number));
  }

  it('says which message it did not keep', async () => {
    const google = await chat.logIn('google');
    const seas = await seasOnTheDisk();
    const { bavail, bsize } = statfsSync(path);
    writeFileSync(join(path, 'filler'), Buffer.alloc(bavail * bsize - freeBytes));
    let sent = 0;
    while (!seas.stdout.includes('The disk is full') && sent < 60) {
      seas.write(`message google ${body(++sent)}\n`);
      await seas.sees(new RegExp(`\\(stored\\) to google: number ${sent} |The disk is full`));
    }
    expect(await seas.ended()).to.equal(1);
    expect(seas.stdout).to.match(/The disk is full: outbox and history cannot be written\.\n$/);
    expect(seas.stderr).to.match(/Your message to google was not kept and will not be sent\.\n$/);

    rmSync(join(path, 'filler'));
    const again = await seasOnTheDisk();
    again.write('outbox\n');
    await again.sees('The outbox is empty');
    again.write('message google number 1000 \n');
    await google.sees('<seas>: number 1000');
    expect(numbers(google)).to.deep.equal([...Array.from({ length: sent - 1 }, (_, index) => index + 1), 1000]);
    again.write('quit\n');
    expect(await again.ended()).to.equal(0);
  });
});
