import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import fc from 'fast-check';
import { identityFile } from '../../center/identity.ts';
import { runProgram } from '../../center/program.ts';
import { Tickets } from '../../center/tickets.ts';
import { encodeFrame } from '../../shared/frames.ts';
import {
  centerProof,
  generateKey,
  peerProof,
  publicDer,
  signProof,
  tokenKeyProof,
  verifyProof,
} from '../../shared/identity.ts';
import { hashToken, ticketMac, ticketPsk, ticketSecret } from '../../shared/ticket.ts';
import { TestCenter } from '../helpers/center.ts';
import { WirePeer } from '../helpers/wire.ts';

describe('Tickets', () => {
  const [identityKey, tokenKey, peerKey] = [generateKey(), generateKey(), generateKey()];
  const tickets = new Tickets({ identityKey, tokenKey });
  const issue = () => tickets.issue('a token', publicDer(peerKey));

  it('hold the secret that the peer derives for itself, and which token they are for', () => {
    const opened = tickets.open(issue());
    expect(opened?.secret).to.deep.equal(ticketSecret(peerKey, publicDer(identityKey), 'a token'));
    expect(opened?.tokenHash).to.deep.equal(hashToken('a token'));
  });

  it('have another secret for each token, peer and center', () => {
    const secrets = [
      ticketSecret(peerKey, publicDer(identityKey), 'a token'),
      ticketSecret(peerKey, publicDer(identityKey), 'another'),
      ticketSecret(generateKey(), publicDer(identityKey), 'a token'),
      ticketSecret(peerKey, publicDer(generateKey()), 'a token'),
    ];
    expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).to.equal(4);
  });

  it('are never the same twice, and fit what every TLS takes', () => {
    expect(issue()).not.to.equal(issue());
    expect(issue()).to.match(/^[\w-]{1,128}$/);
  });

  it('are worth nothing at another center, or when a key of this one was replaced', () => {
    for (const keys of [
      { identityKey: generateKey(), tokenKey },
      { identityKey, tokenKey: generateKey() },
    ]) {
      expect(new Tickets(keys).open(issue())).to.equal(null);
    }
  });

  it('altered anywhere, cut off or made up are none', () => {
    const ticket = issue();
    fc.assert(
      // The last character has bits that mean nothing.
      fc.property(
        fc.nat({ max: ticket.length - 2 }),
        fc.constantFrom(...'ABCDabcd0189-_.=~ \n'),
        (index, character) => {
          fc.pre(ticket[index] !== character);
          expect(tickets.open(ticket.slice(0, index) + character + ticket.slice(index + 1))).to.equal(null);
        },
      ),
    );
    for (let kept = 0; kept < ticket.length - 1; kept++) expect(tickets.open(ticket.slice(0, kept))).to.equal(null);
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => tickets.open(text) === null));
    expect(tickets.open('A'.repeat(1_000_000))).to.equal(null);
  });
});

