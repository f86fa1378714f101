// One account, two peers: the later one has it, and the first says so and gives way.
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeKey } from '../../peer/key-file.ts';
import { generateKey } from '../../shared/identity.ts';
import { Cable } from '../helpers/cable.ts';
import { Chat, expectOnce, lines, password } from '../helpers/chat.ts';
import { program, runPeer } from '../helpers/programs.ts';
import { Tmux } from '../helpers/tmux.ts';

describe('displacement', function () {
  this.timeout(60_000);
  let chat: Chat;
  let terminals: Tmux[] = [];

  before(async () => {
    chat = await Chat.open(['seas', 'google']);
  });

  afterEach(async () => {
    await Promise.all(terminals.map((terminal) => terminal.close()));
    terminals = [];
  });

  after(() => chat.close());

  async function terminal(data: string): Promise<Tmux> {
    const opened = await Tmux.start([...program('peer'), 'localhost', String(chat.center.port), '--data', data]);
    terminals.push(opened);
    return opened;
  }

  async function enter(opened: Tmux): Promise<void> {
    await opened.sees(/Username:$/);
    await opened.enter('seas');
    await opened.sees(/Password:$/);
    await opened.enter(password);
    await opened.sees(/Welcome, seas!\n(.*\n)*>$/);
  }

  it('by a login elsewhere: the first says so and exits 4; the others notice nothing', async () => {
    const google = await chat.logIn('google');
    const first = await chat.logIn('seas');
    await google.sees('seas has logged on.');
    google.write('message seas to the first\n');
    await first.sees('<google>: to the first\n');
    const second = await chat.logIn('seas');
    expect(await first.ended()).to.equal(4);
    expect(first.stdout.endsWith('Logged on different location!\nNo messages are unsent.\n')).to.equal(true);
    google.write('message seas to the second\n');
    await second.sees('<google>: to the second\n');
    second.write('message google Hello\nlogout\n');
    await google.sees('<seas>: Hello\n');
    await google.sees('seas is offline.\n');
    expectOnce(google, 'seas has logged on.');
    expectOnce(google, 'seas is offline.');
    expect(first.stdout).not.to.include('to the second');
    expect(second.stdout).not.to.include('to the first');
    await google.kill('SIGTERM');
  });

  it('in the same data directory: the second takes over what the first has not sent', async () => {
    const cable = await Cable.to(chat.center.port);
    try {
      const data = chat.directory();
      const google = await chat.logIn('google');
      const first = await chat.logIn('seas', { data, port: cable.port });
      first.write('message google known\n');
      await first.sees('(stored) to google: known\n');
      // What it sends arrives, but it is never told: for all it knows, it is unsent.
      cable.deafen();
      first.write('message google one\nmessage google two\nmessage google three\n');
      await google.sees('<seas>: three\n');
      const entering = chat.logIn('seas', { data });
      await first.sees('Connection lost, 3 messages will be sent later.\n');
      // Until it is told that it was displaced it keeps the files, and the second waits for them.
      cable.plug();
      const second = await entering;
      expect(await first.ended()).to.equal(4);
      expect(first.stdout).to.include('Logged on different location!\n3 messages are unsent');
      await second.sees('(stored) to google: three\n');
      second.write('message google four\nhistory google 10\nquit\n');
      expect(await second.ended()).to.equal(0);
      await google.sees('<seas>: four\n');
      expect(lines(google, '<seas>: ')).to.deep.equal(
        ['known', 'one', 'two', 'three', 'four'].map((text) => `<seas>: ${text}`),
      );
      await google.kill('SIGTERM');
    } finally {
      cable.close();
    }
  });

  it('in a second terminal of the same data directory: the first goes back to Username:', async () => {
    const data = chat.directory();
    const first = await terminal(data);
    await enter(first);
    await first.type('message google unfin');
    const second = await terminal(data);
    await enter(second);
    await first.sees(/Logged on different location!\nNo messages are unsent\.\nUsername:$/);
    await second.enter('message google from the second');
    await second.sees('to google: from the second');
    // And back again.
    await enter(first);
    await second.sees(/Logged on different location!\nNo messages are unsent\.\nUsername:$/);
    await first.enter('history google 1');
    await first.sees(/to google: from the second\n>$/);
    await first.enter('quit');
    expect(await first.ended()).to.equal(0);
    await second.enter('quit');
    expect(await second.ended()).to.equal(0);
  });

  it('not by a copied token without its key: it is worth nothing, and the session goes on', async () => {
    const data = chat.directory();
    const google = await chat.logIn('google');
    const seas = await chat.logIn('seas', { data });
    const stolen = chat.directory();
    cpSync(data, stolen, { recursive: true });
    const [centerId = ''] = readdirSync(join(stolen, 'centers'));
    const accounts = join(stolen, 'centers', centerId, 'accounts');
    const [account = ''] = readdirSync(accounts);
    const key = join(accounts, account, 'key');
    rmSync(key);
    const args = ['--data', stolen, '--user', 'seas', '--resume'];
    const without = await runPeer(chat.center, args, 'online\n');
    expect([without.code, without.stdout]).to.deep.equal([2, '']);
    writeKey(key, generateKey());
    const withAnother = await runPeer(chat.center, args, 'online\n');
    expect([withAnother.code, withAnother.stdout]).to.deep.equal([2, '']);
    google.write('message seas still there?\n');
    await seas.sees('<google>: still there?\n');
    expect(seas.stdout).not.to.include('different location');
    await Promise.all([seas.kill('SIGTERM'), google.kill('SIGTERM')]);
  });
});
