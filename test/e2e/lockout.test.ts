// Three wrong passwords, as somebody meets them who runs the real peer; and whom they do not concern.
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Chat, password } from '../helpers/chat.ts';
import { program, Running, runPeer } from '../helpers/programs.ts';

const lockSeconds = 60;

describe('lockout', function () {
  this.timeout(60_000);
  let chat: Chat;

  beforeEach(async () => {
    chat = await Chat.open(['seas', 'google']);
  });

  afterEach(() => chat.close());

  /** What is said to a name and a password, by a peer that has never been here. */
  async function attempt(name: string, typed: string): Promise<string> {
    const { code, stdout, stderr } = await runPeer(chat.center, ['--data', chat.directory()], `${name}\n${typed}\n`);
    if (code === 0) return stdout;
    expect([code, stdout]).to.deep.equal([2, '']);
    const [, answer = ''] = /^peer: line 2: (.*)\n$/m.exec(stderr) ?? [];
    return answer;
  }

  /** The seconds left, after checking the rest of the line. */
  async function secondsLeft(typed: string): Promise<number> {
    const answer = await attempt('seas', typed);
    expect(answer).to.match(/^seas is suspended for another [0-9]+ seconds\.$/);
    return Number(/[0-9]+/.exec(answer)?.[0]);
  }

  async function lock(name: string): Promise<void> {
    expect(await attempt(name, 'winterisover')).to.equal('Incorrect username/password. 2 more login attempts.');
    expect(await attempt(name, 'winterisover')).to.equal('Incorrect username/password. 1 more login attempts.');
    expect(await attempt(name, 'winterisover')).to.equal('Too many login attempts. Please wait 60 seconds.');
  }

  it('counts down the attempts, then the seconds, also over restarts of the center', async () => {
    await lock('seas');
    const lockedAtMs = performance.now();
    const elapsed = () => (performance.now() - lockedAtMs) / 1000;
    let before = lockSeconds;
    const suspended = async (typed: string): Promise<void> => {
      const earliest = elapsed();
      const seconds = await secondsLeft(typed);
      // Never prolonged, never shortened, rounded up.
      expect(seconds).to.be.at.most(before);
      expect(seconds).to.be.at.most(Math.ceil(lockSeconds - earliest) + 1);
      expect(seconds).to.be.at.least(Math.floor(lockSeconds - elapsed()));
      before = seconds;
    };
    await suspended(password);
    await suspended('winterisover');
    await chat.center.down('SIGTERM');
    await chat.center.up();
    await suspended(password);
    await chat.center.down('SIGKILL');
    await chat.center.up();
    await suspended(password);
    // Seconds are rounded up: after one of them there are fewer.
    await wait(Math.max(0, 1_100 - elapsed() * 1000));
    await suspended('x');
    expect(before).to.be.below(lockSeconds);

    const unlocked = new Running([...program('center'), 'user', 'unlock', 'SEAS', '--data', chat.center.dataDir]);
    expect(await unlocked.ended(), unlocked.stderr).to.equal(0);
    expect(await attempt('seas', password)).to.include('Welcome, seas!\n');
  });

  it('leaves other accounts, live sessions and resumes alone', async () => {
    const data = chat.directory();
    const seas = await chat.logIn('seas');
    const resumable = await chat.logIn('google', { data });
    resumable.write('quit\n');
    expect(await resumable.ended()).to.equal(0);
    await lock('seas');
    await lock('google');
    expect(await secondsLeft(password)).to.be.within(1, lockSeconds);
    const google = chat.peer({ data, args: ['--user', 'google', '--resume'] });
    google.write('message seas Hello\n');
    await seas.sees('<google>: Hello\n');
    seas.write('message google Hello yourself\n');
    await google.sees('<seas>: Hello yourself\n');
    seas.write('logout\n');
    expect(await seas.ended()).to.equal(0);
    expect(await secondsLeft(password)).to.be.within(1, lockSeconds);
  });

  it('says the same of a name that nobody has', async () => {
    await lock('nobody');
    expect(await attempt('nobody', password)).to.match(/^nobody is suspended for another [0-9]+ seconds\.$/);
    expect(await attempt('seas', password)).to.include('Welcome, seas!');
  });

  it('counts wrong old passwords of passwd too, and the session stays', async () => {
    const seas = await chat.logIn('seas');
    for (const answer of [
      'Incorrect username/password. 2 more login attempts.',
      'Incorrect username/password. 1 more login attempts.',
      'Too many login attempts. Please wait 60 seconds.',
    ]) {
      seas.write('passwd\nwinterisover\nspringiscoming\nspringiscoming\n');
      await seas.complains(answer);
    }
    seas.write(`passwd\n${password}\nspringiscoming\nspringiscoming\n`);
    await seas.complains(/seas is suspended for another [0-9]+ seconds\./);
    expect(await secondsLeft(password)).to.be.within(1, lockSeconds);
    seas.write('users seas\n');
    await seas.sees('  seas (online)\n');
  });
});
