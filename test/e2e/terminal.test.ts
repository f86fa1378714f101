// The peer as somebody uses it: the real programs in real terminals.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import { program, RunningCenter, temporaryDirectory } from '../helpers/programs.ts';
import { Tmux, type TmuxOptions } from '../helpers/tmux.ts';

describe('terminal', function () {
  this.timeout(60_000);
  let center: RunningCenter;
  let terminals: Tmux[] = [];
  let directories: { path: string; remove: () => void }[] = [];

  beforeEach(async () => {
    center = await RunningCenter.start();
  });

  afterEach(async () => {
    await Promise.all(terminals.map((terminal) => terminal.close()));
    await center.stop();
    for (const directory of directories) directory.remove();
    terminals = [];
    directories = [];
  });

  function peerCommand(...args: string[]): string[] {
    const directory = temporaryDirectory();
    directories.push(directory);
    return [...program('peer'), 'localhost', String(center.port), '--data', directory.path, ...args];
  }

  async function open(command: readonly string[], options: TmuxOptions = {}): Promise<Tmux> {
    const terminal = await Tmux.start(command, options);
    terminals.push(terminal);
    return terminal;
  }

  /** A terminal in which this account is logged in. */
  async function logIn(name: string, options: TmuxOptions = {}): Promise<Tmux> {
    const terminal = await open(peerCommand(), options);
    await terminal.sees('Username:');
    await terminal.enter(name);
    await terminal.sees('Password:');
    await terminal.enter('summerisover');
    await terminal.sees(`Welcome, ${name}!\n`);
    await terminal.sees(/^>$/m);
    return terminal;
  }

  async function users(...names: string[]): Promise<void> {
    await center.importUsers(names.map((name) => `${name} summerisover\n`).join(''));
  }

  it('holds the conversation', async () => {
    await users('seas', 'google', 'al');
    const seas = await logIn('seas');
    expect(await seas.screen()).to.match(/Username: seas\nPassword:\n(.*\n)*Welcome, seas!\n>$/);
    expect(await seas.screen()).not.to.include('summerisover');
    const google = await logIn('google');
    await seas.sees('google has logged on.\n>');
    await seas.enter('message google Hello');
    await google.sees('<seas>: Hello\n>');
    await seas.sees(/>message google Hello\n\(stored\) to google: Hello\n>/);
    await seas.enter('online');
    await seas.sees(/accounts? (is|are) online:\n(.*\n)* {2}google\n/);
    const al = await logIn('al');
    await google.sees('al has logged on.');
    await seas.enter('block google');
    await seas.sees('You have blocked google.');
    await seas.enter('broadcast hi all');
    await al.sees('(all) <seas>: hi all\n>');
    await seas.sees('Your message could not be delivered to some recipients.');
    await seas.enter('message google Are you there?');
    await seas.sees('Your message to google was not delivered.');
    await seas.enter('blocked');
    await seas.sees('You have blocked 1 account:\n  google\n');
    await seas.enter('unblock google');
    await seas.sees('You no longer block google.');
    await google.enter('quit');
    expect(await google.ended()).to.equal(0);
    await seas.sees('google is offline.\n>');
    await al.sees('google is offline.');
    expect(await google.screen())
      .not.to.include('hi all')
      .and.not.include('Are you there?');
    await seas.enter('logout');
    await seas.sees(/Logged out\.\nUsername:$/);
    await al.sees('seas is offline.');
  });

  it('counts wrong passwords down, then the seconds', async () => {
    await users('seas');
    const terminal = await open(peerCommand());
    for (const answer of [
      'Incorrect username/password. 2 more login attempts.',
      'Incorrect username/password. 1 more login attempts.',
      'Too many login attempts. Please wait 60 seconds.',
    ]) {
      await terminal.sees(/Username:$/);
      await terminal.enter('seas');
      await terminal.sees(/Password:$/);
      await terminal.enter('winterisover');
      await terminal.sees(`${answer}\nUsername:`);
    }
    await terminal.enter('seas');
    await terminal.sees(/Password:$/);
    await terminal.enter('summerisover');
    await terminal.sees(/seas is suspended for another [0-9]+ seconds\.\nUsername:$/);
  });

  it('registers, and asks for the password again', async () => {
    const terminal = await open(peerCommand());
    await terminal.sees('Username:');
    await terminal.enter('register');
    await terminal.sees(/Username: register\nChoose a name and a password\. .*logging in\.\nUsername:$/);
    await terminal.enter('seas');
    await terminal.sees(/Password:$/);
    await terminal.enter('summer');
    await terminal.sees(/Password again:$/);
    await terminal.enter('winter');
    await terminal.sees(/The two passwords differ; nothing was registered\.\nUsername:$/);
    // It is still an account that is being made, until it is made or an empty line goes back.
    await terminal.enter('seas');
    await terminal.enter('summer');
    await terminal.sees(/Password again:$/);
    await terminal.enter('winter');
    await terminal.sees(/differ(.*\n)*.*differ(.*\n)*Username:$/);
    await terminal.enter('');
    await terminal.sees(/Nothing was registered\.\nUsername:$/);
    await terminal.enter('seas');
    await terminal.enter('summer');
    await terminal.sees('Incorrect username/password.');
    await terminal.enter('register');
    await terminal.enter('seas');
    await terminal.enter('summer');
    await terminal.enter('summer');
    await terminal.sees('Welcome, seas!');
  });

  it('keeps what is being typed whole when lines come in', async () => {
    await users('seas', 'google');
    const seas = await logIn('seas', { columns: 40, rows: 12 });
    const google = await logIn('google');
    await seas.sees('google has logged on.\n>');
    const text = 'message google naïve 日本語 and more than fits into one row';
    await seas.type(text);
    await seas.press('Home', 'Right', 'Right');
    const before = await seas.sees('one row');
    const typed = before.slice(before.indexOf('>message'));
    const x = 3;
    while ((await seas.cursor()).x !== x);
    await google.enter('message seas First\u2028second');
    await google.enter('broadcast to all');
    // In either order: only the message may wait for its commit.
    await seas.sees('<google>: Firstsecond');
    const after = await seas.sees('(all) <google>: to all');
    expect(after.endsWith(typed)).to.equal(true);
    expect((await seas.cursor()).x).to.equal(x);
    await seas.resize(30, 12);
    await google.enter('message seas After the resize');
    await seas.sees('<google>: After the resize\n>message');
    await seas.press('Enter');
    await google.sees('<seas>: naïve 日本語 and more than fits into one row');
  });

  it('breaks long lines between words, and lets nobody begin a row', async () => {
    await users('seas', 'google');
    const seas = await logIn('seas', { columns: 40 });
    const google = await logIn('google');
    await seas.sees('google has logged on.\n>');
    const padding = ' '.repeat(29);
    await google.enter(`message seas Hi ${padding} <al>: Lend me some money`);
    await seas.sees('<google>: Hi\n    <al>: Lend me some money\n>');
    await seas.enter('message google the first of two rows, and the second one of them');
    await seas.sees('\n(stored) to google: the first of two\n    rows, and the second one of them\n>');
    await seas.resize(80, 24);
    await seas.enter('help quit');
    await seas.sees('quit\n    go offline and leave');
    await seas.enter('help');
    await seas.sees(/\nquit {31}go offline and leave; --resume comes back\n {35}without the password\n/);
  });

  it('edits the line', async () => {
    await users('seas', 'google');
    const seas = await logIn('seas');
    await logIn('google');
    await seas.sees('google has logged on.');
    await seas.type('mes');
    await seas.press('Tab');
    await seas.type('goo');
    await seas.press('Tab');
    await seas.sees('>message google');
    await seas.type('Helo');
    await seas.press('Left', 'BSpace');
    await seas.type('ll');
    await seas.press('Enter');
    await seas.sees('>message google Hello\n');
    await seas.press('Up', 'C-w');
    await seas.type('again');
    await seas.press('Enter');
    await seas.sees('to google: again');
    await seas.type('nonsense');
    await seas.press('C-c');
    await seas.sees(/\n>$/);
    await seas.enter('mesage google x');
    await seas.sees('Unknown command: mesage. Did you mean message?');
  });

  it('takes a paste of several lines as one message, and sends it only with Enter', async () => {
    await users('seas', 'google');
    const seas = await logIn('seas');
    const google = await logIn('google');
    await seas.sees('google has logged on.');
    await seas.type('message google ');
    await seas.paste('first\nquit\nlast\n');
    await seas.sees('>message google first↵quit↵last↵');
    await google.enter('message seas Still here?');
    await seas.sees('<google>: Still here?\n>message google first↵quit↵last↵');
    await seas.press('Enter');
    await google.sees('<seas>: first\n    quit\n    last\n>');
  });

  it('marks what is not accepted yet, and says when the connection breaks', async () => {
    await users('seas', 'google');
    const seas = await logIn('seas');
    const google = await logIn('google');
    await seas.sees('google has logged on.');
    center.signal('SIGSTOP');
    await seas.enter('message google Hello');
    await seas.sees('(pending) to google: Hello\n>');
    center.signal('SIGCONT');
    await google.sees('<seas>: Hello');
    const screen = await seas.sees('(stored) to google: Hello');
    expect(screen).not.to.include('(pending)');
    await center.down('SIGKILL');
    await seas.sees('Connection lost, 0 messages will be sent later.');
    await seas.enter('message google later');
    await seas.sees('(pending) to google: later');
    await seas.enter('outbox');
    await seas.sees(/1 message is not accepted yet:\n {2}2 {2}\(.*\) to google: later/);
    await center.up();
    await seas.sees('Connected again.');
    await google.sees('<seas>: later');
    expect(await google.screen()).not.to.include('has logged on.\nseas');
  });

  it('goes back to the first prompt when somebody logs on elsewhere', async () => {
    await users('seas');
    const first = await logIn('seas');
    await first.type('message seas unfinished');
    const second = await logIn('seas');
    await first.sees(/Logged on different location!\nNo messages are unsent\.\nUsername:$/);
    await first.enter('seas');
    await first.enter('summerisover');
    await second.sees('Logged on different location!');
    await first.sees(/Welcome, seas!(.*\n)*.*Welcome, seas!\n>$/);
  });

  it('asks for passwords without showing them', async () => {
    await users('seas');
    const seas = await logIn('seas');
    await seas.enter('passwd');
    await seas.sees(/Old password:$/);
    await seas.enter('summerisover');
    await seas.sees(/New password:$/);
    await seas.enter('winteriscoming');
    await seas.sees(/New password again:$/);
    await seas.enter('winteriscoming');
    await seas.sees('The password is changed.');
    await seas.enter('delete-account');
    await seas.sees(/Password:$/);
    await seas.enter('winteriscoming');
    const screen = await seas.sees(/The account seas is deleted\.\nUsername:$/);
    expect(screen).not.to.include('winter').and.not.include('summer');
  });

  it('gives the terminal back as it was, however it ends', async () => {
    await users('seas');
    const afterwards = 'stty -a | tr " " "\\n" | grep icanon';
    for (const [end, code] of [
      ['C-c', 0],
      ['C-d', 0],
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const terminal = await open(peerCommand(), { afterwards });
      await terminal.sees('Username:');
      if (end === 'C-c' || end === 'C-d') await terminal.press(end);
      else await terminal.signal(end);
      expect(await terminal.ended(), end).to.equal(code);
      await terminal.sees(/^icanon$/m);
    }
  });

  it('stops and goes on as a job of a shell', async () => {
    await users('seas', 'google');
    const seas = await open(['bash', '--norc', '-i'], { env: { PS1: 'shell$ ' } });
    await seas.sees('shell$');
    await seas.enter(peerCommand().join(' '));
    await seas.sees('Username:');
    await seas.enter('seas');
    await seas.enter('summerisover');
    await seas.sees('Welcome, seas!');
    await seas.type('message google Hel');
    await seas.press('C-z');
    await seas.sees(/Stopped(.*\n)*shell\$$/);
    await seas.enter('stty -a | tr " " "\\n" | grep icanon');
    await seas.sees(/^icanon$/m);
    await seas.enter('fg');
    await seas.sees(/\n>message google Hel$/);
    const google = await logIn('google');
    await seas.sees('google has logged on.\n>message google Hel');
    await seas.enter('lo');
    await google.sees('<seas>: Hello');
  });

  it('says what takes long, and leaves at once all the same', async () => {
    const silent = createServer().listen(0, 'localhost');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    try {
      const command = peerCommand();
      command[command.indexOf('localhost') + 1] = String(port);
      const terminal = await open(command);
      await terminal.sees('Username:');
      await terminal.enter('seas');
      await terminal.enter('summerisover');
      await terminal.sees(`Connecting to localhost:${port}…`);
      await terminal.press('C-c');
      expect(await terminal.ended()).to.equal(0);
      expect(await terminal.screen()).not.to.include('Connecting');
    } finally {
      silent.close();
    }
  });

  it('asks again where there is no center', async () => {
    const terminal = await open(peerCommand());
    await center.down();
    await terminal.sees('Username:');
    await terminal.enter('seas');
    await terminal.enter('summerisover');
    await terminal.sees(/nothing listens there\. Is the center running\?\.?\nUsername:$/);
    await center.up();
    await users('seas');
    await terminal.enter('seas');
    await terminal.enter('summerisover');
    await terminal.sees('Welcome, seas!');
  });

  it('leaves a question of a command without leaving the program', async () => {
    await users('seas');
    const seas = await logIn('seas');
    await seas.enter('passwd');
    await seas.sees(/Old password:$/);
    await seas.press('C-c');
    await seas.sees(/nothing was changed\.\n>$/);
    await seas.press('C-d');
    expect(await seas.ended()).to.equal(0);
  });

  it('says at quit what is unsent, and sends it after the next login', async () => {
    await users('seas', 'google');
    const command = peerCommand();
    const seas = await open(command);
    await seas.enter('seas');
    await seas.enter('summerisover');
    await seas.sees('Welcome, seas!');
    await center.down();
    await seas.sees('Connection lost, 0 messages will be sent later.');
    await seas.enter('message google from before');
    await seas.sees('(pending) to google: from before');
    await seas.enter('quit');
    await seas.sees('1 message is unsent: it goes at your next login.');
    expect(await seas.ended()).to.equal(0);
    await center.up();
    const again = await open(command);
    await again.enter('seas');
    await again.enter('summerisover');
    await again.sees('Welcome, seas!');
    await again.sees('to google: from before');
    const google = await logIn('google');
    await google.sees(/You have 1 message waiting\.\n\(.*\) <seas>: from before\n>/);
  });

  it('has colors, and none where they are not wanted', async () => {
    await users('seas');
    for (const [env, isColored] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
      [{ TERM: 'dumb' }, false],
    ] as const) {
      const seas = await logIn('seas', { env });
      await seas.enter('nonsense');
      await seas.sees('Unknown command: nonsense.');
      expect((await seas.painted()).includes('\u001b['), JSON.stringify(env)).to.equal(isColored);
    }
  });

  it('is readable without a cursor to move', async () => {
    await users('seas', 'google');
    const seas = await logIn('seas', { env: { TERM: 'dumb' }, columns: 40 });
    const google = await logIn('google');
    await seas.sees('google has logged on.');
    await seas.type('message google Hel');
    await google.enter('message seas Hi');
    await seas.sees('>message google Hel\n<google>: Hi\n>message google Hel');
    await seas.enter('lo');
    await google.sees('<seas>: Hello');
    await google.enter(`message seas Hi ${' '.repeat(29)} <al>: Lend me some money`);
    await seas.sees('<google>: Hi\n    <al>: Lend me some money\n>');
  });
});
