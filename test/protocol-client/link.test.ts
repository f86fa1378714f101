// The link that was written from docs/protocol.md alone, with the real peer at its other end.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type HeardPeer, Town } from '../helpers/peers.ts';

const linkFile = fileURLToPath(new URL('link.js', import.meta.url));

describe('a link written from docs/protocol.md', function () {
  this.timeout(60_000);
  let town: Town;
  let google: HeardPeer;
  let link: ChildProcessByStdio<Writable, Readable, null>;
  let lines: AsyncIterator<string>;

  /** Reads up to a line that begins so; gives the rest of it. */
  async function sees(begin: string): Promise<string> {
    const seen: string[] = [];
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`ended without ${begin}; saw ${JSON.stringify(seen)}`);
      if (value.startsWith(begin)) return value.slice(begin.length).trim();
      seen.push(value);
    }
  }

  beforeEach(async () => {
    town = await Town.open();
    google = await town.registered('google', { listen: { host: '127.0.0.1', port: 0 } });
    const { host, port } = town.address;
    link = spawn(process.execPath, [linkFile, host, String(port), 'seas', 'google'], {
      env: { ...process.env, PASSWORD: 'summerisover' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    lines = createInterface(link.stdout)[Symbol.asyncIterator]();
    await google.sees('address_request');
    await google.allow('seas');
    await sees('linked');
  });

  afterEach(async () => {
    const ended = new Promise((resolve) => link.once('exit', resolve));
    if (link.exitCode === null) {
      link.kill();
      await ended;
    }
    await town.close();
  });

  it('is shorter than 200 lines and imports nothing of the project', () => {
    const code = readFileSync(linkFile, 'utf8');
    expect(code.split('\n')).to.have.lengthOf.below(200);
    const imported = [...code.matchAll(/^import .* from '(.*)'/gm)].map(([, name]) => name);
    expect(imported.filter((name) => !name?.startsWith('node:'))).to.deep.equal(['protobufjs']);
  });

  it('carries messages both ways, with their receipts', async () => {
    link.stdin.write('Hello.\n');
    const { message } = await google.sees('message');
    expect(message).to.include({ from: 'seas', text: 'Hello.', private: true });
    await sees('stored 1');
    const sent = await google.private('seas', 'Hello to you\nand good morning');
    expect(sent.state).to.equal('stored');
    await sees('(private) "Hello to you\\nand good morning"');
    expect(google.links()[0]).to.include({ name: 'seas', verified: false });
  });

  it('gives both sides the same digits, whoever asks', async () => {
    link.stdin.write('verify\n');
    expect(await sees('digits')).to.equal((await google.sees('verify')).digits);
    google.verify('seas');
    expect(await sees('digits')).to.equal((await google.sees('verify')).digits);
  });

  it('is told when the consent is over', async () => {
    await google.revoke('seas');
    await sees('closed revoked');
  });
});