describe('resuming with a ticket', () => {
  let center: TestCenter;
  const plain = { plain: true };

  afterEach(() => center.stop());

  const secretOf = ({ key, token, hello }: WirePeer) => ticketSecret(key, hello.identityKey!, token);

  async function arrive(options: Parameters<typeof WirePeer.connect>[1]): Promise<WirePeer> {
    const peer = await WirePeer.connect(center.center, options);
    center.peers.push(peer);
    return peer;
  }

  describe('over plain TCP', () => {
    let seas: WirePeer;

    beforeEach(async () => {
      center = await TestCenter.start();
      seas = await center.register('seas');
    });

    /** Who has said Hello with the ticket of seas. */
    async function greeted(ticket = seas.ticket): Promise<WirePeer> {
      const peer = await arrive(plain);
      peer.key = seas.key;
      await peer.greet({ ticket });
      return peer;
    }

    function proofOf(peer: WirePeer): { token: string; key: Uint8Array; mac: Uint8Array } {
      const mac = ticketMac(secretOf(seas), peerProof(peer.binding));
      return { token: seas.token, key: publicDer(seas.key), mac };
    }

    it('takes a code in place of each of the two signatures', async () => {
      const again = await greeted();
      expect(again.hello.mac).to.deep.equal(ticketMac(secretOf(seas), centerProof(again.binding)));
      expect(again.hello.identitySignature).to.have.length(0);
      const welcome = await again.enter({ resume: { ...proofOf(again), attach: { outbox: seas.outbox } } });
      expect(welcome).to.include({ account: seas.account, token: seas.token, ticket: '' });
      expect(welcome.attached).not.to.equal(null);
    });

    it('is for the token of the ticket, and no other', async () => {
      const google = await center.register('google');
      const thief = await greeted();
      const resume = { ...proofOf(thief), token: google.token };
      expect(await thief.refused({ resume })).to.include({ code: 'bad_signature' });
      expect(await thief.refused({ resume: { ...resume, key: publicDer(google.key) } })).to.include({
        code: 'bad_signature',
      });
    });

    it('is for the key of the token, and no other', async () => {
      const thief = await greeted();
      const resume = { ...proofOf(thief), key: publicDer(generateKey()) };
      expect(await thief.refused({ resume })).to.include({ code: 'bad_token' });
    });

    it('needs the code of this very connection', async () => {
      const [one, two] = [await greeted(), await greeted()];
      expect(await two.refused({ resume: proofOf(one) })).to.include({ code: 'bad_signature' });
      for (const mac of [Buffer.alloc(0), Buffer.alloc(32)]) {
        expect(await two.refused({ resume: { ...proofOf(two), mac } })).to.include({ code: 'bad_signature' });
      }
      await two.enter({ resume: { token: seas.token, ...two.proof() } });
    });

    it('is not needed: the center signs for whom it does not know, and gives a ticket anew', async () => {
      for (const ticket of ['A'.repeat(123), 'x', `${seas.ticket}A`]) {
        const again = await greeted(ticket);
        const { binding, hello } = again;
        expect(hello.mac).to.have.length(0);
        expect(verifyProof(hello.identityKey!, centerProof(binding), hello.identitySignature!)).to.equal(true);
        expect(await again.refused({ resume: proofOf(again) })).to.include({ code: 'bad_signature' });
        const { ticket: next } = await again.enter({ resume: { token: seas.token, ...again.proof() } });
        expect(next).to.have.length(123).and.not.to.equal(seas.ticket);
      }
    });

    it('ends with the session', async () => {
      await seas.ask({ logout: {} });
      const again = await greeted();
      expect(await again.refused({ resume: proofOf(again) })).to.include({ code: 'bad_token' });
    });
  });

  describe('over TLS', () => {
    let seas: WirePeer;

    beforeEach(async () => {
      center = await TestCenter.start({ plain: false });
      seas = await center.register('seas');
    });

    const pskOf = (peer: WirePeer) => ({ identity: peer.ticket, psk: ticketPsk(secretOf(peer)) });

    const isReused = ({ stream }: WirePeer) => (stream as TLSSocket).isSessionReused();

    it('needs no certificate, no signature, and no answer to Hello', async () => {
      const again = await arrive({ psk: pskOf(seas) });
      expect(isReused(again)).to.equal(true);
      expect((again.stream as TLSSocket).getPeerX509Certificate()).to.equal(undefined);
      again.send({ hello: { version: 1, oldestVersion: 1, nonce: Buffer.alloc(32) } });
      again.send({ resume: { token: seas.token, key: publicDer(seas.key) }, request: 7 });
      const hello = await again.sees('hello');
      expect(hello.identityKey).to.deep.equal(seas.hello.identityKey);
      expect([hello.identitySignature, hello.mac]).to.deep.equal([Buffer.alloc(0), Buffer.alloc(0)]);
      expect(await again.sees('welcome')).to.include({ account: seas.account, token: seas.token, ticket: '' });
    });

    it('has both answers in one write, be it a refusal', async () => {
      for (const [token, answer] of [
        [seas.token, 'welcome'],
        ['no token', 'error'],
      ] as const) {
        const again = await arrive({ psk: pskOf(seas) });
        const reads: Buffer[] = [];
        again.stream.on('data', (bytes: Buffer) => reads.push(bytes));
        const hello = { version: 1, oldestVersion: 1, nonce: Buffer.alloc(32) };
        const resume = { token, key: publicDer(seas.key) };
        again.stream.write(Buffer.concat([encodeFrame({ hello }), encodeFrame({ resume, request: 7 })]));
        await again.sees('hello');
        await again.sees(answer);
        expect(reads, answer).to.have.length(1);
      }
    });

    it('works after the center was started again', async () => {
      await center.restart();
      expect(isReused(await arrive({ psk: pskOf(seas) }))).to.equal(true);
    });

    it('is for the token of the ticket, and no other', async () => {
      const google = await center.register('google');
      const thief = await arrive({ psk: pskOf(seas) });
      await thief.greet();
      for (const { key } of [seas, google]) {
        const resume = { token: google.token, key: publicDer(key) };
        expect(await thief.refused({ resume })).to.include({ code: 'bad_signature' });
      }
    });

    it('can be shown in Hello, too, beside the certificate', async () => {
      const again = await arrive({});
      again.key = seas.key;
      await again.greet({ ticket: seas.ticket });
      expect(again.exporter).to.have.length(32);
      expect(again.hello.mac).to.deep.equal(ticketMac(secretOf(seas), centerProof(again.binding)));
      const resume = { token: seas.token, key: publicDer(seas.key) };
      expect(await again.refused({ resume })).to.include({ code: 'bad_signature' });
      const mac = ticketMac(secretOf(seas), peerProof(again.binding));
      expect(await again.enter({ resume: { ...resume, mac } })).to.include({ token: seas.token, ticket: '' });
    });

    it('is for who knows the secret: with the ticket alone TLS fails, and the center goes on', async () => {
      const wrong = await WirePeer.connect(center.center, { psk: { ...pskOf(seas), psk: Buffer.alloc(32) } }).catch(
        (error: Error) => error,
      );
      expect(wrong).to.be.instanceOf(Error);
      await (await center.register('google')).fence();
    });

    it('is not needed: the center shows its certificate to whom it does not know', async () => {
      for (const identity of ['A'.repeat(123), 'x', 'ü'.repeat(50), seas.ticket.replace(/^./, '.')]) {
        const again = await arrive({ psk: { ...pskOf(seas), identity } });
        expect(isReused(again)).to.equal(false);
        again.key = seas.key;
        await again.greet();
        const resume = { token: seas.token, key: publicDer(seas.key) };
        expect(await again.refused({ resume })).to.include({ code: 'bad_signature' });
        const { ticket } = await again.enter({ resume: { token: seas.token, ...again.proof() } });
        expect(ticket).to.have.length(123);
      }
    });

    it('works where the center asks for another key share', async () => {
      const again = await arrive({ psk: pskOf(seas), tls: { ecdhCurve: 'P-256:X25519' } });
      expect(isReused(again)).to.equal(true);
      await again.greet();
      await again.enter({ resume: { token: seas.token, key: publicDer(seas.key) } });
    });

    it('is nothing where TLS resumes a session of its own, or has another hash', async () => {
      const tls = { ciphers: 'TLS_AES_256_GCM_SHA384' };
      const stranger = await arrive({ tls });
      const [session] = await once(stranger.stream, 'session');
      for (const psk of [undefined, pskOf(seas)]) {
        const again = await arrive({ ...(psk ? { psk } : {}), tls: { ...tls, session } });
        expect(isReused(again)).to.equal(false);
        await again.greet();
        expect(again.hello.identitySignature).not.to.have.length(0);
        const resume = { token: seas.token, key: publicDer(seas.key) };
        expect(await again.refused({ resume })).to.include({ code: 'bad_signature' });
      }
    });

    /** A resume with the ticket of seas, where TLS took it. */
    async function refusal(): Promise<string> {
      const again = await arrive({ psk: pskOf(seas) });
      expect(isReused(again)).to.equal(true);
      await again.greet();
      return (await again.refused({ resume: { token: seas.token, key: publicDer(seas.key) } })).code;
    }

    it('ends with the session, though TLS takes it', async () => {
      const elsewhere = await center.login('seas');
      expect(await refusal()).to.equal('displaced');
      await elsewhere.ask({ logout: {} });
      expect(await refusal()).to.equal('bad_token');
    });

    it('leaves a login by password to whom it does not help any more, bound to that same TLS', async () => {
      const again = await arrive({ psk: pskOf(seas) });
      again.key = seas.key;
      await again.greet();
      await seas.ask({ logout: {} });
      expect((await again.refused({ resume: { token: seas.token, key: publicDer(seas.key) } })).code).to.equal(
        'bad_token',
      );
      const login = { name: 'seas', password: 'summerisover' };
      const unbound = {
        key: publicDer(seas.key),
        signature: signProof(seas.key, peerProof({ ...again.binding, exporter: Buffer.alloc(32) })),
      };
      expect((await again.refused({ login: { ...login, ...unbound } })).code).to.equal('bad_signature');
      await again.enter({ login: { ...login, ...again.proof() } });
    });

    it('does not come back with a backup', async () => {
      const backup = join(center.dataDir, 'backup.db');
      await center.center.stop();
      await runCenter('backup', backup, '--data', center.dataDir);
      await runCenter('restore', backup, '--data', center.dataDir);
      await center.open();
      expect(await refusal()).to.equal('bad_token');
    });

    it('is worth nothing where the token key was replaced', async () => {
      await center.center.stop();
      replaceTokenKey(join(center.dataDir, identityFile));
      await center.open();
      const again = await arrive({ psk: pskOf(seas) });
      expect(isReused(again)).to.equal(false);
      again.key = seas.key;
      await again.greet();
      expect(await again.refused({ resume: { token: seas.token, ...again.proof() } })).to.include({
        code: 'bad_token',
      });
    });

    it('leaves a login to the signature', async () => {
      const again = await arrive({ psk: pskOf(seas) });
      await again.greet();
      const login = { name: 'seas', password: 'summerisover' };
      expect(await again.refused({ login: { ...login, key: publicDer(seas.key) } })).to.include({
        code: 'bad_signature',
      });
      await again.enter({ login: { ...login, ...again.proof() } });
    });
  });
});

async function runCenter(...args: string[]): Promise<void> {
  const [stdin, stdout, stderr, log] = [new PassThrough(), new PassThrough(), new PassThrough(), new PassThrough()];
  const stopAsked = () => new Promise<never>(() => {});
  expect(await runProgram(args, { stdin, stdout, stderr, log, env: {}, userId: null, stopAsked })).to.equal(0);
}

/** As an operator does who fears that somebody has read the file. */
function replaceTokenKey(file: string): void {
  const identity = JSON.parse(readFileSync(file, 'utf8'));
  const tokenKey = generateKey();
  const proof = tokenKeyProof(Buffer.from(identity.centerId, 'hex'), publicDer(tokenKey));
  identity.tokenKey = tokenKey.export({ type: 'pkcs8', format: 'pem' });
  identity.tokenKeySignature = signProof(createPrivateKey(identity.identityKey), proof).toString('base64');
  writeFileSync(file, JSON.stringify(identity));
}
