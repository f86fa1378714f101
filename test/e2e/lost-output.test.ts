// What a peer printed and nobody got was not shown: it comes at the next start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { Chat, lines, password } from '../helpers/chat.ts';
import { program, type Running, runPeer } from '../helpers/programs.ts';

/** Together more than a pipe takes. */
const longBodies = 40;
const bodyBytes = 8_000;

describe('output that is lost', function () {
  this.timeout(60_000);
  let chat: Chat;
  let google: Running;
  let series = 0;

  before(async () => {
    chat = await Chat.open(['seas', 'google']);
    google = await chat.logIn('google', { args: ['--wait', 'stored'] });
  });

  after(() => chat.close());

  /** What a further start prints, to its end; the numbers of google's messages in it. */
  async function startAgain(data: string): Promise<{ stdout: string; numbers: number[] }> {
    const { stdout, code } = await runPeer(chat.center, ['--data', data], `seas\n${password}\n`);
    expect(code).to.equal(0);
    return { stdout, numbers: numbers(stdout) };
  }

  function numbers(stdout: string): number[] {
    return [...stdout.matchAll(/<google>: number (\d+)/g)].map(([, number]) => Number(number));
  }

  /** From google to seas; resolves when the center or, where that is wanted, seas has all of them. */
  async function send(count: number, state: 'accepted' | 'stored', rest = ''): Promise<void> {
    series += 1;
    for (const number of upTo(count)) google.write(`message seas number ${number} of ${series} ${rest}\n`);
    await google.sees(`${state === 'stored' ? '(stored) ' : ''}to seas: number ${count} of ${series} `);
  }

  function upTo(count: number): number[] {
    return Array.from({ length: count }, (_, index) => index + 1);
  }

  for (const history of [true, false]) {
    it(`comes again when who read it had gone${history ? '' : ', without a history too'}`, async () => {
      const data = chat.directory();
      const peer = [...program('peer'), 'localhost', String(chat.center.port), '--data', data];
      if (!history) peer.push('--no-history');
      // No other process holds the end that is read.
      const script = '"$@" | { head -n 1; exec <&-; echo gone >&2; }; exit "$' + '{PIPESTATUS[0]}"';
      const shell = spawn('bash', ['-c', script, 'bash', ...peer], { stdio: 'pipe' });
      const stdout = text(shell.stdout);
      let stderr = '';
      const hasGone = new Promise<void>((resolve) => {
        shell.stderr.setEncoding('utf8').on('data', (some: string) => {
          stderr += some;
          if (stderr.includes('gone\n')) resolve();
        });
      });
      shell.stdin.on('error', () => undefined);
      shell.stdin.write(`seas\n${password}\n`);
      const closed = once(shell, 'close');
      await hasGone;
      await send(5, 'accepted');
      const [code] = await closed;
      expect(await stdout).to.equal('Welcome, seas!\n');
      expect(stderr).to.match(/^peer: Nobody reads the output any more: \d messages? (was|were) not shown\. Start /m);
      expect(code).to.equal(1);
      expect((await startAgain(data)).numbers).to.deep.equal(upTo(5));
      expect((await startAgain(data)).numbers).to.deep.equal([]);
    });
  }

  it('comes again when there was no room for it', async function () {
    if (process.platform !== 'linux') this.skip();
    const data = chat.directory();
    await send(3, 'accepted');
    const full = openSync('/dev/full', 'w');
    const [node, ...args] = [...program('peer'), 'localhost', String(chat.center.port), '--data', data];
    const peer = spawn(node!, args, { stdio: ['pipe', full, 'pipe'] });
    closeSync(full);
    const stderr = text(peer.stderr!);
    peer.stdin!.on('error', () => undefined);
    peer.stdin!.write(`seas\n${password}\n`);
    const [code] = await once(peer, 'close');
    expect(await stderr).to.match(/^peer: The output cannot be written \(ENOSPC\)\. Make room, /m);
    expect(code).to.equal(1);
    expect((await startAgain(data)).numbers).to.deep.equal(upTo(3));
    expect((await startAgain(data)).numbers).to.deep.equal([]);
  });

  it('comes again when the peer was killed before anybody read it', async () => {
    const data = chat.directory();
    const seas = await chat.logIn('seas', { data });
    seas.child.stdout!.pause();
    await send(longBodies, 'stored', 'x'.repeat(bodyBytes));
    seas.child.kill('SIGKILL');
    seas.child.stdout!.resume();
    await seas.ended();
    const again = await startAgain(data);
    const read = numbers(seas.stdout);
    expect(read.length).to.be.lessThan(longBodies);
    expect([...new Set([...read, ...again.numbers])].sort((a, b) => a - b)).to.deep.equal(upTo(longBodies));
    // What may have been seen says so.
    for (const line of again.stdout.split('\n')) if (line.includes('number')) expect(line).to.match(/^\(again\) /);
    expect((await startAgain(data)).numbers).to.deep.equal([]);
  });

  it('waits for who reads slowly, and is not shown again', async () => {
    const data = chat.directory();
    const seas = await chat.logIn('seas', { data });
    seas.child.stdout!.pause();
    await send(longBodies, 'stored', 'x'.repeat(bodyBytes));
    seas.child.stdin!.end();
    // It has time enough to leave without what is still to be read.
    for (const number of upTo(20)) {
      google.write(`message google round ${number} \n`);
      await google.sees(`<google>: round ${number}`);
    }
    seas.child.stdout!.resume();
    expect(await seas.ended()).to.equal(0);
    expect(numbers(seas.stdout)).to.deep.equal(upTo(longBodies));
    expect(lines(seas, '(again)')).to.deep.equal([]);
    expect((await startAgain(data)).numbers).to.deep.equal([]);
  });
});
