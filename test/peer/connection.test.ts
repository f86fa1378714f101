import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import type { Connection } from '../../peer/connection.ts';
import type { Channel } from '../../peer/hello.ts';
import { Ticket } from '../../peer/ticket.ts';
import { ParleyError } from '../../shared/errors.ts';
import { encodeFrame } from '../../shared/frames.ts';
import { generateKey, publicDer, verifyProof } from '../../shared/identity.ts';
import type { parley } from '../../shared/protocol.js';
import { ticketMac, ticketSecret } from '../../shared/ticket.ts';
import { codeOf } from '../helpers/peers.ts';
import { openConnection, ScriptedCenter } from '../helpers/scripted-center.ts';

function closing(connection: Connection, frames: parley.Frame[] = []): Promise<ParleyError> {
  return new Promise((resolve) => connection.handle({ onFrame: (frame) => frames.push(frame), onClose: resolve }));
}

/** All that the center said before has been read. */
async function fence(center: ScriptedCenter, connection: Connection): Promise<void> {
  const asked = connection.request({ heartbeat: {} });
  await center.answers('heartbeat', { done: {} });
  await asked;
}

describe('connection', () => {
  it('says Hello, checks the answer, and knows what to sign', async () => {
    const { center, connection } = await ScriptedCenter.connected({ limits: { maxBodyBytes: 7 } });
    expect(connection.hello).to.deep.include({ centerId: center.centerId, timeMs: 1000, version: 1 });
    expect(connection.hello.limits).to.include({ maxBodyBytes: 7, messagesPerSecond: 0 });
    const key = generateKey();
    const { signature } = connection.prove(key);
    expect(verifyProof(publicDer(key), center.peerProof, signature!)).to.equal(true);
    connection.close(new ParleyError('cancelled', 'done'));
  });

  describe('with a ticket', () => {
    const [key, centerKey] = [generateKey(), generateKey()];
    const none = { identitySignature: Buffer.alloc(0) };
    const isTicketed = { exporter: Buffer.alloc(32, 1), isTicketed: true };

    /** What comes of the answer to a Hello. */
    async function opened(
      answer: (center: ScriptedCenter, secret: Buffer) => parley.Hello.$Properties,
      over: Partial<Channel> = {},
      pin = () => {},
    ): Promise<string | object> {
      const center = new ScriptedCenter({ key: centerKey, over });
      const ticket = new Ticket('a ticket', ticketSecret(key, center.identityKey, 'a token'));
      const opening = openConnection(center.channel, { pin, ticket }).catch((error: ParleyError) => error.code);
      await center.greets(() => answer(center, ticket.secret));
      const connection = await opening;
      if (typeof connection === 'string') return connection;
      connection.close(new ParleyError('cancelled', 'done'));
      return Object.keys(connection.prove(key));
    }

    it('takes the code in place of the signature, and gives its own', async () => {
      const coded = (center: ScriptedCenter, secret: Buffer) => ({
        ...none,
        mac: ticketMac(secret, center.centerProof),
      });
      expect(await opened(coded)).to.deep.equal(['key', 'mac']);
      // Over TLS that did not begin with it, it was not sent.
      expect(await opened(coded, { exporter: Buffer.alloc(32, 1) })).to.equal('bad_signature');
    });

    it('takes the signature of a center that does not know it, and signs', async () => {
      expect(await opened(() => ({}))).to.deep.equal(['key', 'signature']);
    });

    it('takes no wrong code, with a signature either, nor neither of the two', async () => {
      expect(await opened((center) => ({ mac: ticketMac(Buffer.alloc(32), center.centerProof) }))).to.equal(
        'bad_signature',
      );
      expect(await opened((center, secret) => ({ ...none, mac: ticketMac(secret, center.peerProof) }))).to.equal(
        'bad_signature',
      );
      expect(await opened(() => none)).to.equal('bad_signature');
      expect(await opened(() => none, { exporter: Buffer.alloc(32, 1) })).to.equal('bad_signature');
    });

    it('needs neither over TLS that began with it, but the pinned center all the same', async () => {
      expect(await opened(() => none, isTicketed)).to.deep.equal(['key']);
      expect(await opened(() => ({ ...none, centerId: Buffer.alloc(15) }), isTicketed)).to.equal('bad_signature');
      const pin = () => {
        throw new ParleyError('center_changed', 'another one');
      };
      expect(await opened(() => none, isTicketed, pin)).to.equal('center_changed');
    });
  });

  describe('refuses', () => {
    async function opening(
      hello: parley.Hello.$Properties,
      certificateKey: Buffer | null = null,
    ): Promise<ParleyError> {
      const center = new ScriptedCenter();
      const pinned: unknown[] = [];
      const channel = { ...center.channel, certificateKey };
      const opened = openConnection(channel, { pin: (hello) => pinned.push(hello) }).catch((error) => error);
      await center.greets(hello);
      const error = await opened;
      expect(pinned).to.deep.equal([]);
      return error;
    }

    it('a version that it does not speak, and names both', async () => {
      const error = await opening({ version: 9, oldestVersion: 3 });
      expect(error.code).to.equal('version');
      expect(error.message).to.contain('3 to 9').and.contain('1 to 1');
    });

    it('a center that does not prove its identity', async () => {
      expect(await opening({ identityKey: publicDer(generateKey()) })).to.include({ code: 'bad_signature' });
      expect(await opening({ centerId: Buffer.alloc(16) })).to.include({ code: 'bad_signature' });
      expect(await opening({ identitySignature: Buffer.alloc(70) })).to.include({ code: 'bad_signature' });
      expect(await opening({ identityKey: Buffer.from('no key') })).to.include({ code: 'bad_signature' });
    });

    it('a certificate of another key', async () => {
      expect(await opening({}, publicDer(generateKey()))).to.include({ code: 'bad_signature' });
    });

    it('what pin does not want, and sends nothing more', async () => {
      const center = new ScriptedCenter();
      const pin = () => {
        throw new ParleyError('center_changed', 'another one');
      };
      const opened = codeOf(openConnection(center.channel, { pin }));
      await center.greets();
      expect(await opened).to.equal('center_changed');
      expect(center.received).to.deep.equal([]);
    });

    it('an answer that is no Hello', async () => {
      const center = new ScriptedCenter();
      const opened = codeOf(openConnection(center.channel, { pin: () => undefined }));
      center.says({ heartbeat: {} });
      expect(await opened).to.equal('bad_frame');
    });
  });

  it('rejects with the error of a center that refuses it', async () => {
    const center = new ScriptedCenter();
    const opened = openConnection(center.channel, { pin: () => undefined }).catch((error) => error);
    center.says({ error: { code: 'busy', text: 'Too many\u001b[2J connections.', retryAfterMs: 7 } });
    expect(await opened).to.include({ code: 'busy', message: 'Too many connections.', retryAfterMs: 7 });
  });

  it('leads each reply to its request, in whatever order they come', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    const one = connection.request({ lookup: { name: 'one' } });
    const two = connection.request({ lookup: { name: 'two' } });
    const three = codeOf(connection.request({ lookup: { name: 'three' } }));
    const requests = [await center.sees('lookup'), await center.sees('lookup'), await center.sees('lookup')];
    const ids = requests.map(({ request }) => request);
    expect(new Set([0, ...ids]).size).to.equal(4);
    center.says(
      { request: ids[2]!, error: { code: 'unknown_account', text: 'nobody' } },
      { request: ids[1]!, accountEntry: { account: 2, name: 'two' } },
      { request: 999_999, done: {} },
      { request: ids[0]!, accountEntry: { account: 1, name: 'one' } },
    );
    expect((await one).accountEntry).to.include({ account: 1 });
    expect((await two).accountEntry).to.include({ account: 2 });
    expect(await three).to.equal('unknown_account');
  });

  it('settles a request before a later frame is read', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    const order: string[] = [];
    connection.handle({ onFrame: (frame) => order.push(String(frame.body)), onClose: () => undefined });
    connection.ask({ hold: { on: true } }, () => order.push('reply'));
    const { request } = await center.sees('hold');
    center.says({ waiting: { count: 1 } }, { request, waiting: { count: 2 } }, { accepted: { to: 1, number: 1 } });
    await fence(center, connection);
    expect(order).to.deep.equal(['waiting', 'reply', 'accepted']);
  });

  it('has a limit of open requests', async () => {
    const { connection } = await ScriptedCenter.connected();
    const requests = Array.from({ length: 257 }, () => codeOf(connection.request({ heartbeat: {} })));
    expect(await requests[256]).to.equal('busy');
    connection.close(new ParleyError('disconnected', 'enough'));
    expect(new Set(await Promise.all(requests.slice(0, 256)))).to.deep.equal(new Set(['disconnected']));
    expect(await codeOf(connection.request({ heartbeat: {} }))).to.equal('disconnected');
  });

  it('keeps frames that come before anybody handles them', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    center.says({ stored: { to: 1, number: 1 } }, { presence: { changes: [] } });
    await fence(center, connection);
    const frames: parley.Frame[] = [];
    void closing(connection, frames);
    expect(frames.map(({ body }) => body)).to.deep.equal(['stored', 'presence']);
  });

  it('skips frames that it does not know', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    const frames: parley.Frame[] = [];
    void closing(connection, frames);
    const asked = connection.request({ heartbeat: {} });
    const { request } = await center.sees('heartbeat');
    // Field 1000, which nobody has.
    center.stream.write(Buffer.from([0, 0, 0, 3, 0xc2, 0x3e, 0]));
    center.says({ request, done: {} });
    await asked;
    expect(frames.map(({ body }) => body)).to.deep.equal([undefined]);
  });

  it('ends with the code of an error without a request, and with what the center closes', async () => {
    const first = await ScriptedCenter.connected();
    const asked = codeOf(first.connection.request({ heartbeat: {} }));
    const why = closing(first.connection);
    first.center.says({ error: { code: 'displaced', text: 'Logged on different location!' } }, { done: {} });
    expect(await why).to.include({ code: 'displaced' });
    expect(await asked).to.equal('displaced');
    const second = await ScriptedCenter.connected();
    const lost = closing(second.connection);
    second.center.stream.end();
    expect(await lost).to.include({ code: 'disconnected' });
  });

  it('ends at bytes that are no frame, and at a frame over the limit', async () => {
    const garbage = await ScriptedCenter.connected();
    const why = closing(garbage.connection);
    garbage.center.stream.write(Buffer.from([0, 0, 0, 2, 0x12, 0x7f]));
    expect(await why).to.include({ code: 'bad_frame' });
    const long = await ScriptedCenter.connected();
    const tooLong = closing(long.connection);
    long.center.stream.write(Buffer.from([0x7f, 0, 0, 0]));
    expect(await tooLong).to.include({ code: 'frame_too_long' });
  });

  it('reads frames byte by byte', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    const frames: parley.Frame[] = [];
    void closing(connection, frames);
    for (const byte of encodeFrame({ stored: { to: 2 ** 48, number: 2 ** 40 } }))
      center.stream.write(Buffer.from([byte]));
    await fence(center, connection);
    expect(frames[0]!.stored).to.include({ to: 2 ** 48, number: 2 ** 40 });
  });

  it('writes what is sent in one turn at once', async () => {
    const { center, connection } = await ScriptedCenter.connected();
    let chunks = 0;
    center.stream.on('data', () => chunks++);
    for (let number = 1; number <= 3; number += 1) connection.send({ message: { to: 1, number, body: 'Hello' } });
    for (let number = 1; number <= 3; number += 1)
      expect((await center.sees('message')).message).to.include({ number });
    expect(chunks).to.equal(1);
  });

  describe('heartbeats', () => {
    it('go out when nothing else does, and ask when nothing is heard', async () => {
      const { center, connection } = await ScriptedCenter.connected({ limits: { heartbeatMs: 40 } });
      const beat = await center.sees('heartbeat');
      if (beat.request !== 0) center.says({ request: beat.request, done: {} });
      let asked = await center.sees('heartbeat');
      while (asked.request === 0) asked = await center.sees('heartbeat');
      center.says({ request: asked.request, done: {} });
      connection.close(new ParleyError('cancelled', 'done'));
    });

    it('are left out while something else is sent', async () => {
      const clock = useFakeTimers({
        toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
      });
      try {
        const { center, connection } = await ScriptedCenter.connected({ limits: { heartbeatMs: 80 } });
        for (let number = 1; number <= 10; number += 1) {
          connection.send({ ack: { position: number } });
          center.says({ waiting: { count: 0 } });
          await clock.tickAsync(20);
        }
        expect(center.received.filter(({ ack }) => ack)).to.have.length(10);
        expect(center.received.filter(({ heartbeat }) => heartbeat)).to.deep.equal([]);
        await clock.tickAsync(160);
        expect(center.received.filter(({ heartbeat }) => heartbeat)).to.not.deep.equal([]);
        connection.close(new ParleyError('cancelled', 'done'));
      } finally {
        clock.restore();
      }
    });

    it('take a center that is silent for too long for gone', async () => {
      const { connection } = await ScriptedCenter.connected({ limits: { heartbeatMs: 30 } }, { silenceMs: 120 });
      expect(await closing(connection)).to.include({ code: 'timeout' });
    });
  });
});
