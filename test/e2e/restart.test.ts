// A center that stops or is killed under its peers: they come back by their tokens, and nobody else notices.
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Chat, expectOnce, lines, sideBySide } from '../helpers/chat.ts';
import type { Running } from '../helpers/programs.ts';

/** A quicker end of the time in which nobody is called offline after a start. */
const startGraceMs = 4_000;
/** Peers try again after 10 s at most, and resume takes a moment. */
const reconnectMs = 20_000;

/** `first 0`, `first 1`, … */
function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${index}`);
}

function send(from: Running, to: string, texts: readonly string[]): void {
  from.write(texts.map((text) => `message ${to} ${text}\n`).join(''));
}

/** What came from somebody, without marks, in the order in which it came. */
function heard(peer: Running, from: string): string[] {
  return lines(peer, `<${from}>: `).map((line) => line.slice(line.indexOf('>: ') + 3));
}

describe('restart of the center', function () {
  this.timeout(90_000);

  async function survives(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const chat = await Chat.open(['seas', 'google', 'al']);
    try {
      const al = await chat.logIn('al');
      const [seas, google] = await Promise.all([chat.logIn('seas'), chat.logIn('google')]);
      await al.sees('seas has logged on.');
      await al.sees('google has logged on.');
      send(seas, 'google', ['before']);
      await seas.sees('(stored) to google: before\n');

      await chat.center.down(signal);
      for (const peer of [seas, google, al]) await peer.sees('Connection lost, 0 messages will be sent later.\n');
      const [toGoogle, toSeas] = [numbered('down', 20), numbered('also down', 20)];
      send(seas, 'google', toGoogle);
      send(google, 'seas', toSeas);
      seas.write('outbox\n');
      await seas.sees('20 messages are not accepted yet:\n');
      await chat.center.up();
      for (const peer of [seas, google, al]) await peer.sees('Connected again.\n', reconnectMs);
      await google.sees('<seas>: down 19\n');
      await seas.sees('<google>: also down 19\n');
      send(seas, 'google', ['after']);
      await google.sees('<seas>: after\n');
      await seas.sees('(stored) to google: after\n');

      // Everything that al was ever told is: both arrived once, and its own connection.
      send(google, 'al', ['fence']);
      await al.sees('<google>: fence\n');
      expect(lines(al, 'has logged on.').sort()).to.deep.equal(['google has logged on.', 'seas has logged on.']);
      expect(lines(al, 'is offline.')).to.deep.equal([]);
      expect(heard(google, 'seas')).to.deep.equal(['before', ...toGoogle, 'after']);
      expect(heard(seas, 'google')).to.deep.equal(toSeas);
      for (const peer of [seas, google, al]) expectOnce(peer, 'Connected again.');
      for (const text of toGoogle) expectOnce(seas, `(stored) to google: ${text}\n`);
    } finally {
      await chat.close();
    }
  }

  sideBySide({
    'in order (SIGTERM): peers resume silently, and what was typed meanwhile goes out': () => survives('SIGTERM'),

    'by kill -9: peers resume silently, and what was typed meanwhile goes out': () => survives('SIGKILL'),

    'by kill -9 amid traffic, again and again: nothing is lost, repeated or out of order': async () => {
      const chat = await Chat.open(['seas', 'google', 'al'], ['--messages-per-second', '0']);
      try {
        const data = chat.directory();
        const args = ['--wait', 'stored'];
        const [seas, google] = await Promise.all([chat.logIn('seas', { args }), chat.logIn('google', { args })]);
        const rounds = 3;
        const each = 100;
        for (let round = 0; round < rounds; round += 1) {
          send(seas, 'google', numbered(`seas ${round}`, each));
          send(google, 'seas', numbered(`google ${round}`, each));
          send(seas, 'al', numbered(`absent ${round}`, each));
          await google.sees(`<seas>: seas ${round} ${each / 4}\n`);
          await chat.center.down('SIGKILL');
          await chat.center.up();
        }
        const last = rounds - 1;
        await google.sees(`<seas>: seas ${last} ${each - 1}\n`, reconnectMs);
        await seas.sees(`<google>: google ${last} ${each - 1}\n`, reconnectMs);
        await seas.sees(`to al: absent ${last} ${each - 1}\n`, reconnectMs);
        const all = (word: string) => Array.from({ length: rounds }, (_, round) => numbered(`${word} ${round}`, each));
        expect(heard(google, 'seas')).to.deep.equal(all('seas').flat());
        expect(heard(seas, 'google')).to.deep.equal(all('google').flat());
        await chat.center.down('SIGKILL');
        await chat.center.up();
        const al = await chat.logIn('al', { data });
        await al.sees(`<seas>: absent ${last} ${each - 1}\n`);
        expect(heard(al, 'seas')).to.deep.equal(all('absent').flat());
        await seas.sees(`(stored) to al: absent ${last} ${each - 1}\n`, reconnectMs);
        // Each stays until the other knows: what a peer has stored is not known to a center that was killed.
        await seas.sees(`(stored) to google: seas ${last} ${each - 1}\n`, reconnectMs);
        await google.sees(`(stored) to seas: google ${last} ${each - 1}\n`, reconnectMs);
        seas.child.stdin?.end();
        google.child.stdin?.end();
        expect(await Promise.all([seas.ended(), google.ended()])).to.deep.equal([0, 0]);
      } finally {
        await chat.close();
      }
    },

    'with a peer that does not survive it: offline once, later; its outbox goes out at its next login': async () => {
      const chat = await Chat.open(['seas', 'google'], ['--start-grace-ms', String(startGraceMs)]);
      try {
        const data = chat.directory();
        const seas = await chat.logIn('seas');
        const google = await chat.logIn('google', { data });
        await seas.sees('google has logged on.');
        send(google, 'seas', ['before']);
        await google.sees('(stored) to seas: before\n');
        await chat.center.down('SIGKILL');
        await google.sees('Connection lost');
        await seas.sees('Connection lost');
        send(google, 'seas', ['one', 'two']);
        google.write('outbox\n');
        await google.sees('2 messages are not accepted yet:\n');
        await google.kill();
        await chat.center.up();
        await seas.sees('Connected again.', reconnectMs);
        send(seas, 'google', ['hello?']);
        await seas.sees('to google: hello?\n');
        await seas.sees('google is offline.\n', startGraceMs + reconnectMs);
        const again = await chat.logIn('google', { data });
        await seas.sees('<google>: two\n');
        await again.sees('<seas>: hello?\n');
        await again.sees('(stored) to seas: two\n');
        expect(heard(seas, 'google')).to.deep.equal(['before', 'one', 'two']);
        expect(heard(again, 'seas')).to.deep.equal(['hello?']);
        expectOnce(seas, 'google is offline.');
      } finally {
        await chat.close();
      }
    },

    'that only stands still for a while: nobody was silent, and nobody notices': async () => {
      const limits = ['--silence-ms', '3000', '--heartbeat-ms', '1000', '--grace-ms', '1000'];
      const chat = await Chat.open(['seas', 'google'], limits);
      try {
        const [seas, google] = await Promise.all([chat.logIn('seas'), chat.logIn('google')]);
        send(seas, 'google', ['before']);
        await seas.sees('(stored) to google: before\n');
        chat.center.signal('SIGSTOP');
        send(seas, 'google', ['meanwhile']);
        await wait(6_000);
        chat.center.signal('SIGCONT');
        await seas.sees('(stored) to google: meanwhile\n');
        // Long enough for a silence and the grace after it to be called so.
        await wait(5_000);
        send(google, 'seas', ['fence']);
        await seas.sees('<google>: fence\n');
        for (const peer of [seas, google]) {
          expect(peer.stdout).not.to.include('Connection lost').and.not.include('is offline.');
        }
        expect(heard(google, 'seas')).to.deep.equal(['before', 'meanwhile']);
      } finally {
        await chat.close();
      }
    },

    'together with its peers: --resume needs no password, and mail that was accepted is there': async () => {
      const chat = await Chat.open(['seas', 'google']);
      try {
        const [seasData, googleData] = [chat.directory(), chat.directory()];
        // One after the other: who comes first sees the second come.
        const seas = await chat.logIn('seas', { data: seasData });
        const google = await chat.logIn('google', { data: googleData });
        google.child.kill('SIGSTOP');
        send(seas, 'google', ['accepted']);
        await seas.sees(/^to google: accepted\n/m);
        await Promise.all([chat.center.down('SIGKILL'), seas.kill(), google.kill()]);
        await chat.center.up();
        const resume = (name: string, data: string) => chat.peer({ data, args: ['--user', name, '--resume'] });
        const back = resume('google', googleData);
        await back.sees('<seas>: accepted\n');
        const sender = resume('seas', seasData);
        await sender.sees('Welcome, seas!\n');
        send(back, 'seas', ['fence']);
        await sender.sees('<google>: fence\n');
        expectOnce(back, '<seas>: accepted');
        expect(back.stdout + sender.stdout).not.to.include('has logged on.');
      } finally {
        await chat.close();
      }
    },
  });
});
