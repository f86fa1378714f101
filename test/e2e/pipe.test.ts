// The peer as a tool: the real programs in real pipes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { program, RunningCenter, runPeer, startPeer, temporaryDirectory } from '../helpers/programs.ts';

describe('peer in a pipe', function () {
  this.timeout(60_000);
  let center: RunningCenter;
  let directories: { path: string; remove: () => void }[] = [];
  let number = 0;

  before(async () => {
    center = await RunningCenter.start();
  });

  after(() => center.stop());

  afterEach(() => {
    for (const directory of directories) directory.remove();
    directories = [];
  });

  function temporary(): string {
    const directory = temporaryDirectory();
    directories.push(directory);
    return directory.path;
  }

  /** Accounts of this test alone; the password of all is summerisover. */
  async function users<const N extends readonly string[]>(...names: N): Promise<{ [K in keyof N]: string }> {
    number += 1;
    const made = names.map((name) => `${name}${number}`);
    await center.importUsers(made.map((name) => `${name} summerisover\n`).join(''));
    return made as unknown as { [K in keyof N]: string };
  }

  const data = () => ['--data', temporary()];

  it('logs in, sends, waits until it is accepted, exits 0', async () => {
    const [seas, google] = await users('seas', 'google');
    const sent = await runPeer(center, data(), `${seas}\nsummerisover\nmessage ${google} Hello\n`);
    expect(sent.stdout).to.include(`Welcome, ${seas}!\n`).and.include(`to ${google}: Hello\n`);
    expect(sent.code).to.equal(0);
    const got = await runPeer(center, data(), `${google}\nsummerisover\n`);
    expect(got.stdout).to.include('You have 1 message waiting.\n');
    expect(got.stdout).to.match(new RegExp(`\\(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d\\) <${seas}>: Hello\n`));
    expect(got.code).to.equal(0);
    const nothing = await runPeer(center, data(), `${google}\nsummerisover\n`);
    expect(nothing.stdout).not.to.include('Hello');
  });

  it('registers with the password twice', async () => {
    const made = await runPeer(center, [...data(), '--register'], 'newcomer\nsummerisover\nsummerisover\nusers new*\n');
    expect(made.stdout).to.include('Welcome, newcomer!').and.include('  newcomer (online)');
    expect(made.code).to.equal(0);
    const taken = await runPeer(center, [...data(), '--register'], 'Newcomer\nsummerisover\nsummerisover\n');
    expect(taken.code).to.equal(2);
    expect(taken.stderr).to.match(/^peer: .*line 3: .*taken/m);
  });

  it('takes the password from the environment or a file', async () => {
    const [seas] = await users('seas');
    const args = [...data(), '--user', seas];
    const byEnvironment = await runPeer(center, args, 'users seas*\n', { PARLEY_PASSWORD: 'summerisover' });
    expect(byEnvironment.code).to.equal(0);
    const file = join(temporary(), 'password');
    writeFileSync(file, 'summerisover\nsomething else\n');
    const byFile = await runPeer(center, [...args, '--password-file', file], `users ${seas}\n`);
    const noFile = await runPeer(center, [...args, '--password-file', `${file}x`], '');
    expect(noFile.stderr).to.include(`${file}x cannot be read: there is no such file.`);
    expect(noFile.code).to.equal(2);
    expect(byFile.stdout).to.include(`  ${seas} (online)\n`);
    expect(byFile.code).to.equal(0);
  });

  it('comes back with the token after quit, and not after a logout', async () => {
    const [seas] = await users('seas');
    const args = data();
    expect((await runPeer(center, args, `${seas}\nsummerisover\nquit\n`)).code).to.equal(0);
    const resumed = await runPeer(center, [...args, '--user', seas, '--resume'], `users ${seas}\n`);
    expect(resumed.stdout).to.include(`  ${seas} (online)\n`);
    expect(resumed.code).to.equal(0);
    const refused = await runPeer(center, [...args, '--user', seas, '--resume'], 'online\n');
    expect(refused.code).to.equal(2);
  });

  it('exits 2 with the line number where signing in fails, nothing sent', async () => {
    const [seas] = await users('seas');
    const wrong = await runPeer(center, data(), `${seas}\nwinterisover\nmessage ${seas} x\n`);
    expect(wrong.stderr).to.include('peer: line 2: Incorrect username/password. 2 more login attempts.\n');
    expect([wrong.code, wrong.stdout]).to.deep.equal([2, '']);
    const name = await runPeer(center, data(), '-\nx\n');
    expect(name.stderr).to.match(/^peer: line 1: /);
    expect(name.code).to.equal(2);
    const early = await runPeer(center, data(), `${seas}\n`);
    expect(early.stderr).to.match(/^peer: line 2: /);
    expect(early.code).to.equal(2);
  });

  it('exits 1 where something was not delivered or a command failed', async () => {
    const [seas] = await users('seas');
    const unknown = await runPeer(center, data(), `${seas}\nsummerisover\nmessage nobody-at-all Hello\n`);
    expect(unknown.code).to.equal(1);
    expect(unknown.stdout + unknown.stderr).to.include('nobody-at-all');
    const command = await runPeer(center, data(), `${seas}\nsummerisover\nmesage ${seas} Hello\nonline\n`);
    expect(command.stderr).to.include('peer: line 3: Unknown command: mesage. Did you mean message?');
    expect(command.stdout).to.include('online');
    expect(command.code).to.equal(1);
    const pattern = await runPeer(center, data(), `${seas}\nsummerisover\nusers /(/\n`);
    expect(pattern.stderr).to.match(/^peer: line 3: /m);
    expect(pattern.code).to.equal(1);
  });

  it('exits 3 where there is no center', async () => {
    // One of those that no test is ever given.
    const { code, stderr } = await runPeer({ port: 1 }, data(), 'seas\nsummerisover\n');
    expect(code).to.equal(3);
    expect(stderr).to.include('nothing listens there');
  });

  it('exits 3 where something else listens', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    server.listen(0, 'localhost');
    await once(server, 'listening');
    try {
      const address = server.address() as { port: number };
      const encrypted = await runPeer(address, data(), 'seas\nsummerisover\n');
      expect(encrypted.stderr).to.match(
        /does not speak TLS 1\.3 .* Is it a center of Parley, and started without --plain\?/,
      );
      const plain = await runPeer(address, [...data(), '--plain'], 'seas\nsummerisover\n');
      expect(plain.stderr).to.include('What answers there does not speak this protocol.');
      expect([encrypted.code, plain.code]).to.deep.equal([3, 3]);
    } finally {
      server.close();
    }
  });

  it('exits 3 where the center is not the one it was before', async () => {
    const args = data();
    const first = await RunningCenter.start();
    const { port } = first;
    try {
      await first.importUsers('seas summerisover\n');
      expect((await runPeer(first, args, 'seas\nsummerisover\n')).stderr).to.include('First contact');
    } finally {
      await first.stop();
    }
    const second = await RunningCenter.start([], port);
    try {
      const { code, stderr } = await runPeer(second, args, 'seas\nsummerisover\n');
      expect(code).to.equal(3);
      expect(stderr.match(/SHA256:/g)).to.have.length(2);
    } finally {
      await second.stop();
    }
  });

  it('exits 4 when displaced', async () => {
    const [seas] = await users('seas');
    const first = startPeer(center, data());
    first.write(`${seas}\nsummerisover\n`);
    await first.sees('Welcome');
    await runPeer(center, data(), `${seas}\nsummerisover\n`);
    expect(await first.ended()).to.equal(4);
    expect(first.stdout).to.include('Logged on different location!\nNo messages are unsent.\n');
  });

  it('waits until it is stored, if told so', async () => {
    const [seas, google] = await users('seas', 'google');
    const receiver = startPeer(center, data());
    receiver.write(`${google}\nsummerisover\n`);
    await receiver.sees('Welcome');
    const lines = Array.from({ length: 50 }, (_, i) => `message ${google} number ${i}\n`).join('');
    const sent = await runPeer(center, [...data(), '--wait', 'stored'], `${seas}\nsummerisover\n${lines}`);
    expect(sent.code).to.equal(0);
    for (let i = 0; i < 50; i += 1) expect(sent.stdout).to.include(`(stored) to ${google}: number ${i}\n`);
    receiver.child.stdin!.end();
    expect(await receiver.ended()).to.equal(0);
    const got = receiver.stdout.split('\n').filter((line) => line.includes('number'));
    expect(got).to.deep.equal(Array.from({ length: 50 }, (_, i) => `<${seas}>: number ${i}`));
  });

  it('speaks JSON', async () => {
    const [seas, google] = await users('seas', 'google');
    const input = [
      { command: 'login', name: seas, password: 'summerisover' },
      { command: 'message', to: google, text: 'two\nlines', id: 1 },
      { command: 'users', pattern: google, id: 'who' },
      { command: 'cancel', number: 99, id: 3 },
    ];
    const { code, stdout } = await runPeer(
      center,
      [...data(), '--json'],
      input.map((object) => `${JSON.stringify(object)}\n`).join(''),
    );
    const objects = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects.find((one) => one.event === 'welcome')).to.include({ name: seas });
    const reply = objects.find((one) => one.reply === 'message');
    expect(reply).to.include({ id: 1 });
    const accepted = objects.find((one) => one.event === 'accepted');
    expect(accepted.message).to.include({ id: reply.message.id, to: google, text: 'two\nlines', state: 'accepted' });
    expect(objects.find((one) => one.reply === 'users')).to.deep.include({
      id: 'who',
      people: [{ name: google, online: false }],
      more: false,
    });
    expect(objects.find((one) => 'error' in one)).to.deep.include({ command: 'cancel', id: 3, line: 4 });
    expect(code).to.equal(1);
  });

  it('holds messages until they are fetched', async () => {
    const [seas, google] = await users('seas', 'google');
    const message = `${seas}\nsummerisover\nmessage ${google} one\nmessage ${google} two\n`;
    expect((await runPeer(center, data(), message)).code).to.equal(0);
    const held = await runPeer(center, [...data(), '--hold'], `${google}\nsummerisover\ninbox 1\n`);
    expect(held.stdout).to.include('You have 2 messages waiting.').and.include(`<${seas}>: one`).and.not.include('two');
    const rest = await runPeer(center, data(), `${google}\nsummerisover\n`);
    expect(rest.stdout).to.include('You have 1 message waiting.').and.include(`<${seas}>: two`);
  });

  it('ends quietly when nobody reads its output', async () => {
    const [seas] = await users('seas');
    const reader = spawn('head', ['-n', '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [node, ...args] = [...program('peer'), 'localhost', String(center.port), ...data()];
    const peer = spawn(node!, args, { stdio: ['pipe', reader.stdin, 'pipe'] });
    reader.stdin.destroy();
    let stderr = '';
    peer.stderr.on('data', (text) => {
      stderr += text;
    });
    peer.stdin.on('error', () => undefined);
    peer.stdin.write(`${seas}\nsummerisover\n${'help\n'.repeat(200)}`);
    const [code] = await once(peer, 'close');
    expect(code).to.equal(0);
    expect(stderr).not.to.include('EPIPE');
  });

  it('exits 1 where its output cannot be written', async function () {
    if (process.platform !== 'linux') this.skip();
    const [seas] = await users('seas');
    const full = openSync('/dev/full', 'w');
    const [node, ...args] = [...program('peer'), 'localhost', String(center.port), ...data()];
    const peer = spawn(node!, args, { stdio: ['pipe', full, 'pipe'] });
    closeSync(full);
    const stderr = text(peer.stderr!);
    peer.stdin!.on('error', () => undefined);
    peer.stdin!.end(`${seas}\nsummerisover\nonline\n`);
    const [code] = await once(peer, 'close');
    expect(await stderr).to.match(/^peer: The output cannot be written \(ENOSPC\)\./m);
    expect(code).to.equal(1);
  });

  it('goes offline at once on SIGTERM', async () => {
    const [seas, google] = await users('seas', 'google');
    const watching = startPeer(center, data());
    watching.write(`${google}\nsummerisover\n`);
    await watching.sees('Welcome');
    const peer = startPeer(center, data());
    peer.write(`${seas}\nsummerisover\n`);
    await watching.sees(`${seas} has logged on.`);
    peer.child.kill('SIGTERM');
    expect(await peer.ended()).to.equal(143);
    await watching.sees(`${seas} is offline.`);
    await watching.kill();
  });

  it('explains itself', async () => {
    const { code, stdout } = await runPeer({ port: 1 }, ['--help'], '');
    expect(code).to.equal(0);
    for (const part of ['Examples:', 'Exit codes:', 'Environment:', 'PARLEY_PASSWORD', '--resume'])
      expect(stdout).to.include(part);
    for (const line of stdout.split('\n')) expect(line.length, line).to.be.at.most(80);
  });
});
