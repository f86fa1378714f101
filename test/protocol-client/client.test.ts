// The client that was written from docs/protocol.md alone, against the real center, in conversation with the real peer.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Center } from '../../center/index.ts';
import { Peer } from '../../peer/index.ts';

const clientFile = fileURLToPath(new URL('client.js', import.meta.url));

class Client {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly ended: Promise<unknown>;

  constructor(port: number, name: string, env: Record<string, string> = {}) {
    this.#process = spawn(process.execPath, [clientFile, 'localhost', String(port), name], {
      env: { ...process.env, PASSWORD: 'summerisover', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  /** Reads up to this line. */
  async sees(expected: string): Promise<void> {
    const seen: string[] = [];
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`ended without ${expected}; saw ${JSON.stringify(seen)}`);
      if (value === expected) return;
      seen.push(value);
    }
  }

  types(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  async leaves(): Promise<void> {
    this.#process.stdin.end();
    await this.ended;
  }

  kill(): void {
    this.#process.kill();
  }
}

describe('a client written from docs/protocol.md', () => {
  let directory: string;
  let center: Center;
  let peer: Peer;
  let client: Client;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'parley-client-'));
    const dataDir = join(directory, 'center');
    center = await Center.start({ host: 'localhost', port: 0, dataDir, bcryptCost: 4 });
    peer = new Peer({ host: 'localhost', port: center.port, dataDir: join(directory, 'peer') });
    await peer.register('seas', 'summerisover');
    client = new Client(center.port, 'google');
    await client.sees(`fingerprint ${center.fingerprint}`);
    await client.sees('welcome google, 0 waiting');
  });

  afterEach(async () => {
    client.kill();
    await client.ended;
    await peer.close();
    await center.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('is shorter than 100 lines and imports nothing of the project', () => {
    const code = readFileSync(clientFile, 'utf8');
    expect(code.split('\n')).to.have.lengthOf.below(100);
    const imported = [...code.matchAll(/^import .* from '(.*)'/gm)].map(([, name]) => name);
    expect(imported.filter((name) => !name?.startsWith('node:'))).to.deep.equal(['protobufjs']);
  });

  it('talks with the peer, both ways, and acknowledges', async () => {
    client.types('seas Hello.');
    await client.sees('stored 1');
    for await (const message of peer.messages()) {
      expect(message).to.include({ from: 'google', text: 'Hello.' });
      break;
    }
    const sent = await peer.send('google', 'Hello yourself.\nHow are you?', { until: 'stored' });
    expect(sent.state).to.equal('stored');
    await client.sees('<seas>: "Hello yourself.\\nHow are you?"');
  });

  it('logs out, and finds what waited when it logs in again', async () => {
    await client.leaves();
    const sent = await peer.send('google', 'Read this later.');
    expect(sent.state).to.equal('accepted');
    client = new Client(center.port, 'google');
    await client.sees('welcome google, 1 waiting');
    await client.sees('<seas>: "Read this later."');
    await client.leaves();
    expect(peer.outbox()).to.deep.equal([]);
  });

  it('is told why a message is refused', async () => {
    await peer.block('google');
    client.types('seas Hello.');
    await client.sees('refused 1 blocked');
    client.types('nobody Hello.');
    await client.sees('error unknown_account There is no account named nobody.');
  });

  it('refuses a center with another key', async () => {
    const stranger = new Client(center.port, 'mallory', { FINGERPRINT: 'SHA256:somebodyElse' });
    await stranger.sees('error  this is not the center that it should be');
    await stranger.ended;
  });
});
