// Who is online, as the others read it: with the real programs, real signals and the real times.
import { expect } from 'chai';
import { Cable } from '../helpers/cable.ts';
import { Chat, expectOnce, lines, sideBySide, times } from '../helpers/chat.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';

/** What is promised, and how much earlier nothing may be said. */
const killedWithinMs = 10_000;
const vanishedWithinMs = 30_000;
const leastKilledMs = 8_000;
const leastVanishedMs = 20_000;

/** What is promised leaves so much to the machine, which is meant to be a quick one. */
const machineMs = 500;
function slackMs(): number {
  return (slownessOfMachine() - 1) * machineMs;
}

describe('presence', function () {
  this.timeout(90_000);

  sideBySide({
    'says once, within 10 s, that a killed peer is offline; nothing it had is lost': async () => {
      const chat = await Chat.open(['seas', 'google', 'al']);
      const cable = await Cable.to(chat.center.port);
      try {
        const data = chat.directory();
        const [seas, al] = await Promise.all([chat.logIn('seas'), chat.logIn('al')]);
        const google = await chat.logIn('google', { data, port: cable.port });
        await Promise.all([seas.sees('google has logged on.'), al.sees('google has logged on.')]);
        google.write('message seas first\n');
        await google.sees('(stored) to seas: first\n');
        // From here google hears nothing: not the message for it, nor that its own was accepted.
        cable.deafen();
        seas.write('message google in your hands\n');
        google.write('message seas from my outbox\n');
        await seas.sees('<google>: from my outbox\n');
        await seas.sees('to google: in your hands\n');

        const killedAtMs = performance.now();
        google.child.kill('SIGKILL');
        await Promise.all([seas.sees('google is offline.\n'), al.sees('google is offline.\n')]);
        const afterMs = performance.now() - killedAtMs;
        expect(afterMs).to.be.within(leastKilledMs, killedWithinMs + slackMs());
        expect(google.stdout).not.to.include('in your hands');
        expect(google.stdout).not.to.include('to seas: from my outbox');
        seas.write('message google while you were away\n');
        await seas.sees('to google: while you were away\n');

        const again = await chat.logIn('google', { data });
        await again.sees('<seas>: while you were away\n');
        await again.sees('to seas: from my outbox\n');
        await seas.sees('(stored) to google: while you were away\n');
        again.write('message seas last\n');
        await seas.sees('<google>: last\n');
        expect(lines(again, '<seas>: ').map((line) => line.replace(/^\(.*\) /, ''))).to.deep.equal([
          '<seas>: in your hands',
          '<seas>: while you were away',
        ]);
        expect(lines(seas, '<google>: ')).to.deep.equal([
          '<google>: first',
          '<google>: from my outbox',
          '<google>: last',
        ]);
        for (const watcher of [seas, al]) {
          await watcher.sees(/google has logged on\.\n(.*\n)*google has logged on\.\n/);
          expectOnce(watcher, 'google is offline.');
          expect(times(watcher.stdout, 'google has logged on.')).to.equal(2);
        }
        again.write('quit\n');
        expect(await again.ended()).to.equal(0);
        const third = await chat.logIn('google', { data });
        third.child.stdin?.end();
        expect(await third.ended()).to.equal(0);
        expect(third.stdout).not.to.include('<seas>').and.not.include('waiting');
      } finally {
        cable.close();
        await chat.close();
      }
    },

    'says once, within 30 s, that a peer whose host vanished is offline; nothing it had is lost': async () => {
      const chat = await Chat.open(['seas', 'google', 'al', 'bo']);
      try {
        const data = chat.directory();
        const [seas, bo] = await Promise.all([chat.logIn('seas'), chat.logIn('bo')]);
        const [google, al] = await Promise.all([chat.logIn('google', { data }), chat.logIn('al')]);
        for (const name of ['google', 'al']) await seas.sees(`${name} has logged on.`);
        const stoppedAtMs = performance.now();
        google.child.kill('SIGSTOP');
        al.child.kill('SIGSTOP');
        al.write('message seas typed while asleep\n');
        seas.write('message google in your hands\nmessage al in your hands too\n');
        await seas.sees('to google: in your hands\n');
        await seas.sees('to al: in your hands too\n');
        const patienceMs = vanishedWithinMs + 15_000;
        for (const name of ['google', 'al']) {
          await Promise.all([seas, bo].map((watcher) => watcher.sees(`${name} is offline.\n`, patienceMs)));
        }
        const afterMs = performance.now() - stoppedAtMs;
        expect(afterMs).to.be.within(leastVanishedMs, vanishedWithinMs + slackMs());

        // One is only asleep, and comes back by itself; the other never does, and its user logs in anew.
        al.child.kill('SIGCONT');
        google.child.kill('SIGKILL');
        await al.sees('Connected again.\n');
        await al.sees('<seas>: in your hands too\n');
        await seas.sees('<al>: typed while asleep\n');
        const again = await chat.logIn('google', { data });
        await again.sees('<seas>: in your hands\n');
        await seas.sees('(stored) to google: in your hands\n');
        await seas.sees('(stored) to al: in your hands too\n');
        again.write('message seas last\n');
        await seas.sees('<google>: last\n');
        expectOnce(again, '<seas>: in your hands');
        expectOnce(al, '<seas>: in your hands too');
        expectOnce(seas, '<al>: typed while asleep');
        for (const watcher of [seas, bo]) {
          for (const name of ['google', 'al']) {
            await watcher.sees(new RegExp(`${name} has logged on\\.\\n(.*\\n)*${name} has logged on\\.\\n`));
            expectOnce(watcher, `${name} is offline.`);
            expect(times(watcher.stdout, `${name} has logged on.`)).to.equal(2);
          }
        }
      } finally {
        await chat.close();
      }
    },

    'says nothing of a connection that breaks and comes back': async () => {
      const chat = await Chat.open(['seas', 'google']);
      const cable = await Cable.to(chat.center.port);
      try {
        const seas = await chat.logIn('seas');
        const google = await chat.logIn('google', { port: cable.port });
        await seas.sees('google has logged on.');
        cable.unplug();
        await google.sees('Connection lost, 0 messages will be sent later.\n');
        google.write('message seas one\nmessage seas two\n');
        seas.write('message google three\n');
        await seas.sees('to google: three\n');
        cable.plug();
        await google.sees('Connected again.\n');
        await google.sees('<seas>: three\n');
        await seas.sees('<google>: two\n');
        expect(lines(seas, '<google>: ')).to.deep.equal(['<google>: one', '<google>: two']);
        google.write('logout\n');
        expect(await google.ended()).to.equal(0);
        await seas.sees('google is offline.\n');
        expectOnce(seas, 'google has logged on.');
        expectOnce(seas, 'google is offline.');
        expectOnce(google, '<seas>: three');
      } finally {
        cable.close();
        await chat.close();
      }
    },

    'says once, at once, that somebody left by logout, quit, Ctrl-C, the end of input or SIGTERM': async () => {
      const chat = await Chat.open(['seas', 'a1', 'a2', 'a3', 'a4', 'a5', 'last']);
      try {
        const seas = await chat.logIn('seas');
        const names = ['a1', 'a2', 'a3', 'a4', 'a5'] as const;
        const peers = await Promise.all(names.map((name) => chat.logIn(name)));
        for (const name of names) await seas.sees(`${name} has logged on.`);
        const startMs = performance.now();
        peers[0]?.write('logout\n');
        peers[1]?.write('quit\n');
        peers[2]?.child.kill('SIGINT');
        peers[3]?.child.stdin?.end();
        peers[4]?.child.kill('SIGTERM');
        for (const name of names) await seas.sees(`${name} is offline.\n`);
        expect(performance.now() - startMs, 'not the 10 s of a broken connection').to.be.below(leastKilledMs);
        expect(await Promise.all(peers.map((peer) => peer.ended()))).to.deep.equal([0, 0, 130, 0, 143]);
        const last = await chat.logIn('last');
        await seas.sees('last has logged on.');
        last.write('online\n');
        await last.sees('1 other account is online:\n  seas\n');
        for (const name of names) expectOnce(seas, `${name} is offline.`);
      } finally {
        await chat.close();
      }
    },
  });
});
