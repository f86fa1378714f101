// What others may try over private links, and what it costs: a center that lies, a peer that lies, and strangers.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'chai';
import { DialBudget, mayBePeer } from '../../../peer/links/dial.ts';
import { Door } from '../../../peer/links/door.ts';
import { selfSigned } from '../../../shared/certificate.ts';
import { generateKey } from '../../../shared/identity.ts';
import { linkAlpnProtocol } from '../../../shared/version.ts';
import { type LinkedPeer, Matchmaker, party } from '../../helpers/matchmaker.ts';
import { codeOf } from '../../helpers/peers.ts';
import { RawLink } from '../../helpers/raw-link.ts';
import { until } from '../../helpers/until.ts';

describe('private links and those who abuse them', () => {
  let matchmaker: Matchmaker;
  let google: LinkedPeer;
  let closing: (() => void)[];
  const seas = party(1, 'seas');

  beforeEach(async () => {
    matchmaker = new Matchmaker();
    closing = [];
    google = await matchmaker.join(party(2, 'google'));
  });

  afterEach(() => {
    for (const close of closing) close();
    matchmaker.close();
  });

  /** google knows seas, who dials it. */
  function introduce(more = {}): void {
    google.meets(matchmaker.introduction(google.party, seas, { dialFirst: false, fresh: true, ...more }));
  }

  async function linked(): Promise<RawLink> {
    introduce();
    await google.sees('introduced');
    const link = await RawLink.dial(seas, google.port);
    link.hello(matchmaker.token(google.party, seas));
    await google.sees('link', ({ state }) => state === 'up');
    return link;
  }

  async function listening(server: ReturnType<typeof createServer>): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  describe('an address that is somebody else’s', () => {
    it('gets a ClientHello and nothing more, a few times at most', async () => {
      const came: Buffer[][] = [];
      const server = createServer((socket) => {
        const bytes: Buffer[] = [];
        came.push(bytes);
        socket.on('data', (chunk: Buffer) => {
          bytes.push(chunk);
          socket.end('220 mail.example.org ESMTP\r\n');
        });
        socket.on('error', () => undefined);
      });
      const port = await listening(server);
      for (let i = 0; i < 30; i++) {
        google.meets(matchmaker.introduction(google.party, seas, { at: [{ port }], fresh: true }));
        await wait(20);
      }
      await until(() => came.some((chunks) => chunks.length > 0), 'a connection');
      await wait(500);
      expect(came.length).to.be.within(1, 5);
      for (const bytes of came.map((chunks) => Buffer.concat(chunks))) {
        // One TLS record with one handshake message, a ClientHello (RFC 8446, 4 and 5.1).
        expect(bytes[0]).to.equal(22);
        expect(bytes[5]).to.equal(1);
        expect(bytes.readUInt16BE(3)).to.equal(bytes.length - 5);
        expect(bytes.readUIntBE(6, 3)).to.equal(bytes.length - 9);
      }
    });

    it('gets nothing after it has shown another key, and is not dialled again', async () => {
      let connections = 0;
      const said: Buffer[] = [];
      const server = createTlsServer(
        { ...(await selfSigned(generateKey())), minVersion: 'TLSv1.3', ALPNProtocols: [linkAlpnProtocol] },
        (socket) => {
          socket.on('data', (bytes: Buffer) => said.push(bytes));
          socket.on('error', () => undefined);
        },
      );
      server.on('connection', () => connections++).on('tlsClientError', () => undefined);
      const port = await listening(server);
      google.meets(matchmaker.introduction(google.party, seas, { at: [{ port }], fresh: true }));
      await google.sees('introduced');
      await until(() => google.links.why('seas').join().includes('showed another key'), 'the word of it');
      for (let i = 0; i < 10; i++) {
        google.meets(matchmaker.introduction(google.party, seas, { at: [{ port }], fresh: true }));
        await wait(20);
      }
      await wait(300);
      expect(connections).to.equal(1);
      expect(said).to.deep.equal([]);
      expect(google.links.why('seas').join('\n')).to.include('showed another key');
    });

    it('is not dialled below port 1024, nor on this machine unless the center is there', () => {
      expect(mayBePeer({ address: '192.0.2.1', port: 22 }, true)).to.equal(false);
      expect(mayBePeer({ address: '127.0.0.1', port: 6379 }, false)).to.equal(false);
      expect(mayBePeer({ address: '::1', port: 6379 }, false)).to.equal(false);
      expect(mayBePeer({ address: '::ffff:127.0.0.1', port: 6379 }, false)).to.equal(false);
      expect(mayBePeer({ address: '127.0.0.1', port: 6067 }, true)).to.equal(true);
      expect(mayBePeer({ address: '192.0.2.1', port: 6067 }, false)).to.equal(true);
    });

    it('is dialled five times in a row, then every quarter of a minute; all together are bounded', () => {
      let nowMs = 0;
      const budget = new DialBudget(() => nowMs);
      const at = (port: number) => ({ kind: 'verified' as const, address: '192.0.2.1', port });
      const taken = (port: number, times: number): number =>
        Array.from({ length: times }).filter(() => budget.take(at(port))).length;
      expect(taken(6067, 10)).to.equal(5);
      nowMs += 15_000;
      expect(taken(6067, 10)).to.equal(1);
      nowMs += 3_600_000;
      expect(taken(6067, 10)).to.equal(5);
      expect(Array.from({ length: 200 }, (_, i) => taken(7000 + i, 1)).filter(Boolean)).to.have.length(55);
      nowMs += 100_000;
      budget.wrong(at(8000));
      expect(taken(8000, 1)).to.equal(0);
      nowMs += 600_000;
      expect(taken(8000, 1)).to.equal(1);
    });

    it('is not punched again and again', async () => {
      let connections = 0;
      const port = await listening(createServer((socket) => socket.destroy(connections++ as never)));
      introduce();
      await google.sees('introduced');
      const punchAt = { account: seas.account, address: '127.0.0.1', port, inMs: 0 };
      for (let i = 0; i < 50; i++) google.center.says({ punchAt });
      await wait(500);
      // On this machine none at all: punches are for other machines.
      expect(connections).to.equal(0);
    });
  });

  describe('an introduction', () => {
    it('that was stolen is useless without the key', async () => {
      introduce();
      await google.sees('introduced');
      const thief = party(seas.account, 'seas');
      const link = await RawLink.dial(thief, google.port);
      link.hello(matchmaker.token(google.party, seas));
      await link.closed();
      // Not even Hello: whoever is not known learns nothing.
      expect(link.received).to.deep.equal([]);
      expect(google.links.pairings.links()).to.deep.equal([]);
    });

    it('of somebody else is useless to one who was introduced too', async () => {
      const mallory = party(3, 'mallory');
      google.meets(matchmaker.introduction(google.party, mallory, { fresh: true, dialFirst: false }));
      await google.sees('introduced');
      const link = await RawLink.dial(mallory, google.port);
      link.hello(matchmaker.token(google.party, seas));
      expect(await link.closeCode()).to.equal('bad_token');
    });

    it('that has expired, was altered or is from elsewhere opens no link', async () => {
      introduce();
      await google.sees('introduced');
      const now = Math.floor(Date.now() / 1000);
      const good = matchmaker.token(google.party, seas);
      const [head, body, signature] = good.split('.') as [string, string, string];
      const payload = JSON.parse(Buffer.from(body, 'base64url').toString());
      const longer = Buffer.from(JSON.stringify({ ...payload, exp: now + 86_400_000 })).toString('base64url');
      const bad = [
        matchmaker.token(google.party, seas, { exp: now - 120 }),
        `${head}.${longer}.${signature}`,
        `${Buffer.from('{"alg":"none","typ":"parley-introduction+jwt"}').toString('base64url')}.${longer}.`,
        matchmaker.token(google.party, seas, {}, {}, generateKey()),
        matchmaker.token(google.party, seas, { iss: 'f'.repeat(32) }),
        matchmaker.token(google.party, seas, { aud: 'parley-session' }),
        matchmaker.token(google.party, seas, {}, { typ: 'JWT' }),
        matchmaker.token(party(9, 'yahoo'), seas),
        matchmaker.token(google.party, seas, { peers: [] }),
        good.padEnd(10_000, 'A'),
        '',
      ];
      for (const token of bad) {
        const link = await RawLink.dial(seas, google.port);
        link.hello(token);
        expect(await link.closeCode(), token).to.equal('bad_token');
      }
      expect(google.links.pairings.links()).to.deep.equal([]);
      const link = await RawLink.dial(seas, google.port);
      link.hello(good);
      await google.sees('link');
    });

    it('that is not good is not taken from the center either', async () => {
      const token = matchmaker.token(google.party, seas, {}, {}, generateKey());
      google.meets(matchmaker.introduction(google.party, seas, { token, fresh: true }));
      expect((await google.sees('notice')).text).to.include('An introduction to seas is not good');
      // A token of two others, and one whose key is not the one it comes with.
      const others = matchmaker.token(party(8, 'x'), seas);
      google.meets(matchmaker.introduction(google.party, seas, { token: others, fresh: true }));
      await google.sees('notice');
      const { token: right } = matchmaker.introduction(google.party, seas);
      google.meets(matchmaker.introduction(google.party, party(1, 'seas'), { token: right ?? '', fresh: true }));
      await google.sees('notice');
      const stranger = await RawLink.dial(seas, google.port);
      await stranger.closed();
      expect(stranger.received).to.deep.equal([]);
    });

    it('does not outlive the end that comes right after it', async () => {
      const introduction = matchmaker.introduction(google.party, seas, { dialFirst: false, fresh: true });
      google.center.says({ introduction }, { linkEnd: { account: seas.account, code: 'revoked' } });
      await google.sees('introduced');
      const link = await RawLink.dial(seas, google.port);
      link.hello(matchmaker.token(google.party, seas));
      await link.closed();
      expect(link.received).to.deep.equal([]);
    });

    it('is worth nothing once the consent has ended', async () => {
      const link = await linked();
      google.center.says({ linkEnd: { account: seas.account, code: 'revoked' } });
      expect(await link.closeCode()).to.equal('revoked');
      const again = await RawLink.dial(seas, google.port);
      again.hello(matchmaker.token(google.party, seas));
      await again.closed();
      expect(again.received).to.deep.equal([]);
    });
  });

  it('somebody who comes a little before the introduction is let in', async () => {
    const link = await RawLink.dial(seas, google.port);
    link.hello(matchmaker.token(google.party, seas));
    await wait(200);
    expect(link.received).to.deep.equal([]);
    introduce();
    await google.sees('link', ({ state }) => state === 'up');
  });

  describe('another key', () => {
    const moved = party(1, 'seas');

    it('stops the link until it is trusted', async () => {
      const link = await linked();
      google.meets(matchmaker.introduction(google.party, moved, { dialFirst: false }));
      expect((await google.sees('notice')).text).to.include('seas uses a new machine');
      expect(await link.closeCode()).to.equal('bad_token');
      const stranger = await RawLink.dial(moved, google.port);
      await stranger.closed();
      expect(stranger.received).to.deep.equal([]);
      expect(google.links.why('seas')[0]).to.include('uses a new machine');
      google.links.pairings.existing('seas').trust();
      const trusted = await RawLink.dial(moved, google.port);
      trusted.hello(matchmaker.token(google.party, moved));
      await google.sees('link', ({ state }) => state === 'up');
    });

    it('is not trusted because it comes again, and is told once', async () => {
      await linked();
      for (let i = 0; i < 3; i++) google.meets(matchmaker.introduction(google.party, moved, { dialFirst: false }));
      await google.sees('notice');
      await google.sees('link', ({ state }) => state === 'down');
      expect(google.heard.filter(({ type }) => type === 'notice')).to.deep.equal([]);
      expect(await codeOf((async () => google.links.pairings.existing('seas').verify())())).to.equal('disconnected');
    });

    it('can be untrusted: then it is as unknown as any other, until trust', async () => {
      const link = await linked();
      google.links.pairings.existing('seas').untrust();
      expect(await link.closeCode()).to.equal('bad_token');
      introduce({ fresh: false });
      const stranger = await RawLink.dial(seas, google.port);
      await stranger.closed();
      expect(stranger.received).to.deep.equal([]);
      google.links.pairings.existing('seas').trust();
      const trusted = await RawLink.dial(seas, google.port);
      trusted.hello(matchmaker.token(google.party, seas));
      await google.sees('link', ({ state }) => state === 'up');
    });
  });

  describe('a flood', () => {
    it('of connections is cut off, and leaves room afterwards', async () => {
      introduce();
      await google.sees('introduced');
      const sockets = Array.from({ length: 150 }, () => connect(google.port, '127.0.0.1'));
      let cut = 0;
      for (const socket of sockets) socket.on('close', () => cut++).on('error', () => undefined);
      await until(() => cut >= 150 - 64, 'the cut');
      expect(cut).to.equal(150 - 64);
      for (const socket of sockets) socket.destroy();
      // When it knows that they are gone.
      let link: RawLink | null = null;
      while (link === null) link = await RawLink.dial(seas, google.port).catch(() => null);
      link.hello(matchmaker.token(google.party, seas));
      await google.sees('link', ({ state }) => state === 'up');
    });

    it('from one address leaves room for others', async () => {
      const door = new Door({
        ready: new Promise(() => undefined),
        credentials: () => ({ key: '', cert: '' }),
        pairingOf: () => null,
      });
      const come = (address: string): boolean => {
        let isCut = false;
        const socket = { remoteAddress: address, destroy: () => (isCut = true) } as unknown as Socket;
        void door.accept(socket);
        return !isCut;
      };
      const fromOne = Array.from({ length: 100 }, () => come('192.0.2.1')).filter(Boolean);
      expect(fromOne).to.have.length(8);
      expect(come('192.0.2.2')).to.equal(true);
    });

    it('of links of one account keeps one', async () => {
      introduce();
      await google.sees('introduced');
      const token = matchmaker.token(google.party, seas);
      const links = await Promise.all(Array.from({ length: 10 }, () => RawLink.dial(seas, google.port)));
      for (const link of links) link.hello(token);
      await google.sees('link', ({ state }) => state === 'up');
      const open = (): RawLink[] => links.filter(({ stream }) => !stream.closed && !stream.readableEnded);
      await until(() => open().length <= 1, 'the end of the others');
      await wait(300);
      expect(google.links.pairings.links()).to.have.length(1);
      expect(open()).to.have.length(1);
    });
  });

  describe('garbage on a link', () => {
    const hello = { version: 1, outbox: Buffer.alloc(16, 1) };
    const bad: [string, (link: RawLink) => void][] = [
      ['bytes that are no frame', ({ stream }) => stream.write(randomBytes(1000))],
      ['a frame that is too long', ({ stream }) => stream.write(Buffer.from([0, 1, 0, 1]))],
      ['a message without a number', (link) => link.send({ message: { number: 0, body: 'x' } })],
      ['a number that is none', (link) => link.send({ message: { number: 2 ** 63, body: 'x' } })],
      ['a time that is none', (link) => link.send({ message: { number: 1, sentAtMs: 2 ** 63, body: 'x' } })],
      ['a message without text', (link) => link.send({ message: { number: 1, body: '' } })],
      ['a nonce that was not committed to', (link) => link.send({ verifyReveal: { nonce: randomBytes(32) } })],
    ];

    for (const [what, send] of bad) {
      it(`${what}: costs that link, and nothing else`, async () => {
        const other = party(3, 'yahoo');
        google.meets(matchmaker.introduction(google.party, other, { dialFirst: false, fresh: true }));
        await google.sees('introduced');
        const bystander = await RawLink.dial(other, google.port);
        bystander.hello(matchmaker.token(google.party, other));
        await google.sees('link', ({ name }) => name === 'yahoo');
        const link = await linked();
        send(link);
        await link.closed();
        bystander.send({ message: { number: 1, sentAtMs: 1, body: 'still here' } });
        expect((await google.sees('message')).message).to.include({ from: 'yahoo', text: 'still here' });
        expect(google.failures).to.deep.equal([]);
        // And it may come back.
        const again = await RawLink.dial(seas, google.port);
        again.hello(matchmaker.token(google.party, seas));
        await google.sees('link', ({ name, state }) => name === 'seas' && state === 'up');
      });
    }

    it('before Hello, or instead of it', async () => {
      introduce();
      await google.sees('introduced');
      const token = matchmaker.token(google.party, seas);
      const first: [string, Parameters<RawLink['send']>[0]][] = [
        ['bad_frame', { message: { number: 1, body: 'too early' } }],
        ['bad_frame', { hello: { ...hello, token, outbox: Buffer.alloc(3) } }],
        ['version', { hello: { ...hello, token, version: 0 } }],
      ];
      for (const [code, frame] of first) {
        const link = await RawLink.dial(seas, google.port);
        link.send(frame);
        expect(await link.closeCode()).to.equal(code);
      }
      expect(google.heard.filter(({ type }) => type === 'message')).to.deep.equal([]);
    });

    it('of frames that nobody knows is skipped', async () => {
      const link = await linked();
      // Field 99 of LinkFrame, and a pong that nobody asked for.
      link.stream.write(Buffer.from([0, 0, 0, 5, 0x9a, 0x06, 2, 1, 1]));
      link.send({ pong: { id: 77 } }, { message: { number: 1, sentAtMs: 1, body: 'after it' } });
      expect((await google.sees('message')).message.text).to.equal('after it');
    });
  });
});
