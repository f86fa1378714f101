// A token that was copied while it was good is refused once its session has ended, and for ever.
import { cpSync } from 'node:fs';
import { expect } from 'chai';
import { Chat, password } from '../helpers/chat.ts';
import { program, Running, runPeer } from '../helpers/programs.ts';
import { letDaysPass } from '../helpers/time.ts';

const newPassword = 'springiscoming';

describe('an old token', function () {
  this.timeout(60_000);
  let chat: Chat;

  /** How each account ends its session, given the directory that holds it. */
  const ends: Readonly<Record<string, (data: string) => Promise<void>>> = {
    leaver: (data) => resumed('leaver', data, 'logout\n'),
    elsewhere: () => loggedIn('elsewhere', chat.directory(), 'quit\n'),
    displaced: async (data) => {
      const first = chat.peer({ data, args: ['--user', 'displaced', '--resume'] });
      await first.sees('Welcome, displaced!\n');
      await loggedIn('displaced', chat.directory(), 'logout\n');
      expect(await first.ended()).to.equal(4);
    },
    changer: (data) => resumed('changer', data, `passwd\n${password}\n${newPassword}\n${newPassword}\nquit\n`),
    changed: () => operate(['passwd', 'changed', '--bcrypt-cost', '4'], `${newPassword}\n`),
    banned: () => operate(['ban', 'banned', '--reason', 'Please calm down.']),
    unbanned: async () => {
      await operate(['ban', 'unbanned']);
      await operate(['unban', 'unbanned']);
    },
    deleted: (data) => resumed('deleted', data, `delete-account\n${password}\n`),
    removed: () => operate(['remove', 'removed']),
  };

  async function run(args: readonly string[], input: string): Promise<string> {
    const { code, stdout, stderr } = await runPeer(chat.center, args, input);
    expect(code, stdout + stderr).to.equal(0);
    return stdout;
  }

  async function loggedIn(name: string, data: string, commands: string): Promise<void> {
    await run(['--data', data], `${name}\n${password}\n${commands}`);
  }

  async function resumed(name: string, data: string, commands: string): Promise<void> {
    await run(['--data', data, '--user', name, '--resume'], commands);
  }

  async function operate(args: readonly string[], input = ''): Promise<void> {
    const running = new Running([...program('center'), 'user', ...args, '--data', chat.center.dataDir]);
    running.child.stdin!.end(input);
    expect(await running.ended(), running.stderr).to.equal(0);
  }

  function copied(data: string): string {
    const copy = chat.directory();
    cpSync(data, copy, { recursive: true });
    return copy;
  }

  /** What --resume says with a copy of this directory; the copy stays as it is. */
  async function refusal(name: string, data: string): Promise<string> {
    const args = ['--data', copied(data), '--user', name, '--resume'];
    const { code, stdout, stderr } = await runPeer(chat.center, args, 'online\n');
    expect([code, stdout], `${name}: ${stderr}`).to.deep.equal([2, '']);
    return stderr;
  }

  async function inPairs(names: readonly string[], act: (name: string) => Promise<void>): Promise<void> {
    const left = [...names];
    const one = async (): Promise<void> => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) await act(name);
    };
    await Promise.all([one(), one()]);
  }

  before(async () => {
    chat = await Chat.open([...Object.keys(ends), 'seas']);
  });

  after(() => chat?.close());

  it('is refused after logout, a login elsewhere, passwd, ban and deletion; also after a restart', async () => {
    const copies = new Map<string, string>();
    await inPairs(Object.keys(ends), async (name) => {
      const data = chat.directory();
      await loggedIn(name, data, 'quit\n');
      copies.set(name, copied(data));
      await ends[name]!(data);
    });
    const check = (name: string) => refusal(name, copies.get(name)!);
    const refusals = new Map<string, string>();
    await inPairs(Object.keys(ends), async (name) => void refusals.set(name, await check(name)));
    expect(refusals.get('banned')).to.include('banned is banned: Please calm down.');
    for (const [name, text] of refusals) {
      const displaced = name === 'elsewhere' ? 'Logged on different location!' : null;
      if (name !== 'banned') expect(text, name).to.include(displaced ?? 'The session has ended. Please log in again.');
    }
    await chat.center.down('SIGKILL');
    await chat.center.up();
    await inPairs(Object.keys(ends), async (name) => {
      expect(await check(name), name).to.equal(refusals.get(name));
    });
  });

  it('was good before, and the newer one of the same session makes it worthless', async () => {
    const data = chat.directory();
    await loggedIn('seas', data, 'quit\n');
    const copy = copied(data);
    await chat.center.down('SIGKILL');
    await letDaysPass(chat.center.dataDir, 16);
    await chat.center.up();
    await resumed('seas', copied(data), 'users seas\nquit\n');
    // The first is still good: the answer with its successor might have been lost.
    await resumed('seas', copy, 'quit\n');
    // The token that the copy got is the first use of its successor: from then on the first is of the past.
    await resumed('seas', copy, 'quit\n');
    expect(await refusal('seas', data)).to.include('The session has ended. Please log in again.');
    await resumed('seas', copy, 'quit\n');
  });
});
