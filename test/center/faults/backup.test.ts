// A backup that is taken while everybody talks, and the center that is made of it: what was accepted before is there,
// once and in order, and peers that know more than it, or less, go on.
import { cpSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Peer } from '../../../peer/index.ts';
import { HeardPeer, password } from '../../helpers/peers.ts';
import { RunningCenter, temporaryDirectory } from '../../helpers/programs.ts';
import { command } from './machine.ts';

const senders = ['seas', 'google'];
const away = ['yahoo', 'bing'];

describe('a backup under load', function () {
  this.timeout(60_000);
  const directory = temporaryDirectory();
  const backup = join(directory.path, 'backup.db');
  const peers: HeardPeer[] = [];
  let center: RunningCenter;

  after(async () => {
    await Promise.all(peers.map((peer) => peer.close()));
    await center?.stop();
    directory.remove();
  });

  function peer(dataDir = 'peers'): HeardPeer {
    const made = new HeardPeer({ host: 'localhost', port: center.port, dataDir: join(directory.path, dataDir) });
    peers.push(made);
    return made;
  }

  /** Sends one message after the other until told to stop; gives how many were accepted, at any time. */
  function talk(from: Peer, to: string): { accepted: number; stop(): Promise<void> } {
    const talking = { accepted: 0, stop: async () => {} };
    let goesOn = true;
    const run = async (): Promise<void> => {
      for (let number = 1; goesOn; number++) {
        await from.send(to, `${from.name} ${number}`);
        talking.accepted = number;
      }
    };
    const done = run();
    talking.stop = () => {
      goesOn = false;
      return done;
    };
    return talking;
  }

  /** What came from somebody, as numbers. */
  function numbersFrom(reader: HeardPeer, from: string): number[] {
    return reader.texts.filter((text) => text.startsWith(`${from} `)).map((text) => Number(text.split(' ')[1]));
  }

  it('restores to a state that fits together', async () => {
    center = await RunningCenter.start(['--messages-per-second', '0']);
    await center.importUsers([...senders, ...away].map((name) => `${name} ${password}\n`).join(''));
    const seas = peer();
    await seas.login('seas', password);
    const googleBefore = peer('google');
    await googleBefore.login('google', password);
    await googleBefore.send('seas', 'first', { until: 'stored' });
    await googleBefore.close();
    // Its owner's own copy of this moment, to go back to.
    cpSync(join(directory.path, 'google'), join(directory.path, 'google-before'), { recursive: true });
    const google = peer('google');
    await google.login('google', password);
    // They have been here before, and are away now.
    for (const name of away) {
      const reader = peer();
      await reader.login(name, password);
      await seas.send(name, 'first', { until: 'stored' });
      await reader.close();
    }
    const talks = [seas, google].flatMap((from) => away.map((to) => ({ from, to, talk: talk(from, to) })));
    const enough = (count: number) => talks.every(({ talk }) => talk.accepted >= count);
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await until(() => enough(30));
    const before = talks.map(({ talk }) => talk.accepted);
    const done = await command('backup', backup, '--data', center.dataDir);
    const after = talks.map(({ talk }) => talk.accepted);
    expect(done.code, done.output).to.equal(0);
    expect(statSync(backup).mode & 0o777).to.equal(0o600);
    expect(after[0], 'commits went on').to.be.greaterThan(before[0] ?? 0);
    await Promise.all(talks.map(({ talk }) => talk.stop()));
    await google.close();
    const ends = talks.map(({ talk }) => talk.accepted);

    const identity = (await command('check', backup)).output;
    expect(identity).to.include('is a whole backup: 4 accounts');
    await center.down('SIGKILL');
    rmSync(center.dataDir, { recursive: true });
    const restored = await command('restore', backup, '--data', center.dataDir);
    expect(restored.output).to.match(/^Restored 4 accounts and \d+ waiting messages into .*\n.* is missing, .*\n/);
    expect(restored.code).to.equal(0);
    expect(await command('check', '--data', center.dataDir)).to.include({ code: 0 });
    await center.up();

    // Its sessions have ended, and it is the same center: a new login is all that is needed.
    await seas.sees('ended');
    await seas.login('seas', password);
    const readers = await Promise.all(
      away.map(async (name) => {
        const reader = peer();
        await reader.login(name, password);
        return { name, reader };
      }),
    );
    // The sender's counter is ahead of what the center knows.
    for (const name of away) await seas.send(name, 'seas 100000', { until: 'stored' });
    // And this one's is behind.
    rmSync(join(directory.path, 'google'), { recursive: true });
    cpSync(join(directory.path, 'google-before'), join(directory.path, 'google'), { recursive: true });
    const googleAgain = peer('google');
    await googleAgain.login('google', password);
    for (const name of away) await googleAgain.send(name, 'google 100000', { until: 'stored' });

    for (const { name, reader } of readers) {
      await reader.sees('message', ({ message }) => message.text === 'google 100000');
      talks.forEach(({ from, to }, index) => {
        if (to !== name) return;
        const sender = senders[[seas, google].indexOf(from as HeardPeer)] ?? '';
        const numbers = numbersFrom(reader, sender).filter((number) => number < 100_000);
        const expected = Array.from({ length: numbers.length }, (_, at) => at + 1);
        expect(numbers, `from ${sender} to ${name}: once and in order`).to.deep.equal(expected);
        expect(numbers.length).to.be.within(before[index] ?? 0, ends[index] ?? 0);
      });
    }
  });
});
