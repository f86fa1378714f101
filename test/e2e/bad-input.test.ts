// What is wrong is refused with a clear word, by a center that goes on as if nothing had been: nobody else notices.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { encodeFrame } from '../../shared/frames.ts';
import { Chat, password, sideBySide } from '../helpers/chat.ts';
import { program, Running, RunningCenter, runPeer } from '../helpers/programs.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';
import { WirePeer } from '../helpers/wire.ts';

const isRoot = process.getuid?.() === 0;
/** Root may write anywhere but for this. */
const withoutPrivileges = isRoot ? ['setpriv', '--inh-caps=-all', '--bounding-set=-all'] : [];

describe('bad input', function () {
  this.timeout(60_000);
  let chat: Chat;
  let witness: Running;
  let fences = 0;
  const opened: Running[] = [];

  before(async () => {
    chat = await Chat.open(['seas', 'google', 'witness']);
    witness = await chat.logIn('witness');
  });

  after(async () => {
    await Promise.all(opened.map((running) => running.kill()));
    await chat.close();
  });

  /** Whoever was there all the time still has the connection of the beginning. */
  afterEach(async () => {
    fences += 1;
    witness.write(`message witness still here ${fences}\n`);
    await witness.sees(`(stored) to witness: still here ${fences}\n`);
    expect(witness.stdout).not.to.include('Connection lost');
  });

  function run(command: readonly string[]): Running {
    const running = new Running(command);
    opened.push(running);
    return running;
  }

  const data = () => ['--data', chat.directory()];

  describe('of a user', () => {
    it('at the login: line, reason, exit 2', async () => {
      const tries: readonly (readonly [input: string, complaint: RegExp])[] = [
        ['SEAS\nsummerisover\nsummerisover\n', /line 3: The name SEAS is taken\./],
        [`${'x'.repeat(26)}\n`, /line 1: The name is too long: at most 25 characters\./],
        ['näme\n', /line 1: A name is made of a-z A-Z 0-9/],
        ['broadcast\n', /line 1: broadcast is a command and cannot be a name\./],
        ['new\nshort\nshort\n', /line 2: The password is too short: at least 6 bytes\./],
        [`new\n${'ä'.repeat(37)}\n`, /line 2: The password is too long: at most 72 bytes of UTF-8\./],
        ['new\nsummerisover\nwinterisover\n', /line 3: The two passwords differ/],
        ['new\nsummerisover\n', /line 3: The input ended before the name and the password were complete/],
        ['', /line 1: The input ended before/],
      ];
      for (const [input, complaint] of tries) {
        const { code, stdout, stderr } = await runPeer(chat.center, [...data(), '--register'], input);
        expect([code, stdout], stderr).to.deep.equal([2, '']);
        expect(stderr).to.match(complaint);
      }
    });

    it('in commands: each says what is wrong with which line, the others are done, exit 1', async () => {
      const commands: readonly (readonly [line: string, complaint: string])[] = [
        ['message google', 'The text is missing. Usage: message NAME TEXT'],
        ['message', 'The name is missing. Usage: message NAME TEXT'],
        [`message google ${'x'.repeat(16_385)}`, 'The text is too long: 16385 bytes, at most 16384.'],
        [`message ${'x'.repeat(26)} Hello`, 'The name is too long: at most 25 characters.'],
        ['broadcast', 'The text is missing.'],
        [`broadcast ${'ä'.repeat(8193)}`, 'The text is too long: 16386 bytes, at most 16384.'],
        ['mesage google Hello', 'Unknown command: mesage. Did you mean message?'],
        ['google Hello', 'Unknown command: google.'],
        ['users /(/', 'The pattern cannot be understood: missing closing )'],
        ['users [a', 'The pattern cannot be understood'],
        ['block nobody-at-all', 'There is no account named nobody-at-all.'],
        ['block seas', 'You cannot block yourself.'],
        ['cancel 99', 'There is no message 99 in the outbox.'],
        ['inbox many', '"many" is not a number'],
        ['passwd\nsummerisover\nshort\nshort', 'The password is too short: at least 6 bytes.'],
      ];
      const seas = await chat.logIn('seas');
      for (const [command, complaint] of commands) {
        seas.write(`${command}\n`);
        await seas.complains(complaint);
      }
      expect(seas.stderr.match(/^peer: line \d+: /gm)).to.have.length(commands.length);
      seas.write('message nobody-at-all first\nmessage witness good\n');
      await seas.sees('Your message to nobody-at-all was not delivered. There is no account named nobody-at-all.');
      await witness.sees('<seas>: good\n');
      seas.child.stdin!.end();
      expect(await seas.ended()).to.equal(1);
      expect(witness.stdout).not.to.include('xxx').and.not.include('äää');
    });

    it('in JSON: a code for each, with the id of the command', async () => {
      const commands = [
        { command: 'message', to: 'google', text: '', id: 'usage' },
        { command: 'message', to: 'google', text: 'x'.repeat(16_385), id: 'body_too_long' },
        { command: 'message', to: 'no name', text: 'Hello', id: 'bad_name' },
        { command: 'users', pattern: '/(/', id: 'bad_pattern' },
        { command: 'block', name: 'nobody-at-all', id: 'unknown_account' },
        { command: 'fly', id: 'usage' },
        { command: 'message', to: 7, text: 'Hello', id: 'usage' },
      ];
      const input = [{ command: 'login', name: 'seas', password }, ...commands];
      const lines = input.map((object) => JSON.stringify(object));
      const { code, stdout } = await runPeer(chat.center, [...data(), '--json'], [...lines, '{"broken', ''].join('\n'));
      const errors = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter((object) => 'error' in object);
      expect(errors.map(({ id, error }) => [id, error.code])).to.deep.equal([
        ...commands.map(({ id }) => [id, id]),
        [undefined, 'usage'],
      ]);
      expect(code).to.equal(1);
    });

    it('to somebody who has blocked them, or whom they have blocked: refused, in both directions', async () => {
      const google = await chat.logIn('google');
      google.write('block seas\n');
      await google.sees('You have blocked seas.');
      const blocked = await runPeer(chat.center, data(), `seas\n${password}\nmessage google Hello\nonline\n`);
      expect(blocked.stdout).to.include('Your message to google was not delivered.').and.not.include('  google');
      expect(blocked.code).to.equal(1);
      google.write('message seas Hello\n');
      await google.sees('Your message to seas was not delivered.');
      google.write('unblock seas\nmessage seas Hello again\n');
      await google.sees('to seas: Hello again\n');
      expect(google.stdout).not.to.include('<seas>');
      await google.kill('SIGTERM');
    });
  });

  describe('of a machine', () => {
    const peers: WirePeer[] = [];

    afterEach(() => {
      for (const peer of peers.splice(0)) peer.destroy();
    });

    async function wire(): Promise<WirePeer> {
      const peer = await WirePeer.connect(chat.center);
      peers.push(peer);
      return peer;
    }

    async function refusedWith(peer: WirePeer, code: string): Promise<string> {
      const error = await peer.sees('error');
      expect(error.code).to.equal(code);
      await peer.ends();
      return error.text ?? '';
    }

    it('another version: both are named', async () => {
      const peer = await wire();
      peer.send({ hello: { version: 9, oldestVersion: 7, software: 'later', nonce: randomBytes(32) } });
      const text = await refusedWith(peer, 'version');
      expect(text).to.match(/\b1\b/).and.match(/\b7\b/).and.match(/\b9\b/);
    });

    it('a frame over the limit, before and after the login', async () => {
      const stranger = await wire();
      await stranger.greet();
      stranger.stream.write(Buffer.from([0, 0, 0x10, 1]));
      await refusedWith(stranger, 'frame_too_long');
      const member = await (await wire()).login('google');
      await member.attach();
      member.stream.write(Buffer.from([0, 1, 0, 1]));
      await refusedWith(member, 'frame_too_long');
      const most = await wire();
      most.stream.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
      await refusedWith(most, 'frame_too_long');
    });

    it('garbage inside of TLS, and frames where they do not belong', async () => {
      const garbage = await wire();
      garbage.stream.write(Buffer.concat([Buffer.from([0, 0, 0, 64]), Buffer.alloc(64, 0xff)]));
      await refusedWith(garbage, 'bad_frame');
      const early = await wire();
      early.send({ request: 1, login: { name: 'seas', password } });
      await refusedWith(early, 'wrong_state');
      const message = await (await wire()).login('google');
      message.message(1, 1, 'before Attach');
      await refusedWith(message, 'wrong_state');
      const forCenter = await wire();
      await forCenter.greet();
      const { error } = await forCenter.ask({ online: {} });
      expect(error?.code).to.equal('wrong_state');
      forCenter.send({ welcome: {}, request: 9 });
      await forCenter.take((frame) => frame.error != null);
    });

    sideBySide({
      'half a frame: waited for, and given up after 10 s': async () => {
        const half = await WirePeer.connect(chat.center);
        await half.greet();
        const frame = encodeFrame({ request: 1, heartbeat: {} });
        half.stream.write(frame.subarray(0, 5));
        half.stream.write(frame.subarray(5));
        await half.take(({ request }) => request === 1, 'the answer to two halves');
        const startMs = performance.now();
        half.stream.write(frame.subarray(0, 5));
        const gone = await WirePeer.connect(chat.center);
        gone.stream.end(frame.subarray(0, 3));
        await gone.ends();
        if (!half.closed) await once(half.stream, 'close', { signal: AbortSignal.timeout(45_000) });
        const afterMs = performance.now() - startMs;
        expect(afterMs).to.be.within(8_000, 14_000 * slownessOfMachine());
        expect(half.received.map(({ error }) => error?.code)).to.deep.equal(['timeout']);
      },

      'garbage instead of TLS, half a handshake, and silence': async () => {
        const { port } = chat.center;
        const endings = ['GET / HTTP/1.1\r\n\r\n', randomBytes(4096), Buffer.from([0x16, 3, 1, 2, 0, 1]), ''].map(
          async (bytes) => {
            const socket = connect(port, 'localhost');
            socket.on('error', () => undefined);
            await once(socket, 'connect');
            socket.resume();
            if (bytes.length > 0) socket.write(bytes);
            await once(socket, 'close', { signal: AbortSignal.timeout(45_000) });
          },
        );
        await Promise.all(endings);
      },
    });
  });

  describe('of an operator', () => {
    async function refused(args: readonly string[], before: readonly string[] = []): Promise<string> {
      const running = run([...before, ...program('center'), ...args]);
      expect(await running.ended(), running.stdout).to.equal(1);
      expect(running.stdout).to.equal('');
      expect(running.stderr, 'no stack').to.not.match(/^\s+at /m);
      return running.stderr;
    }

    it('the port or the data directory of a center that runs', async () => {
      const { port, dataDir, pid } = chat.center;
      const taken = await refused(['localhost', String(port), '--data', join(chat.directory(), 'new')]);
      expect(taken).to.include(`Port ${port} of localhost is in use`);
      const used = await refused(['localhost', '0', '--data', dataDir]);
      expect(used).to.include(dataDir).and.include(`process ${pid} (a center)`).and.include('--data');
    });

    it('a data directory in which nothing can be written', async () => {
      const path = join(chat.directory(), 'read-only');
      mkdirSync(path);
      chmodSync(path, 0o500);
      for (const dir of [path, join(path, 'within')]) {
        const text = await refused(['localhost', '0', '--data', dir], withoutPrivileges);
        expect(text).to.include(`Cannot keep data in ${dir}: permission denied.`).and.include('--data');
      }
      expect(readdirSync(path)).to.deep.equal([]);
      const peer = run([
        ...withoutPrivileges,
        ...program('peer'),
        'localhost',
        String(chat.center.port),
        '--data',
        path,
      ]);
      peer.child.stdin!.end(`seas\n${password}\n`);
      expect(await peer.ended()).to.equal(2);
      expect(peer.stderr).to.include(`Cannot keep data in ${path}: permission denied.`);
    });

    it('a data directory that somebody else may not look into', async () => {
      const closed = chat.directory();
      const data = ['--data', join(closed, 'center')];
      chmodSync(closed, 0o000);
      for (const command of [['user', 'list'], ['check'], ['backup', join(closed, 'file')]]) {
        const text = await refused([...command, ...data], withoutPrivileges);
        expect(text).to.include('No permission to look into').and.include('the user who runs the center');
      }
      chmodSync(closed, 0o700);
      expect(await refused(['user', 'list', ...data])).to.include('There is no center in');
    });

    it('a database that a newer program wrote: refused, and left as it is', async () => {
      const dataDir = join(chat.directory(), 'center');
      const made = run([...program('center'), 'user', 'add', 'seas', '--data', dataDir, '--bcrypt-cost', '4']);
      made.child.stdin!.end(`${password}\n`);
      expect(await made.ended(), made.stderr).to.equal(0);
      const file = join(dataDir, 'center.db');
      const version = setVersion(file, 99);
      expect(await refused(['localhost', '0', '--data', dataDir]))
        .to.include('99')
        .and.include('newer program');
      expect(setVersion(file, version)).to.equal(99);
      const running = run([...program('center'), 'localhost', '0', '--data', dataDir]);
      await running.sees('listens on');
    });

    it('a history that a newer peer wrote: refused, and left as it is', async () => {
      const dataDir = chat.directory();
      const args = ['--data', dataDir];
      const input = `seas\n${password}\n`;
      expect((await runPeer(chat.center, args, `${input}quit\n`)).code).to.equal(0);
      const [center = ''] = readdirSync(join(dataDir, 'centers'));
      const accounts = join(dataDir, 'centers', center, 'accounts');
      const file = join(accounts, readdirSync(accounts)[0] ?? '', 'history.db');
      const version = setVersion(file, 99);
      const newer = await runPeer(chat.center, args, input);
      expect(newer.code).to.equal(2);
      expect(newer.stderr).to.include(file).and.include('99');
      expect(setVersion(file, version)).to.equal(99);
      expect((await runPeer(chat.center, args, input)).code).to.equal(0);
    });

    /** Resolves with the version before. */
    function setVersion(file: string, version: number): number {
      const db = new DatabaseSync(file);
      try {
        const before = Number(db.prepare('PRAGMA user_version').get()?.user_version);
        db.exec(`PRAGMA user_version = ${version}`);
        return before;
      } finally {
        db.close();
      }
    }
  });

  describe('of another center', () => {
    const servers: Server[] = [];

    afterEach(() => {
      for (const server of servers.splice(0)) server.close();
    });

    it('with a new key at the same address: a running peer stops, and says both and what to do', async () => {
      const first = await RunningCenter.start();
      const data = chat.directory();
      const args = ['--data', data];
      let second: RunningCenter | null = null;
      try {
        await first.importUsers(`seas ${password}\n`);
        const seas = await chat.logIn('seas', { data, port: first.port });
        await first.stop();
        await seas.sees('Connection lost');
        seas.write('message seas unsent\n');
        second = await RunningCenter.start([], first.port);
        expect(await seas.ended()).to.equal(1);
        const said = seas.stdout + seas.stderr;
        expect(said.match(/^ *(Pinned|It shows): +SHA256:\S+$/gm)).to.have.length(2);
        expect(said).to.include('known_centers').and.include('1 message is unsent');
        const again = await runPeer(second, args, `seas\n${password}\n`);
        expect(again.code).to.equal(3);
        expect(again.stderr)
          .to.include('another key than before')
          .and.match(/remove line 1 of .*known_centers/);
        // What it said to do.
        rmSync(join(data, 'known_centers'));
        await second.importUsers(`seas ${password}\n`);
        expect((await runPeer(second, args, `seas\n${password}\n`)).code).to.equal(0);
      } finally {
        await first.stop();
        await second?.stop();
      }
    });

    it('that is none: exit 3 and a word about it', async () => {
      for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', null]) {
        const server = createServer((socket) => {
          socket.on('error', () => undefined);
          socket.once('data', () => (answer === null ? socket.destroy() : socket.end(answer)));
        });
        servers.push(server);
        server.listen(0, 'localhost');
        await once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        const { code, stderr } = await runPeer({ port }, data(), `seas\n${password}\n`);
        expect(code).to.equal(3);
        expect(stderr).to.match(new RegExp(`^peer: line 2: localhost:${port}`));
      }
    });

    it('with its own port in use, or its data directory a file: the peer says so, exit 2', async () => {
      const port = String(chat.center.port);
      const own = run([...program('peer'), 'localhost', port, 'localhost', port, ...data()]);
      own.child.stdin!.end(`seas\n${password}\n`);
      expect(await own.ended()).to.equal(2);
      expect(own.stderr).to.include(`localhost:${port} is in use by another program.`);
      const file = join(chat.directory(), 'file');
      writeFileSync(file, '');
      const inTheWay = await runPeer(chat.center, ['--data', file], `seas\n${password}\n`);
      expect(inTheWay.code).to.equal(2);
      expect(inTheWay.stderr).to.include(`Cannot keep data in ${file}: there is a file of that name in the way.`);
    });
  });
});
