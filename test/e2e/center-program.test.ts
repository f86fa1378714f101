import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import tls from 'node:tls';
import { expect } from 'chai';
import { connectControl } from '../../center/control.ts';
import { openAdmin } from '../../center/operate.ts';
import { lockDirectory } from '../../shared/directory.ts';
import { alpnProtocol, version } from '../../shared/version.ts';
import { program, Running, temporaryDirectory } from '../helpers/programs.ts';
import { Tmux } from '../helpers/tmux.ts';
import { WirePeer } from '../helpers/wire.ts';

const center = program('center');
const cheap = ['--bcrypt-cost', '4'];
/** Its certificate is not what is tested here. */
const anyCenter = { host: 'localhost', minVersion: 'TLSv1.3', rejectUnauthorized: false } as const;
const announced = /listens on (\S+):(\d+)\n/;

describe('the center’s program', function () {
  this.timeout(60_000);
  let directory: { path: string; remove: () => void };
  let dataDir: string;
  const started: Running[] = [];
  const terminals: Tmux[] = [];
  const peers: WirePeer[] = [];

  beforeEach(() => {
    directory = temporaryDirectory();
    dataDir = join(directory.path, 'data');
  });

  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.destroy();
    for (const one of started.splice(0)) await one.kill();
    for (const terminal of terminals.splice(0)) await terminal.close();
    directory.remove();
  });

  function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const running = new Running([...center, ...args], env);
    started.push(running);
    return running;
  }

  /** Runs a command to its end. */
  async function done(args: readonly string[], input = '') {
    const running = run(args);
    running.child.stdin!.end(input);
    const code = await running.ended();
    return { code, stdout: running.stdout, stderr: running.stderr };
  }

  function user(args: readonly string[], input?: string) {
    return done(['user', ...args, '--data', dataDir], input);
  }

  async function start(...args: string[]): Promise<{ running: Running; port: number }> {
    const running = run(['localhost', '0', '--data', dataDir, ...cheap, ...args]);
    const [, , port] = announced.exec(await running.sees(announced)) ?? [];
    // The log follows the announcement.
    await running.complains('started');
    return { running, port: Number(port) };
  }

  async function peer(port: number): Promise<WirePeer> {
    const connected = await WirePeer.connect({ port });
    peers.push(connected);
    return connected;
  }

  async function terminal(args: readonly string[]): Promise<Tmux> {
    const one = await Tmux.start([...center, ...args], { columns: 110 });
    terminals.push(one);
    return one;
  }

  async function freePort(): Promise<net.Server & { port: number }> {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return Object.assign(server, { port: (server.address() as net.AddressInfo).port });
  }

  describe('start and stop', () => {
    it('says where it listens, its fingerprint, its data directory and how long an fsync takes', async () => {
      const { running, port } = await start();
      expect(port).to.be.within(1024, 65_535);
      expect(running.stdout).to.match(/^ {2}fingerprint {2}SHA256:[A-Za-z0-9+/]{43}$/m);
      expect(running.stdout).to.include(`  data         ${dataDir}\n`);
      expect(running.stdout).to.match(/^ {2}fsync {8}\d+\.\d\d ms$/m);
      const seas = await (await peer(port)).register('seas');
      expect(seas.account).to.be.above(0);
    });

    it('keeps its data to its owner, and its identity over a restart', async () => {
      const first = (await start()).running;
      const { code } = await user(['list']);
      expect(code).to.equal(0);
      first.child.kill('SIGTERM');
      await first.ended();
      for (const name of ['.', 'center.db', 'identity.json', 'control']) {
        expect(statSync(join(dataDir, name)).mode & 0o077, name).to.equal(0);
      }
      const fingerprint = /SHA256:\S+/.exec(first.stdout)?.[0];
      expect((await start()).running.stdout).to.include(fingerprint);
    });

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      it(`on ${signal} tells its peers, lets the directory go and ends with 0`, async () => {
        const { running, port } = await start();
        const seas = await (await peer(port)).register('seas');
        running.child.kill(signal);
        expect((await seas.sees('error')).code).to.equal('shutting_down');
        expect(await running.ended()).to.equal(0);
        expect(existsSync(join(dataDir, 'control', 'socket'))).to.equal(false);
        lockDirectory(dataDir, 'a test').release();
      });
    }

    it('ends at once on a second signal', async () => {
      const { running } = await start('--bcrypt-cost', '14');
      // Something that stopping waits for.
      const client = await connectControl(dataDir);
      client?.admin({ act: 'add', name: 'seas', password: 'summerisover' }).catch(() => undefined);
      await client?.admin({ act: 'invites' });
      running.child.kill('SIGINT');
      await running.complains('stopping');
      running.child.kill('SIGINT');
      expect(await running.ended()).to.equal(130);
    });

    it('starts again after kill -9', async () => {
      const { running, port } = await start();
      await (await peer(port)).register('seas');
      await running.kill('SIGKILL');
      const again = await start();
      await (await peer(again.port)).login('seas');
    });

    it('logs JSON lines on stderr', async () => {
      const { running } = await start('--log-level', 'debug');
      running.child.kill('SIGTERM');
      await running.ended();
      const lines = running.stderr.trimEnd().split('\n');
      const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
      expect(messages[0]).to.equal('started');
      expect(messages.at(-1)).to.equal('stopped');
    });

    it('on a terminal logs for people, and says how to end it at once', async () => {
      const shown = await terminal(['localhost', '0', '--data', dataDir]);
      await shown.sees(/listens on localhost:\d+/);
      await shown.sees(/INFO.*: started/);
      // To the program alone: Ctrl-C would also reach the shell that it runs in.
      await shown.signal('SIGINT');
      await shown.sees('Ctrl-C again');
      expect(await shown.ended()).to.equal(0);
    });

    it('keeps running when whoever read its output has left', async () => {
      const { running, port } = await start();
      running.child.stdout!.destroy();
      running.child.stderr!.destroy();
      const seas = await (await peer(port)).register('seas');
      await seas.ask({ logout: {} });
      await (await peer(port)).login('seas');
      running.child.kill('SIGTERM');
      const [code] = await once(running.child, 'exit');
      expect(code).to.equal(0);
    });

    it('ends with 1 and a fatal line on what nobody foresaw', async () => {
      const preload = 'data:text/javascript,process.once("SIGUSR2",()=>{Promise.reject(new Error("unforeseen"))})';
      const [node = '', ...rest] = center;
      const running = new Running([node, '--import', preload, ...rest, 'localhost', '0', '--data', dataDir]);
      started.push(running);
      await running.complains('started');
      running.child.kill('SIGUSR2');
      expect(await running.ended()).to.equal(1);
      const last = JSON.parse(running.stderr.trimEnd().split('\n').at(-1) ?? '') as { level: string; msg: string };
      expect(last).to.include({ level: 'fatal', msg: 'unforeseen' });
    });

    it('takes its limits from options, and tells them to peers', async () => {
      const { port } = await start('--max-body-bytes', '1K', '--heartbeat-ms', '5s', '--messages-per-second', '0');
      const seas = await peer(port);
      await seas.greet();
      expect(seas.hello.limits).to.include({ maxBodyBytes: 1024, heartbeatMs: 5000, messagesPerSecond: 0 });
      await seas.register('seas');
      await seas.attach();
      seas.message(seas.account, 1, 'x'.repeat(1025));
      expect((await seas.sees('refused')).error?.code).to.equal('body_too_long');
    });

    it('registers whom it is told to', async () => {
      const { port } = await start('--registration', 'invite');
      const refused = await (await peer(port)).register('seas').catch((error: Error) => error.message);
      expect(refused).to.match(/^invite_needed:/);
      const { stdout, stderr, code } = await done(['invite', '--data', dataDir]);
      expect(code).to.equal(0);
      const invite = stdout.trim();
      expect(stderr).to.include(`peer localhost ${port} --register --invite ${invite}`);
      const seas = await peer(port);
      await seas.greet();
      await seas.enter({ register: { name: 'seas', password: 'summerisover', invite, ...seas.proof() } });
      expect((await done(['invite', 'list', '--data', dataDir])).stderr).to.include('No invite');
    });
  });

  it('sends no tickets of TLS, unless whoever starts it has settings of OpenSSL of their own', async () => {
    /** How many come before the center has answered something that is no frame. */
    const tickets = async (env: Record<string, string>): Promise<number> => {
      const running = run(['localhost', '0', '--data', dataDir, ...cheap], env);
      const [, , port] = announced.exec(await running.sees(announced)) ?? [];
      const [socket, count] = [
        tls.connect({ port: Number(port), ALPNProtocols: [alpnProtocol], ...anyCenter }),
        { of: 0 },
      ];
      socket.on('session', () => count.of++);
      socket.on('secureConnect', () => socket.write(Buffer.alloc(4, 0xff)));
      socket.resume();
      await once(socket, 'close');
      await running.kill();
      return count.of;
    };
    expect(await tickets({})).to.equal(0);
    expect(await tickets({ OPENSSL_CONF: '' })).to.be.above(0);
    expect(await tickets({ NODE_OPTIONS: '--openssl-shared-config' })).to.be.above(0);
  });

  describe('what keeps it from starting', () => {
    async function refused(args: readonly string[]): Promise<{ code: unknown; stderr: string }> {
      const { code, stdout, stderr } = await done(args);
      expect(stdout).to.equal('');
      expect(stderr).to.not.match(/^\s+at /m);
      return { code, stderr };
    }

    it('a port in use: says so and how to see by whom', async () => {
      const other = await freePort();
      const { code, stderr } = await refused(['127.0.0.1', String(other.port), '--data', dataDir]);
      expect(code).to.equal(1);
      expect(stderr).to.include(`Port ${other.port} of 127.0.0.1 is in use`).and.to.include('ss -ltnp');
      other.close();
    });

    it('an address of another machine, or of none', async () => {
      const elsewhere = await refused(['203.0.113.7', '0', '--data', dataDir]);
      expect(elsewhere.code).to.equal(1);
      expect(elsewhere.stderr).to.include('not an address of this machine');
      const unknown = await refused(['no.such.host.invalid', '0', '--data', dataDir]);
      expect(unknown.code).to.equal(1);
      expect(unknown.stderr).to.include('No address is known');
    });

    it('a data directory in use: names the process', async () => {
      const { running } = await start();
      const { code, stderr } = await refused(['localhost', '0', '--data', dataDir]);
      expect(code).to.equal(1);
      expect(stderr).to.include(`process ${running.child.pid}`).and.to.include('--data');
    });

    it('a data directory that cannot be written', async () => {
      const file = join(directory.path, 'file');
      writeFileSync(file, '');
      for (const path of [join(file, 'data'), file]) {
        const { code, stderr } = await refused(['localhost', '0', '--data', path]);
        expect(code).to.equal(1);
        expect(stderr).to.include(path).and.to.include('--data');
      }
    });

    it('a database of a newer version, and one that is none', async () => {
      await user(['list']).then(() => user(['add', 'seas', ...cheap], 'summerisover\n'));
      const db = new DatabaseSync(join(dataDir, 'center.db'));
      db.exec('PRAGMA user_version = 99');
      db.close();
      const newer = await refused(['localhost', '0', '--data', dataDir]);
      expect(newer.code).to.equal(1);
      expect(newer.stderr).to.include('version 99').and.to.include('newer program');
      const asked = await user(['list']);
      expect(asked.code).to.equal(1);
      expect(asked.stderr).to.include('version 99');
      writeFileSync(join(dataDir, 'center.db'), 'not a database, and longer than a header would be'.repeat(100));
      expect((await refused(['localhost', '0', '--data', dataDir])).code).to.equal(1);
    });

    it('a lost identity', async () => {
      await user(['add', 'seas', ...cheap], 'summerisover\n');
      const path = join(dataDir, 'identity.json');
      writeFileSync(path, '{}');
      const { code, stderr } = await refused(['localhost', '0', '--data', dataDir]);
      expect(code).to.equal(1);
      expect(stderr).to.include(path);
    });

    it('a certificate without its key', async () => {
      const cert = join(directory.path, 'cert.pem');
      writeFileSync(cert, 'x');
      const files = await refused(['localhost', '0', '--data', dataDir, '--cert', cert, '--key', cert]);
      expect(files.code).to.equal(1);
      expect(files.stderr).to.include('not a certificate');
      const absent = await refused(['localhost', '0', '--data', dataDir, '--cert', `${cert}x`, '--key', cert]);
      expect(absent.code).to.equal(1);
      expect(absent.stderr).to.include(`${cert}x`);
    });

    it('a wrong command line: says what is wrong and ends with 2', async () => {
      const { code, stderr } = await refused(['localhost', '65536']);
      expect(code).to.equal(2);
      expect(stderr).to.include('from 0 to 65535').and.to.include('--help');
    });

    it('a Node that is too old: says what to do, from a file that it can read', async () => {
      // It has no types: what an old Node reads is the same, under another name.
      const bin = join(directory.path, 'bin.mjs');
      writeFileSync(bin, readFileSync(center[1]!));
      const old = 'Object.defineProperty(process,"versions",{value:{...process.versions,node:"24.14.9"}})';
      const running = new Running([center[0]!, '--import', `data:text/javascript,${old}`, bin, 'localhost', '0']);
      started.push(running);
      expect(await running.ended()).to.equal(1);
      expect(running.stderr).to.include('24.15').and.to.include('npx center').and.to.include('24.14.9');
    });
  });

  it('teaches itself', async () => {
    const help = await done(['--help']);
    expect(help.code).to.equal(0);
    for (const words of ['center localhost 6066', '--mailbox-bytes', 'Exit codes', 'XDG_DATA_HOME', 'identity.json']) {
      expect(help.stdout).to.include(words);
    }
    expect((await done(['user', 'import', '--help'])).stdout).to.include('seas summerisover');
    expect((await done(['selftest', '--help'])).stdout).to.match(/^Usage: center selftest /);
    // Whoever is wrong is told where to read on.
    expect((await done([])).stderr)
      .to.include('center HOST PORT')
      .and.to.include('selftest');
    expect((await done(['user', 'fly'])).stderr).to.include('center user --help');
    expect((await done(['--version'])).stdout).to.equal(`${version}\n`);
  });

  async function listed(...args: string[]): Promise<Record<string, unknown>[]> {
    const { code, stdout } = await user(['list', '--json', ...args]);
    expect(code).to.equal(0);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  for (const state of ['running', 'stopped'] as const) {
    describe(`the operator’s commands, the center ${state}`, () => {
      beforeEach(async () => {
        if (state === 'running') await start();
      });

      it('imports a file, tells the lines that are wrong by number, and can do it again', async () => {
        const file = join(directory.path, 'credentials.txt');
        writeFileSync(file, '# people\nseas summerisover\n\nbroken\ngoogle hasthesky\nyahoo tiny\n');
        const first = await user(['import', file, ...cheap]);
        expect(first.code).to.equal(1);
        expect(first.stderr).to.include(`${file}:4: A line is`).and.to.include(`${file}:6: The password is too short`);
        expect(first.stdout).to.equal('2 accounts added, 2 lines failed.\n');
        const again = await user(['import', '-', ...cheap], 'seas summerisover\namazon riverdeep\n');
        expect(again.code).to.equal(0);
        expect(again.stderr).to.include('stdin:1: seas exists already');
        expect(again.stdout).to.equal('1 account added, 1 existed already.\n');
        expect((await listed()).map(({ name }) => name)).to.deep.equal(['amazon', 'google', 'seas']);
      });

      it('adds an account, lists it and removes it', async () => {
        expect((await user(['add', 'seas', ...cheap], 'summerisover\n')).stdout).to.equal('seas is added.\n');
        const online = state === 'running' ? false : null;
        expect((await listed())[0]).to.include({ name: 'seas', online, waiting: 0, state: 'open' });
        expect((await user(['remove', 'seas'])).stdout).to.include('center user release seas');
        expect(await listed()).to.have.length(0);
      });
    });
  }

  describe('the operator’s commands', () => {
    beforeEach(() => start());

    it('adds with a password from stdin or a file, and from nowhere else', async () => {
      expect(await user(['add', 'seas', ...cheap], 'summerisover\nmore\n')).to.include({
        code: 0,
        stdout: 'seas is added.\n',
      });
      const file = join(directory.path, 'password');
      writeFileSync(file, 'hasthesky\r\n');
      expect((await user(['add', 'google', '--password-file', file, ...cheap])).code).to.equal(0);
      const taken = await user(['add', 'SEAS', ...cheap], 'summerisover\n');
      expect(taken.code).to.equal(1);
      expect(taken.stderr).to.include('seas exists already');
      const none = await user(['add', 'yahoo', ...cheap], '');
      expect(none.code).to.equal(1);
      expect(none.stderr).to.include('--password-file');
      expect((await user(['add', 'yahoo', '--password-file', `${file}x`])).stderr).to.include('no such file');
      expect((await user(['add', 'yahoo', 'summerisover'])).code).to.equal(2);
      expect(await listed()).to.have.length(2);
    });

    it('asks on a terminal twice, and shows nothing of what is typed', async () => {
      const shown = await terminal(['user', 'add', 'seas', '--data', dataDir, ...cheap]);
      await shown.sees('New password for seas:');
      await shown.type('summerisovex');
      await shown.press('BSpace');
      await shown.enter('r');
      await shown.sees('The same again:');
      await shown.enter('summerisover');
      await shown.sees('seas is added.');
      expect(await shown.ended()).to.equal(0);
      expect(await shown.screen()).to.not.include('summer');

      const differing = await terminal(['user', 'passwd', 'seas', '--data', dataDir, ...cheap]);
      await differing.sees('New password');
      await differing.enter('winteriscoming');
      await differing.sees('again');
      await differing.enter('winteriscommon');
      await differing.sees('differ');
      expect(await differing.ended()).to.equal(1);

      const given = await terminal(['user', 'passwd', 'seas', '--data', dataDir, ...cheap]);
      await given.sees('New password');
      await given.press('C-c');
      await given.sees('Nothing was changed.');
      expect(await given.ended()).to.equal(1);
    });

    it('lists, bans, unlocks, removes and releases', async () => {
      await user(['add', 'seas', ...cheap], 'summerisover\n');
      expect((await user(['ban', 'seas', '--for', '1h', '--reason', 'Calm down.'])).stdout).to.include('for 1 hour');
      const table = await user(['list']);
      expect(table.stdout)
        .to.match(/^NAME +ID +CREATED/)
        .and.to.match(/^seas .*banned until .*: Calm down\.$/m);
      expect(table.stderr).to.include('1 account.');
      const row = (await listed())[0]!;
      expect(row).to.include({ name: 'seas', online: false, waiting: 0, state: 'open' });
      expect((row.banned as { reason: string }).reason).to.equal('Calm down.');
      expect((await user(['unban', 'seas'])).stdout).to.include('not banned any more');
      expect((await user(['unlock', 'seas'])).code).to.equal(0);
      expect((await user(['passwd', 'seas', ...cheap], 'winteriscoming\n')).code).to.equal(0);
      expect((await user(['remove', 'seas'])).stdout).to.include('center user release seas');
      expect(await listed()).to.have.length(0);
      expect(await listed('--all')).to.have.length(1);
      expect((await user(['release', 'seas'])).code).to.equal(0);
      const unknown = await user(['ban', 'seas']);
      expect(unknown.code).to.equal(1);
      expect(unknown.stderr).to.include('No account has the name seas');
    });

    it('takes --data before the command as well', async () => {
      await user(['add', 'seas', ...cheap], 'summerisover\n');
      expect((await done(['--data', dataDir, 'user', 'list'])).stdout).to.include('seas');
    });
  });

  it('an account added while the center does not run logs in when it does', async () => {
    expect((await user(['add', 'seas', ...cheap], 'summerisover\n')).code).to.equal(0);
    const { port } = await start();
    await (await peer(port)).login('seas', 'summerisover');
  });

  it('says where it looked when there is no center', async () => {
    const { code, stderr } = await user(['list']);
    expect(code).to.equal(1);
    expect(stderr).to.include(dataDir).and.to.include('--data');
    expect(existsSync(dataDir)).to.equal(false);
  });

  it('waits for a center that starts or stops, and not for ever', async () => {
    mkdirSync(dataDir);
    const lock = lockDirectory(dataDir, 'a center');
    const waiting = user(['add', 'seas', ...cheap], 'summerisover\n');
    const refused = await openAdmin({ dataDir, create: true, userId: null, patienceMs: 300 }).catch(
      (error: Error) => error,
    );
    expect(refused).to.be.instanceOf(Error).with.property('message').that.includes('try again in a moment');
    lock.release();
    expect((await waiting).code).to.equal(0);
  });

  it('an import does not keep people from logging in', async () => {
    const { port } = await start('--bcrypt-cost', '10');
    await user(['add', 'seas'], 'summerisover\n');
    const importing = run(['user', 'import', '-', '--data', dataDir]);
    let ended = false;
    const end = importing.ended().then((code) => {
      ended = true;
      return code;
    });
    importing.child.stdin!.end(Array.from({ length: 30 }, (_, index) => `user${index} summerisover\n`).join(''));
    const seas = await peer(port);
    const client = await connectControl(dataDir);
    while (!(await client?.admin({ act: 'find', name: 'user1' }))) expect(ended).to.equal(false);
    client?.close();
    await seas.login('seas', 'summerisover');
    expect(ended).to.equal(false);
    expect(await end).to.equal(0);
    expect(importing.stdout).to.equal('30 accounts added.\n');
  });

  it('a pipe that closes ends a command without a word', async () => {
    const lines = Array.from({ length: 300 }, (_, index) => `user${index} summerisover\n`).join('');
    await user(['import', '-', ...cheap], lines);
    const running = run(['user', 'list', '--json', '--all', '--data', dataDir]);
    running.child.stdout!.once('data', () => running.child.stdout!.destroy());
    await running.ended();
    expect(running.stderr).to.not.match(/EPIPE|^\s+at /m);
  });

  it('an output without room is said, and is nothing that a center ends for', async function () {
    if (process.platform !== 'linux') this.skip();
    await user(['add', 'seas', ...cheap], 'summerisover\n');
    const full = openSync('/dev/full', 'w');
    const [node = '', ...rest] = center;
    let mute: ChildProcess | undefined;
    try {
      const listing = spawn(node, [...rest, 'user', 'list', '--data', dataDir], { stdio: ['ignore', full, 'pipe'] });
      const said = text(listing.stderr!);
      const [code] = await once(listing, 'close');
      expect({ code, said: await said }).to.deep.equal({ code: 1, said: 'The output cannot be written: ENOSPC.\n' });

      mute = spawn(node, [...rest, 'localhost', '0', '--data', dataDir], { stdio: ['ignore', full, full] });
      const end = once(mute, 'exit');
      while (mute.exitCode === null && !existsSync(join(dataDir, 'control', 'socket'))) await wait(20);
      expect((await user(['list'])).stdout).to.match(/^seas +\d+ .* no /m);
      mute.kill('SIGTERM');
      expect((await end)[0]).to.equal(0);
    } finally {
      mute?.kill('SIGKILL');
      closeSync(full);
    }
  });

  describe('completion', () => {
    async function completed(script: string, ...words: string[]): Promise<string[]> {
      const line = `source "$0"; COMP_WORDS=(center "$@"); COMP_CWORD=$#; _center; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const shell = new Running(['bash', '-c', line, script, ...words]);
      started.push(shell);
      expect(await shell.ended(), shell.stderr).to.equal(0);
      return shell.stdout.split('\n').filter((word) => word !== '');
    }

    it('of bash knows commands, options and values', async () => {
      const script = join(directory.path, 'completion.bash');
      writeFileSync(script, (await done(['completion', 'bash'])).stdout);
      expect(await completed(script, '')).to.include.members(['user', 'invite', 'completion']);
      expect(await completed(script, 'user', 'un')).to.deep.equal(['unlock', 'unban']);
      expect(await completed(script, 'localhost', '0', '--mailbox-b')).to.deep.equal(['--mailbox-bytes']);
      expect(await completed(script, 'user', 'ban', 'seas', '--')).to.include.members(['--for', '--reason', '--data']);
      expect(await completed(script, 'localhost', '0', '--registration', 'i')).to.deep.equal(['invite']);
      expect(await completed(script, 'completion', 'z')).to.deep.equal(['zsh']);
      for (const command of ['backup', 'check', 'restore']) {
        expect(await completed(script, command, script.slice(0, -2))).to.deep.equal([script]);
      }
    });

    it('of zsh and fish is made for every command and option', async () => {
      for (const shell of ['zsh', 'fish']) {
        const { code, stdout } = await done(['completion', shell]);
        expect(code).to.equal(0);
        for (const word of ['passwd', 'invite', 'mailbox-bytes', 'discard']) expect(stdout).to.include(word);
      }
    });
  });
});
