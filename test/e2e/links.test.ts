// Private links as somebody uses them: the real programs, in real terminals and real pipes.
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { program, type Running, RunningCenter, runPeer, startPeer, temporaryDirectory } from '../helpers/programs.ts';
import { Tmux } from '../helpers/tmux.ts';

describe('private links', function () {
  this.timeout(60_000);
  let center: RunningCenter;
  let directories: { path: string; remove: () => void }[] = [];
  let terminals: Tmux[] = [];
  let running: Running[] = [];

  beforeEach(async () => {
    center = await RunningCenter.start();
    await center.importUsers('seas summerisover\ngoogle summerisover\n');
  });

  afterEach(async () => {
    await Promise.all([...terminals.map((terminal) => terminal.close()), ...running.map((peer) => peer.kill())]);
    await center.stop();
    for (const directory of directories) directory.remove();
    [directories, terminals, running] = [[], [], []];
  });

  function data(): string[] {
    const directory = temporaryDirectory();
    directories.push(directory);
    return ['--data', directory.path];
  }

  /** A terminal in which this account is logged in. */
  async function logIn(name: string, folder = data()): Promise<Tmux> {
    const command = [...program('peer'), 'localhost', String(center.port), ...folder];
    const terminal = await Tmux.start(command, { columns: 120 });
    terminals.push(terminal);
    await terminal.sees('Username:');
    await terminal.enter(name);
    await terminal.enter('summerisover');
    await terminal.sees(`Welcome, ${name}!\n`);
    return terminal;
  }

  /** A peer in a pipe whose input stays open. */
  function start(name: string, ...args: string[]): Running {
    const peer = startPeer(center, [...data(), '--user', name, ...args], { PARLEY_PASSWORD: 'summerisover' });
    running.push(peer);
    return peer;
  }

  async function link(seas: Tmux, google: Tmux): Promise<void> {
    await seas.enter('getaddress google');
    await google.sees('Request: seas wants your address. [allow seas] to accept.');
    await google.enter('allow seas');
    await seas.sees('You can now privately message google');
  }

  /** Two who are linked; one message is said and stored. */
  async function talking(folders?: { seas: string[]; google: string[] }): Promise<{ seas: Tmux; google: Tmux }> {
    const seas = await logIn('seas', folders?.seas);
    const google = await logIn('google', folders?.google);
    await seas.sees('google has logged on.');
    await link(seas, google);
    await seas.enter('private google Hello.');
    await seas.sees('\n(private) to google: Hello.\n');
    return { seas, google };
  }

  describe('in a terminal', () => {
    it('hold the conversation', async () => {
      const seas = await logIn('seas');
      const google = await logIn('google');
      await seas.sees('google has logged on.');
      await seas.enter('getaddress google');
      await seas.sees('Request has been sent.\nIf google allows it, each of you is shown the other’s address.\n>');
      await google.sees('Request: seas wants your address. [allow seas] to accept.\n>');
      await google.enter('allow seas');
      await google.sees(/You can now privately message seas\n(.*\n)*>$/);
      await seas.sees('You can now privately message google\n>');
      await seas.enter('private google Hello.');
      await google.sees('(private) <seas>: Hello.\n>');
      await seas.sees('>private google Hello.\n(private) to google: Hello.\n>');
      await google.enter('private seas Hello to you');
      await seas.sees('(private) <google>: Hello to you\n>');
      await seas.enter('links');
      await seas.sees(
        /\ngoogle {2}(direct|dialled back) {2}127\.0\.0\.1:\d+ {2}\d+(\.\d)? ms {2}unverified {2}since 20..-..-.. ..:..\n>/,
      );
      await seas.enter('why google');
      await seas.sees('The link with google is direct');
      await seas.enter('consents');
      await seas.sees(/\ngoogle {2}allows you {2}until 20..-..-.. ..:..\n/);
      await google.enter('consents');
      await google.sees(/\nseas {2}allowed by you {2}until 20/);
      await seas.enter('history google');
      await seas.sees(/\n\(20.*\) \(private\) to google: Hello\.\n\(20.*\) \(private\) <google>: Hello to you\n>/);
    });

    it('are verified by six digits that both sides see', async () => {
      const { seas, google } = await talking();
      await seas.enter('verify google');
      // Those of a link that is left for another are shown anew.
      const digits = (screen: string) =>
        [...screen.matchAll(/Compare with \w+, by voice: (\d{3} \d{3})\./g)].at(-1)?.[1];
      let both: (string | undefined)[];
      do both = await Promise.all([seas, google].map(async (terminal) => digits(await terminal.screen())));
      while (both[0] === undefined || both[0] !== both[1]);
      await seas.enter('verify google yes');
      await seas.sees('google is verified.');
      await seas.enter('links');
      await seas.sees(/ms {2}verified {2}since/);
    });

    it('say what is missing', async () => {
      const seas = await logIn('seas');
      await seas.enter('links');
      await seas.sees('There are no private links. getaddress NAME asks for one');
      await seas.enter('why google');
      await seas.sees('You two were not introduced: google is away, or there is no consent.');
      await seas.enter('private google Hello.');
      await seas.sees(/\n\(pending\) \(private\) to google: Hello\.\nPrivate messages to google wait here (.*\n)*>$/);
      await seas.enter('outbox');
      await seas.sees(/1 message is still in the outbox:\n {2}1 {2}\(\d+ s, .*\) \(private\) to google: Hello\./);
      const google = await logIn('google');
      await seas.sees('google has logged on.');
      await link(seas, google);
      await google.sees('(private) <seas>: Hello.');
      await seas.sees('\n(private) to google: Hello.');
    });

    it('keep what is said while the other is away, and go on without the center', async () => {
      const folders = { seas: data(), google: data() };
      const { seas, google } = await talking(folders);
      await google.signal('SIGSTOP');
      await seas.enter('private google Are you there?');
      await seas.sees('\n(pending) (private) to google: Are you there?\nPrivate messages to google wait here until');
      await google.signal('SIGKILL');
      await seas.sees('The link with google is down; private messages wait.\n');
      await seas.enter('quit');
      await seas.sees('1 private message is unsent: it goes when you are linked.');
      const seasAgain = await logIn('seas', folders.seas);
      await seasAgain.sees('1 private message waits for a link: outbox lists it.\n');
      const googleAgain = await logIn('google', folders.google);
      await googleAgain.sees('(private) <seas>: Are you there?\n', 15_000);
      await seasAgain.sees('\n(private) to google: Are you there?\n');
      await center.down('SIGKILL');
      await seasAgain.sees('Connection lost, 0 messages will be sent later.');
      await seasAgain.enter('private google The center is gone.');
      await googleAgain.sees('(private) <seas>: The center is gone.\n');
      await googleAgain.enter('private seas Indeed.');
      await seasAgain.sees('(private) <google>: Indeed.\n');
    });

    it('end when the consent is taken back', async () => {
      const seas = await logIn('seas');
      const google = await logIn('google');
      await seas.sees('google has logged on.');
      await seas.enter('private google Too early.');
      await seas.sees('Private messages to google wait here until');
      await link(seas, google);
      await seas.sees('\n(private) to google: Too early.\n');
      await google.enter('revoke seas');
      await google.sees('You and seas may not link any more.');
      await seas.enter('links');
      await seas.sees('There are no private links.');
      await seas.enter('private google Are you there?');
      // Said again: what was missing before has come and gone.
      await seas.sees('\n(pending) (private) to google: Are you there?\nPrivate messages to google wait here until');
      expect(await google.screen()).not.to.include('Are you there?');
    });
  });

  describe('in a pipe', () => {
    it('are made and used by a script', async () => {
      const google = start('google', '--json');
      await google.sees('"event":"welcome"');
      const seas = start('seas');
      seas.child.stdin!.end('getaddress google\nprivate google Hello.\n');
      await google.sees('{"event":"address_request","from":"seas"}\n');
      google.write('{"command":"allow","id":1,"name":"seas","for":"1h"}\n');
      await google.sees('{"reply":"allow","id":1,"name":"seas","forMs":3600000,"once":false}\n');
      expect(await seas.ended()).to.equal(0);
      expect(seas.stdout).to.equal(
        'Welcome, seas!\n' +
          'Request has been sent.\nIf google allows it, each of you is shown the other’s address.\n' +
          'You can now privately message google\n' +
          '(private) to google: Hello.\n',
      );
      // Both have ended or printed by now; what is printed comes here in no order of the two.
      const objects = (await google.sees('"event":"message"'))
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text));
      expect(objects).to.deep.include({ event: 'introduced', name: 'seas' });
      const { message } = objects.find((object) => object.event === 'message');
      expect(message).to.include({ from: 'seas', text: 'Hello.', private: true, waited: false, again: false });
      expect(objects.find((object) => object.event === 'link')).to.include({ name: 'seas', state: 'up' });
    });

    it('carry messages both ways, and list themselves', async () => {
      const google = start('google');
      await google.sees('Welcome');
      const seas = start('seas', '--json');
      await seas.sees('"welcome"');
      seas.write('getaddress google\n');
      await google.sees('Request: seas wants your address. [allow seas] to accept.\n');
      google.write('allow seas once\n');
      await seas.sees('{"event":"introduced","name":"google"}\n');
      seas.write('{"command":"private","id":"a","to":"google","text":"Hello."}\n');
      await google.sees('(private) <seas>: Hello.\n');
      google.write('private seas Hello to you\n');
      await google.sees('(private) to seas: Hello to you\n');
      await seas.sees('"text":"Hello to you"');
      seas.write('links\nwhy google\nconsents\n');
      const answers = (await seas.sees('"reply":"consents"')).trim().split('\n');
      const replies = answers.map((text) => JSON.parse(text)).filter((object) => 'reply' in object);
      const { links } = replies.find((object) => object.reply === 'links');
      expect(links).to.have.length(1);
      expect(links[0]).to.include({ name: 'google', verified: false });
      expect(links[0].roundTripMs).to.be.within(0, 10_000);
      expect(replies.find((object) => object.reply === 'why').lines[0]).to.include('The link with google is direct');
      const { consents } = replies.find((object) => object.reply === 'consents');
      expect(consents[0]).to.include({ name: 'google', given: false, once: true });
    });

    it('wait for whom a message is for, but not for whom an earlier run did', async () => {
      const args = [...data(), '--user', 'seas'];
      const env = { PARLEY_PASSWORD: 'summerisover' };
      const first = startPeer(center, args, env);
      running.push(first);
      first.child.stdin!.end('private google Hello.\n');
      await first.complains('Waiting for a private link with google…');
      await first.kill('SIGTERM');
      const second = await runPeer(center, args, 'outbox\n', env);
      expect(second.stdout).to.include('(private) to google: Hello.');
      expect(second.code).to.equal(0);
    });

    it('do not wait if told so', async () => {
      const args = [...data(), '--user', 'seas', '--wait', 'none'];
      const { code } = await runPeer(center, args, 'private google Hello.\n', { PARLEY_PASSWORD: 'summerisover' });
      expect(code).to.equal(0);
    });

    it('show the digits before a script is over', async () => {
      const google = start('google');
      await google.sees('Welcome');
      const seas = start('seas');
      seas.write('getaddress google\n');
      await google.sees('Request:');
      google.write('allow seas\n');
      await seas.sees('You can now privately message google');
      seas.write('private google Hello.\n');
      await seas.sees('(private) to google: Hello.');
      // So long both may still be opening links; digits of one that is left for another are shown on one side only.
      await wait(2_500);
      seas.child.stdin!.end('verify google\n');
      expect(await seas.ended()).to.equal(0);
      const digits = /Compare with google, by voice: (\d{3} \d{3})/.exec(seas.stdout)?.[1];
      expect(digits).to.be.a('string');
      await google.sees(`Compare with seas, by voice: ${digits}`);
    });
  });
});
