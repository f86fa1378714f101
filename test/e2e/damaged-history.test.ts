// A peer whose history is damaged in its middle: it says so, with the file and what to do, and loses nothing.
import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Chat, password } from '../helpers/chat.ts';
import { runPeer } from '../helpers/programs.ts';

const messages = 50;
const bodyBytes = 400;

describe('a damaged history', function () {
  this.timeout(60_000);
  let chat: Chat;

  before(async () => {
    chat = await Chat.open(['seas', 'google']);
  });

  after(() => chat.close());

  /** What a peer of seas prints and how it ends. */
  function run(data: string, commands: string): ReturnType<typeof runPeer> {
    return runPeer(chat.center, ['--data', data], `seas\n${password}\n${commands}`);
  }

  it('is named, with what to do; and what comes meanwhile waits', async () => {
    const data = chat.directory();
    const google = await chat.logIn('google');
    const seas = await chat.logIn('seas', { data });
    for (let number = 1; number <= messages; number++) {
      google.write(`message seas number ${number} ${'x'.repeat(bodyBytes)}\n`);
    }
    await seas.sees(`<google>: number ${messages} `);
    seas.write('quit\n');
    expect(await seas.ended()).to.equal(0);

    const [file = ''] = globSync(join(data, 'centers', '*', 'accounts', '*', 'history.db'));
    const bytes = readFileSync(file);
    const pageBytes = bytes.readUInt16BE(16);
    const page = Math.floor(bytes.indexOf(`number ${messages / 2} x`) / pageBytes);
    bytes[page * pageBytes] = 0xff;
    writeFileSync(file, bytes);

    const read = await run(data, 'history google 200\n');
    expect(read.stderr + read.stdout).to.include(`The history ${file} is damaged (database disk image is malformed)`);
    expect(read.stderr).not.to.match(/fault of this program|^\s+at /m);
    expect(read.code).to.equal(1);
    expect(readFileSync(file).equals(bytes)).to.equal(true);

    google.write('message seas one more\n');
    await google.sees('to seas: one more\n');
    renameSync(file, `${file}.damaged`);
    for (const more of ['-wal', '-shm']) rmSync(`${file}${more}`, { force: true });
    const again = await run(data, '');
    expect(again.stdout).to.match(/<google>: one more\n/);
    expect(again.code).to.equal(0);
    expect((await run(data, 'history\n')).stdout).to.include('<google>: one more');
  });
});
