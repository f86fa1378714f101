// A peer whose wall clock is set a day back and forth: it stays, its messages keep their order, its token is good.
import { join } from 'node:path';
import { expect } from 'chai';
import { Chat, lines } from '../helpers/chat.ts';
import { Faults, skipWithoutFaults } from '../helpers/faults.ts';
import { program, Running } from '../helpers/programs.ts';

const daySeconds = 86_400;

describe('a peer whose wall clock is set', function () {
  this.timeout(60_000);
  let chat: Chat;
  let faults: Faults | null = null;
  let seas: Running | null = null;
  let dir: string;

  before(async function () {
    skipWithoutFaults(this);
    chat = await Chat.open(['seas', 'google'], ['--heartbeat-ms', '300', '--silence-ms', '2000', '--grace-ms', '100']);
    dir = chat.directory();
    faults = new Faults(dir);
  });

  after(async () => {
    await seas?.kill();
    faults?.close();
    await chat?.close();
  });

  function startSeas(...args: string[]): Running {
    const command = [...program('peer'), 'localhost', String(chat.center.port), '--data', join(dir, 'data'), ...args];
    return new Running(command, faults!.env);
  }

  it('keeps session, order and token', async () => {
    const google = await chat.logIn('google');
    seas = startSeas();
    seas.write('seas\nsummerisover\n');
    await seas.sees('Welcome, seas!');
    await google.sees('seas has logged on.');
    const days = [0, 1, 0, -1, 0];
    for (const [index, day] of days.entries()) {
      faults!.setClock(day * daySeconds);
      seas.write(`message google number ${index}\n`);
      await seas.sees(`(stored) to google: number ${index}`);
      google.write(`message seas answer ${index}\n`);
      await google.sees(`(stored) to seas: answer ${index}`);
    }
    expect(lines(google, '<seas>: ')).to.deep.equal(days.map((_, index) => `<seas>: number ${index}`));
    expect(lines(seas, '<google>: ')).to.deep.equal(days.map((_, index) => `<google>: answer ${index}`));

    // A day back, and its token is not from the future; the center was away meanwhile, too.
    faults!.setClock(-daySeconds);
    await chat.center.down('SIGKILL');
    await seas.sees('Connection lost');
    seas.write('message google while away\n');
    await chat.center.up();
    await seas.sees('(stored) to google: while away');
    seas.write('quit\n');
    expect(await seas.ended()).to.equal(0);
    faults!.setClock(daySeconds);
    seas = startSeas('--user', 'seas', '--resume');
    await seas.sees('Welcome, seas!');
    expect(lines(google, 'seas is offline.').length, 'only after quit').to.be.at.most(1);
  });
});
