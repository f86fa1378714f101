import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import sinon from 'sinon';
import { Center, type CenterOptions } from '../../center/center.ts';
import type { ProgramIo } from '../../center/io.ts';
import { limitTable } from '../../center/limits.ts';
import { runProgram } from '../../center/program.ts';
import { StoreError } from '../../center/store/store.ts';

describe('program', () => {
  let dataDir: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-program-'));
  });

  afterEach(async () => {
    sinon.restore();
    await rm(dataDir, { recursive: true });
  });

  async function run(args: string[], signal: Promise<NodeJS.Signals> = new Promise(() => {})) {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const io: ProgramIo = {
      stdin: new PassThrough(),
      stdout,
      stderr,
      log: new PassThrough(),
      env: { HOME: dataDir },
      userId: null,
      stopAsked: () => signal,
    };
    const code = await runProgram(args, io);
    stdout.end();
    stderr.end();
    return { code, stdout: await text(stdout), stderr: await text(stderr) };
  }

  /** The options that a command line starts a center with; none is started. */
  async function startedWith(...args: string[]): Promise<CenterOptions> {
    const start = sinon.stub(Center, 'start').rejects(new Error('not now'));
    await run(['localhost', '0', '--data', dataDir, ...args]);
    start.restore();
    return start.firstCall.args[0];
  }

  const wrong: [string, string][] = [
    ['', 'host'],
    ['localhost', 'port'],
    ['stauts', 'Its commands are user, invite, '],
    ['localhost 65536', 'from 0 to 65535'],
    ['localhost -1', '-1'],
    ['localhost x', 'whole number'],
    ['localhost 0 more', 'too many'],
    ['localhost 0 --no-such', '--no-such'],
    ['localhost 0 --registration maybe', 'open, invite, closed'],
    ['localhost 0 --log-level loud', 'debug, info'],
    ['localhost 0 --max-store much', '10G'],
    ['localhost 0 --expire-mail 0', 'more than 0'],
    ['localhost 0 --heartbeat-ms 0', 'from 1'],
    ['localhost 0 --heartbeat-ms 30s', '--silence-ms must be more'],
    ['localhost 0 --max-requests 1.5', 'whole number'],
    ['localhost 0 --mailbox-messages 99999999999', 'to 2147483647'],
    ['localhost 0 --cert cert.pem', '--key'],
    ['localhost 0 --plain --cert cert.pem --key key.pem', '--plain'],
    ['0.0.0.0 0 --plain', 'no encryption'],
    ['chat.example.org 0 --plain', 'no encryption'],
    ['user', 'import'],
    ['user add', 'name'],
    ['user add seas summerisover', 'too many'],
    ['user explode', 'explode'],
    ['user list --limit', '--limit'],
    ['user ban seas --for long', '30d'],
    ['user ban seas --for 0s', 'more than 0'],
    ['invite --uses 0', 'from 1'],
    ['completion csh', 'bash, zsh, fish'],
  ];
  for (const [line, words] of wrong) {
    it(`refuses \`center ${line}\` with 2`, async () => {
      const { code, stderr } = await run(line.split(' ').filter((word) => word !== ''));
      expect(stderr).to.include(words);
      expect(code).to.equal(2);
    });
  }

  it('refuses what is empty: a variable that was not set is neither every address nor the directory one is in', async () => {
    for (const args of [
      ['', '0'],
      ['localhost', '0', '--data', ''],
      ['user', 'add', ''],
      ['check', '--data', ''],
    ]) {
      const { code, stderr } = await run(args);
      expect(stderr).to.include('It is empty.');
      expect(code).to.equal(2);
    }
  });

  it('gives every limit of the table by its name', async () => {
    const expected: Record<string, number> = {};
    const args = Object.keys(limitTable).flatMap((name, index) => {
      expected[name] = 1000 + index;
      return [`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(1000 + index)];
    });
    expect((await startedWith(...args)).limits).to.deep.equal(expected);
    expect((await startedWith()).limits).to.deep.equal({});
  });

  it('reads sizes, times and the rest as people write them', async () => {
    const options = await startedWith(
      ...['--mailbox-bytes', '1G', '--heartbeat-ms', '5s', '--max-store', '10G', '--expire-mail', '30'],
      ...['--registration', 'closed', '--bcrypt-cost', '10', '--plain'],
    );
    expect(options).to.deep.include({
      host: 'localhost',
      port: 0,
      dataDir,
      plain: true,
      registration: 'closed',
      bcryptCost: 10,
      maxStoreBytes: 10 * 2 ** 30,
      expireMailAfterMs: 30 * 86_400_000,
      limits: { mailboxBytes: 2 ** 30, heartbeatMs: 5000 },
    });
  });

  it('takes the default directory from the environment', async () => {
    const start = sinon.stub(Center, 'start').rejects(new Error('not now'));
    await run(['localhost', '0']);
    expect(start.firstCall.args[0].dataDir).to.equal(join(dataDir, '.local', 'share', 'parley', 'center'));
  });

  it('ends with 1 and says why when the store fails for good', async () => {
    const failed = Promise.withResolvers<Error>();
    const start = Center.start;
    sinon.stub(Center, 'start').callsFake(async (options) => {
      const center = await start.call(Center, options);
      Object.defineProperty(center, 'failed', { value: failed.promise });
      failed.resolve(new StoreError('closed', 'an fsync failed'));
      return center;
    });
    const { code, stdout, stderr } = await run(['localhost', '0', '--data', dataDir]);
    expect(code).to.equal(1);
    expect(stdout).to.include('listens on');
    expect(stderr).to.include('an fsync failed').and.to.include('Start it again');
    // It let the directory go.
    const again = await run(['localhost', '0', '--data', dataDir], Promise.resolve('SIGTERM'));
    expect(again).to.include({ code: 0 });
  });

  it('stops when a signal came before it had started', async () => {
    const { code, stdout } = await run(['localhost', '0', '--data', dataDir], Promise.resolve('SIGTERM'));
    expect(code).to.equal(0);
    expect(stdout).to.include('listens on');
  });

  it('says nothing of accounts where the file to import cannot be read', async () => {
    const { code, stdout, stderr } = await run(['user', 'import', join(dataDir, 'none'), '--data', dataDir]);
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(/^Cannot read .*none: there is no such file\.\n$/);
  });
});
