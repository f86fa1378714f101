import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type AccountRow, type Admin, type AdminAct, AdminError, CenterLost } from '../../center/acts.ts';
import { type ControlServer, connectControl, controlPath, serveControl } from '../../center/control.ts';
import { type Logger, openLog } from '../../center/log.ts';

describe('control', () => {
  let directory: string;
  let dataDir: string;
  let server: ControlServer | undefined;
  let acts: AdminAct[];
  let logged: string[];
  let log: Logger;
  /** What the center does with an act. */
  let answer: (act: AdminAct) => unknown;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'parley-control-'));
    dataDir = join(directory, 'data');
    mkdirSync(dataDir, { mode: 0o700 });
    acts = [];
    logged = [];
    log = openLog({ level: 'debug', pretty: false, destination: { write: (line) => logged.push(line) } });
    answer = () => ({});
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
    rmSync(directory, { recursive: true });
  });

  async function serve(): Promise<ControlServer> {
    const admin: Admin = async (act) => {
      acts.push(act);
      return (await answer(act)) as never;
    };
    server = await serveControl({ dataDir, admin, log });
    return server;
  }

  async function connected() {
    const client = await connectControl(dataDir);
    if (client === null) throw new Error('nobody listens');
    return client;
  }

  async function failure(work: Promise<unknown>): Promise<Error> {
    return work.then(
      () => expect.fail('it was done'),
      (error: Error) => error,
    );
  }

  /** What comes back for these bytes, until the center closes. */
  async function raw(bytes: string): Promise<string> {
    const socket = net.connect({ path: controlPath(dataDir).socket, allowHalfOpen: true });
    await once(socket, 'connect');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.end(bytes);
    await once(socket, 'close', { signal: AbortSignal.timeout(30_000) });
    return Buffer.concat(chunks).toString();
  }

  it('carries an act to the center and its result back', async () => {
    await serve();
    answer = () => ({ untilMs: 7 });
    const client = await connected();
    expect(await client.admin({ act: 'ban', name: 'seas', forMs: 7, reason: 'ö"\n' })).to.deep.equal({ untilMs: 7 });
    expect(acts).to.deep.equal([{ act: 'ban', name: 'seas', forMs: 7, reason: 'ö"\n' }]);
    client.close();
  });

  it('answers many at once, each with its own result, in the order in which they are done', async () => {
    await serve();
    const gates = new Map<string, PromiseWithResolvers<void>>();
    answer = async (act) => {
      const gate = Promise.withResolvers<void>();
      gates.set((act as { name: string }).name, gate);
      await gate.promise;
      return { name: (act as { name: string }).name };
    };
    const client = await connected();
    const names = Array.from({ length: 40 }, (_, index) => `user${index}`);
    const results = Promise.all(names.map((name) => client.admin({ act: 'find', name })));
    const most = 8;
    while (gates.size < most) await new Promise(setImmediate);
    // Above that many in progress, the center reads no more.
    expect(gates.size).to.equal(most);
    const settling = setInterval(() => {
      for (const gate of [...gates.values()].reverse()) gate.resolve();
    }, 1);
    expect((await results) as unknown).to.deep.equal(names.map((name) => ({ name })));
    clearInterval(settling);
    client.close();
  });

  it('tells the operator what an act says, and of other failures only that the log has them', async () => {
    await serve();
    const client = await connected();
    answer = () => Promise.reject(new AdminError('No account has the name seas.'));
    expect(await failure(client.admin({ act: 'unban', name: 'seas' }))).to.include({
      name: 'AdminError',
      message: 'No account has the name seas.',
    });
    answer = () => Promise.reject(new Error('secret thing'));
    const error = await failure(client.admin({ act: 'unban', name: 'seas' }));
    expect(error.message).to.include('log');
    expect(error.message).to.not.include('secret thing');
    expect(logged.join('')).to.include('secret thing');
    client.close();
  });

  it('is null where no center runs, also after one was killed', async () => {
    expect(await connectControl(dataDir)).to.equal(null);
    const { directory: controlDirectory, socket } = controlPath(dataDir);
    mkdirSync(controlDirectory, { mode: 0o700 });
    writeFileSync(socket, '');
    expect(await connectControl(dataDir)).to.equal(null);
    await serve();
    (await connected()).close();
  });

  it('is for the owner alone, also where the data directory is not', async () => {
    chmodSync(dataDir, 0o755);
    const { socket } = await serve();
    expect(statSync(socket).mode & 0o777).to.equal(0o600);
    expect(statSync(join(dataDir, 'control')).mode & 0o777).to.equal(0o700);
  });

  it('refuses a directory that others can enter', async () => {
    mkdirSync(join(dataDir, 'control'), { mode: 0o777 });
    chmodSync(join(dataDir, 'control'), 0o777);
    expect((await failure(serve())).message).to.include('not a private directory');
  });

  it('finds a short path for a socket whose own would be too long', async () => {
    dataDir = join(directory, 'x'.repeat(120), 'data');
    mkdirSync(dataDir, { recursive: true });
    const { directory: shortDirectory, socket } = controlPath(dataDir);
    expect(socket.startsWith(tmpdir())).to.equal(true);
    expect(socket.length).to.be.at.most(100);
    expect(controlPath(join(directory, 'x'.repeat(120), '.', 'data')).socket).to.equal(socket);
    await serve();
    answer = () => ({ done: true });
    const client = await connected();
    expect((await client.admin({ act: 'unlock', name: 'seas' })) as unknown).to.deep.equal({ done: true });
    client.close();
    await server?.close();
    rmSync(shortDirectory, { recursive: true });
  });

  it('takes acts that it knows, with the fields that they have, and nothing else', async () => {
    await serve();
    const bad = [
      'not json',
      '{}',
      'null',
      '{"id":1,"act":{"act":"explode"}}',
      '{"id":1,"act":{"act":"toString"}}',
      '{"id":1,"act":{"act":"ban","name":"seas","forMs":"1","reason":""}}',
      '{"id":1,"act":{"act":"add","name":["seas"],"password":"summerisover"}}',
      '{"id":1,"act":[]}',
    ];
    for (const line of bad) {
      const reply = JSON.parse(await raw(`${line}\n`)) as { error?: string };
      expect(reply.error, line).to.be.a('string');
    }
    expect(acts).to.deep.equal([]);
  });

  it('closes on a line over its limit and goes on for others', async () => {
    await serve();
    expect(await raw('x'.repeat(1_048_577))).to.equal('');
    (await connected()).close();
  });

  it('finishes what was asked by somebody who left', async () => {
    await serve();
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let done = false;
    answer = async () => {
      begun.resolve();
      await go.promise;
      done = true;
      return {};
    };
    const socket = net.connect(controlPath(dataDir).socket);
    socket.write('{"id":1,"act":{"act":"unlock","name":"seas"}}\n');
    await begun.promise;
    socket.destroy();
    await once(socket, 'close');
    go.resolve();
    await server?.close();
    expect(done).to.equal(true);
  });

  it('carries a page of accounts as long as they come', async () => {
    await serve();
    const row: AccountRow = {
      name: 'x'.repeat(25),
      id: 2 ** 48,
      createdAtMs: 1e12,
      online: true,
      waiting: 100_000,
      banned: { untilMs: 1e12, reason: 'ö'.repeat(200) },
      state: 'open',
    };
    answer = () => ({ accounts: Array.from({ length: 500 }, () => row), next: 'x' });
    const client = await connected();
    const page = await client.admin({ act: 'list', after: '', limit: 500, all: false });
    expect(page.accounts).to.have.length(500);
    client.close();
  });

  it('when the center stops, ends acts in progress and tells the rest', async () => {
    await serve();
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    answer = async () => {
      begun.resolve();
      await go.promise;
      return {};
    };
    const client = await connected();
    const inProgress = client.admin({ act: 'unlock', name: 'seas' });
    await begun.promise;
    const closing = server?.close();
    go.resolve();
    expect(await inProgress).to.deep.equal({});
    await closing;
    expect(await failure(client.admin({ act: 'unlock', name: 'seas' }))).to.be.instanceOf(CenterLost);
    expect(await connectControl(dataDir)).to.equal(null);
  });

  it('does not wait for ever for a center that stands still', async () => {
    const goesOn = Promise.withResolvers<void>();
    answer = () => goesOn.promise;
    await serve();
    const client = await connectControl(dataDir, 50);
    const error = await failure(client!.admin({ act: 'unlock', name: 'seas' }));
    expect(error).to.be.instanceOf(CenterLost);
    expect(error.message).to.match(/^The center runs, but has not answered for 0 s\. Look whether/);
    expect(await failure(client!.admin({ act: 'unlock', name: 'seas' }))).to.be.instanceOf(CenterLost);
    goesOn.resolve();
  });

  it('tells whoever waits that the center was lost', async () => {
    const { directory: controlDirectory, socket } = controlPath(dataDir);
    mkdirSync(controlDirectory, { mode: 0o700 });
    const killed = net.createServer((connection) => connection.once('data', () => connection.destroy()));
    killed.listen(socket);
    await once(killed, 'listening');
    const client = await connected();
    expect(await failure(client.admin({ act: 'unlock', name: 'seas' }))).to.be.instanceOf(CenterLost);
    killed.close();
  });
});
