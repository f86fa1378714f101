import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import { centerLimits, limitTable } from '../../center/limits.ts';
import { noExporter, type Origin, Sessions } from '../../center/sessions.ts';
import { encodeFrame } from '../../shared/frames.ts';
import type { parley } from '../../shared/protocol.js';
import { TestCenter, type TestCenterOptions } from '../helpers/center.ts';
import { overriding, Room, type RoomOptions } from '../helpers/room.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';
import { WirePeer } from '../helpers/wire.ts';

describe('limits', () => {
  it('are the defaults, changed where told', () => {
    const limits = centerLimits({ maxBodyBytes: 5 });
    expect(limits.maxBodyBytes).to.equal(5);
    expect(limits.maxFrameBytes).to.equal(limitTable.maxFrameBytes.default);
    expect(Object.keys(limits)).to.deep.equal(Object.keys(limitTable));
  });
});

describe('limits of a center', () => {
  let center: TestCenter;

  async function start(options: TestCenterOptions = {}): Promise<void> {
    center = await TestCenter.start(options);
  }

  afterEach(() => center.stop());

  /** Whatever was done to it, it serves others. */
  async function isAlive(): Promise<void> {
    await (await center.register(`alive${Math.random().toString(36).slice(2, 8)}`)).fence();
  }

  function lengthOnly(length: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    return bytes;
  }

  describe('frames', () => {
    beforeEach(() => start());

    it('maxFrameBytes: before login', async () => {
      const peer = await center.connect();
      await peer.greet();
      peer.stream.write(lengthOnly(4097));
      const error = await peer.isClosed();
      expect(error).to.deep.include({
        code: 'frame_too_long',
        text: 'A frame of 4097 bytes is over the limit of 4096.',
      });
      await isAlive();
    });

    it('maxSessionFrameBytes: after login', async () => {
      const peer = await center.register('seas');
      const bytes = encodeFrame({ request: 1, lookup: { name: 'x'.repeat(65_536 - 12) } });
      expect(bytes.readUInt32BE()).to.be.within(65_530, 65_536);
      peer.stream.write(bytes);
      expect((await peer.take(({ request }) => request === 1)).error?.code).to.equal('unknown_account');
      peer.stream.write(lengthOnly(65_537));
      expect((await peer.isClosed()).code).to.equal('frame_too_long');
      await isAlive();
    });

    it('that are no frames', async () => {
      const peer = await center.register('seas');
      peer.stream.write(Buffer.from('00000003ffffff', 'hex'));
      expect((await peer.isClosed()).code).to.equal('bad_frame');
      await isAlive();
    });

    it('of a newer version get `unsupported` or nothing', async () => {
      const peer = await center.register('seas');
      peer.stream.write(Buffer.from('000000050805f20700', 'hex'));
      expect((await peer.take(({ request }) => request === 5)).error?.code).to.equal('unsupported');
      peer.stream.write(Buffer.from('00000003f20700', 'hex'));
      peer.stream.write(Buffer.from('00000000', 'hex'));
      await peer.fence();
    });

    it('in half, and then silence', async () => {
      await center.restart({ limits: { loginTimeoutMs: 300, silenceMs: 300 } });
      const [stranger, seas] = [await center.connect(), await center.register('seas')];
      await stranger.greet();
      stranger.stream.write(Buffer.from('00000010ffff', 'hex'));
      seas.stream.write(Buffer.from('000000', 'hex'));
      expect((await stranger.isClosed()).code).to.equal('timeout');
      await seas.ends();
      await isAlive();
    });
  });

  describe('what is no peer', () => {
    it('garbage instead of TLS', async () => {
      await start({ plain: false });
      for (const bytes of [
        `\x16\x03\x01\xff\xff${'x'.repeat(300)}`,
        'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
        '\0'.repeat(500),
      ]) {
        const socket = net.connect(center.center.port, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.write(Buffer.from(bytes, 'latin1'));
        socket.resume();
        await once(socket, 'close');
      }
      await isAlive();
      center.peers[0]?.destroy();
      while (center.center.counts.connections > 0) await wait(5);
    });

    it('HTTP without TLS', async () => {
      await start();
      const socket = net.connect(center.center.port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      const peer = new WirePeer(socket);
      expect((await peer.isClosed()).code).to.equal('frame_too_long');
      await isAlive();
    });

    it('a connection that says nothing, over TLS', async () => {
      await start({ plain: false, limits: { loginTimeoutMs: 300 } });
      const socket = net.connect(center.center.port, '127.0.0.1');
      await once(socket, 'close');
      const peer = await center.connect();
      expect((await peer.isClosed()).code).to.equal('timeout');
    });
  });

  describe('Hello', () => {
    beforeEach(() => start());

    it('of a version that is not spoken is told both versions', async () => {
      const peer = await center.connect();
      peer.send({ hello: { version: 9, oldestVersion: 7, nonce: Buffer.alloc(32) } });
      const error = await peer.isClosed();
      expect(error.code).to.equal('version');
      expect(error.text).to.match(/speaks version 1 to 1, the peer 7 to 9/);
      const older = await center.connect();
      older.send({ hello: { nonce: Buffer.alloc(32) } });
      expect((await older.isClosed()).code).to.equal('version');
    });

    it('of a newer peer that still speaks this version is fine', async () => {
      const peer = await center.connect();
      await peer.greet({ version: 9, oldestVersion: 1 });
    });

    it('has a nonce of 32 bytes', async () => {
      for (const length of [0, 31, 33]) {
        const peer = await center.connect();
        peer.send({ hello: { version: 1, oldestVersion: 1, nonce: Buffer.alloc(length) } });
        expect((await peer.isClosed()).code).to.equal('bad_frame');
      }
    });

    it('comes first, and once', async () => {
      const first: parley.Frame.$Properties[] = [
        { request: 1, heartbeat: {} },
        { message: { to: 1, number: 1 } },
        { request: 1 },
      ];
      for (const frame of first) {
        const peer = await center.connect();
        peer.send(frame);
        expect((await peer.isClosed()).code).to.equal('wrong_state');
      }
      const peer = await center.connect();
      await peer.greet();
      peer.send({ hello: { version: 1, oldestVersion: 1, nonce: Buffer.alloc(32) } });
      expect((await peer.isClosed()).code).to.equal('wrong_state');
    });
  });

  describe('states', () => {
    beforeEach(() => start());

    const request: Record<string, parley.Frame.$Properties> = {
      register: { register: { name: 'bing', password: 'summerisover' } },
      login: { login: { name: 'seas', password: 'summerisover' } },
      resume: { resume: { token: 'x' } },
      attach: { attach: { outbox: Buffer.alloc(16) } },
      logout: { logout: {} },
      passwd: { passwd: { oldPassword: 'a', newPassword: 'b' } },
      deleteAccount: { deleteAccount: { password: 'a' } },
      lookup: { lookup: { name: 'seas' } },
      online: { online: {} },
      users: { users: {} },
      block: { block: { name: 'seas', on: true } },
      blocked: { blocked: {} },
      broadcast: { broadcast: { body: 'hi' } },
      withdraw: { withdraw: { to: 5, number: 6 } },
      hold: { hold: { on: true } },
      fetch: { fetch: {} },
    };

    it('a request that does not fit is refused, and the connection goes on', async () => {
      const [stranger, seas] = [await center.connect(), await center.register('seas')];
      await stranger.greet();
      for (const [name, frame] of Object.entries(request)) {
        const isForStrangers = ['register', 'login', 'resume'].includes(name);
        const error = await (isForStrangers ? seas : stranger).refused(frame);
        expect(error.code, name).to.equal('wrong_state');
      }
      await stranger.fence();
      await seas.fence();
    });

    it('a request while a login is judged is refused, but a heartbeat', async () => {
      await center.restart({ bcryptCost: 9 });
      const peer = await center.connect();
      await peer.greet();
      const entered = peer.register('seas');
      const [lookup, beat] = [peer.refused(request.lookup!), peer.ask({ heartbeat: {} })];
      expect((await lookup).code).to.equal('wrong_state');
      expect(await beat).to.have.property('done');
      await entered;
    });

    it('what only the center says is not for it', async () => {
      for (const frame of [
        { welcome: {} },
        { deliver: { position: 1 } },
        { accepted: { to: 1, number: 1 } },
        { request: 7, done: {} },
      ]) {
        const peer = await center.register(`u${Object.keys(frame).join('')}`);
        peer.send(frame);
        expect((await peer.isClosed()).code).to.equal('wrong_state');
      }
    });

    it('a request without an id is no request', async () => {
      const seas = await center.register('seas');
      seas.send({ lookup: { name: 'seas' } });
      expect((await seas.isClosed()).code).to.equal('bad_frame');
    });

    it('messages and acknowledgements come after Attach', async () => {
      const frames = {
        a: { message: { to: 5, number: 1, body: 'text' } },
        b: { ack: { position: 1 } },
        c: { ack: {} },
      };
      for (const [name, frame] of Object.entries(frames)) {
        const peer = await center.register(name);
        peer.send(frame);
        expect((await peer.isClosed()).code).to.equal('wrong_state');
      }
      const peer = await center.register('d');
      expect((await peer.refused(request.withdraw!)).code).to.equal('wrong_state');
    });

    it('Attach comes once, with an outbox of 16 bytes', async () => {
      const seas = await center.register('seas');
      expect((await seas.refused({ attach: { outbox: Buffer.alloc(15) } })).code).to.equal('bad_frame');
      const [one, two] = [seas.ask({ attach: { outbox: seas.outbox } }), seas.ask({ attach: { outbox: seas.outbox } })];
      const answers = [await one, await two];
      expect(answers.filter(({ attached }) => attached)).to.have.length(1);
      expect(answers.find(({ error }) => error)?.error?.code).to.equal('wrong_state');
      expect((await seas.refused({ attach: { outbox: seas.outbox } })).code).to.equal('wrong_state');
    });
  });

  describe('connections', () => {
    it('loginTimeoutMs: from connecting, and anew from each answer', async () => {
      await start({ limits: { loginTimeoutMs: 2000 } });
      const [silent, busy] = [await center.connect(), await center.connect()];
      await busy.greet();
      const ended = silent.isClosed();
      await wait(1000);
      await busy.refused({ login: { name: 'nobody', password: 'x', ...busy.proof() } });
      expect((await ended).code).to.equal('timeout');
      expect(busy.closed).to.equal(false);
      expect((await busy.isClosed()).code).to.equal('timeout');
    });

    it('maxUnauthenticated: in all, loopback too', async () => {
      await start({ limits: { maxUnauthenticated: 2 } });
      const [one] = [await center.connect(), await center.connect()];
      const third = await center.connect();
      await third.ends();
      await one.register('seas');
      const fourth = await center.connect();
      await fourth.greet();
    });

    it('maxRegistrationsPerHour', async () => {
      await start({ limits: { maxRegistrationsPerHour: 2 } });
      await center.register('one');
      await center.register('two');
      const peer = await center.connect();
      await peer.greet();
      const error = await peer.refused({ register: { name: 'three', password: 'summerisover', ...peer.proof() } });
      expect(error.code).to.equal('rate_limited');
      expect(error.retryAfterMs).to.be.within(1, 3_600_000);
    });
  });

  describe('what is asked', () => {
    it('messagesPerSecond and messageBurst: above them a connection is read slower, without an error', async () => {
      await start({ limits: { messagesPerSecond: 200, messageBurst: 20 } });
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      for (let number = 1; number <= 20; number++) seas.message(google.account, number, 'text');
      await seas.fence();
      const startMs = performance.now();
      for (let number = 21; number <= 220; number++) seas.message(google.account, number, 'text');
      await seas.fence();
      const tookMs = performance.now() - startMs;
      expect(tookMs).to.be.within(500, 4000 * slownessOfMachine());
      await seas.isAccepted(google.account, 220);
      expect(seas.received.some(({ error, refused }) => error || refused)).to.equal(false);
    });

    it('a broadcast costs by its recipients, and the next ones wait', async () => {
      await start({ limits: { messagesPerSecond: 4, messageBurst: 2 } });
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      const startMs = performance.now();
      const asked = Array.from({ length: 6 }, (_, index) => seas.ask({ broadcast: { body: `${index}` } }));
      await asked[1];
      await google.fence();
      const received = (): number => google.received.filter(({ broadcastDeliver }) => broadcastDeliver).length;
      expect(received()).to.be.at.least(2);
      await Promise.all(asked);
      // The third is read when more than nothing is earned again, each later one a quarter of a second after it.
      expect(performance.now() - startMs).to.be.at.least(700);
      await google.fence();
      expect(received()).to.equal(6);
    });

    it('maxBodyBytes', async () => {
      await start({ limits: { maxBodyBytes: 10 } });
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      seas.message(google.account, 1, '12345678é');
      await seas.isAccepted(google.account, 1);
      seas.message(google.account, 2, '123456789é');
      expect((await seas.sees('refused')).error?.code).to.equal('body_too_long');
      expect((await seas.refused({ broadcast: { body: '12345678901' } })).code).to.equal('body_too_long');
    });

    it('maxPatternNames: the next page goes on', async () => {
      await start({ limits: { maxPatternNames: 500 } });
      const seas = await center.register('seas');
      const { store } = center.center.adminServices();
      const made = Array.from({ length: 1100 }, (_, index) =>
        store.createAccount({ id: 2 ** 33 + index, name: `a${1000 + index}`, passwordHash: '', createdAtMs: 1 }),
      );
      await Promise.all(made);
      const pages: number[] = [];
      let after = '';
      do {
        const { accountPage } = await seas.ask({ users: { pattern: 'a*9', after } });
        pages.push(accountPage?.accounts?.length ?? 0);
        after = accountPage?.next ?? '';
      } while (after);
      expect(pages).to.deep.equal([50, 50, 10]);
    });
  });
});

describe('limits of a session', () => {
  let room: Room;

  async function open(options: RoomOptions): Promise<void> {
    room = await Room.open(options);
  }

  afterEach(async () => {
    sinon.restore();
    await room.close();
  });

  /** All appends wait until it is opened. */
  function gate(): { open: () => void; wrap: RoomOptions['wrap'] } {
    const opened = Promise.withResolvers<void>();
    return {
      open: opened.resolve,
      wrap: (store) =>
        overriding(store, (store) => ({
          append: async (id, run) => {
            const copy = { ...run, frames: Uint8Array.from(run.frames) };
            await opened.promise;
            return store.append(id, copy);
          },
        })),
    };
  }

  /** Asks for an answer that does not come before `then` is done. */
  async function isNotAnswered(peer: WirePeer, then: () => void): Promise<void> {
    let isAnswered = false;
    const fence = peer.fence().then(() => {
      isAnswered = true;
    });
    await wait(600);
    expect(isAnswered).to.equal(false);
    then();
    await fence;
  }

  it('maxUnresolvedMessages: reads on when they are accepted', async () => {
    const gated = gate();
    await open({ wrap: gated.wrap!, limits: { maxUnresolvedMessages: 10 } });
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    for (let number = 1; number <= 10; number++) seas.message(google.account, number, 'text');
    await isNotAnswered(seas, gated.open);
    await seas.isAccepted(google.account, 10);
  });

  it('maxUnresolvedBytes: reads on when they are accepted', async () => {
    const gated = gate();
    await open({ wrap: gated.wrap!, limits: { maxUnresolvedBytes: 5000 } });
    const [seas, google] = [await room.join('seas'), await room.register('google')];
    for (let number = 1; number <= 5; number++) seas.message(google.account, number, 'x'.repeat(1000));
    await isNotAnswered(seas, gated.open);
    await seas.isAccepted(google.account, 5);
  });

  it('maxRefusedRecipients: none that is open is forgotten but with the connection', async () => {
    await open({ limits: { maxRefusedRecipients: 2 } });
    const seas = await room.join('seas');
    const others = [await room.register('google'), await room.register('yahoo'), await room.register('bing')];
    const [first, second, third] = others.map(({ account }) => account) as [number, number, number];
    for (let nobody = 2 ** 40; nobody < 2 ** 40 + 5; nobody++) seas.message(nobody, 1, 'text');
    for (const to of [first, second]) {
      seas.message(to, 1, '');
      seas.message(to, 2, '');
    }
    await seas.take(({ refused }) => refused?.to === second && refused.number === 2);
    expect(await seas.ask({ withdraw: { to: first, number: 1 } })).to.have.property('done');
    seas.message(third, 1, '');
    await seas.fence();
    seas.message(first, 2, '');
    expect(await seas.isClosed()).to.include({ code: 'busy' });
    const again = await room.resume(seas);
    await again.attach();
    again.message(first, 2, 'two');
    await again.isAccepted(first, 2);
  });

  it('maxRequests: of one read as of many', async () => {
    let now = 0;
    let most = 0;
    await open({
      limits: { maxRequests: 4 },
      wrap: (store) =>
        overriding(store, (store) => ({
          accountNamed: async (name) => {
            most = Math.max(most, ++now);
            await wait(1);
            now--;
            return store.accountNamed(name);
          },
        })),
    });
    const seas = await room.register('seas');
    most = 0;
    const frames = Array.from({ length: 100 }, (_, index) =>
      encodeFrame({ request: 1000 + index, lookup: { name: 'seas' } }),
    );
    seas.stream.write(Buffer.concat(frames));
    for (let index = 0; index < 100; index++) {
      expect((await seas.take(({ request }) => request === 1000 + index)).accountEntry?.name).to.equal('seas');
    }
    expect(most).to.equal(4);
  });

  it('maxRequests: answers that nobody reads are not made', async () => {
    await open({ limits: { maxOutputBytes: 65_536 } });
    const seas = await room.register('seas');
    const { presence } = room.services;
    for (let account = 1; account <= 500; account++)
      presence.restore(account, `somebody.with.a.name.${account}`, new Set());
    const people = sinon.spy(presence, 'people');
    seas.stream.pause();
    const frames = Array.from({ length: 5000 }, (_, index) => encodeFrame({ request: 1000 + index, online: {} }));
    seas.stream.write(Buffer.concat(frames));
    while (people.callCount === 0) await wait(5);
    await wait(600);
    expect(people.callCount).to.be.within(1, 40);
    seas.stream.resume();
    for (let index = 0; index < 100; index++) await seas.take(({ request }) => request === 1000 + index);
  });

  it('silenceMs: also of a peer that is not read because it does not read', async () => {
    await open({ limits: { maxOutputBytes: 200_000, silenceMs: 300 } });
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    const beats = setInterval(() => seas.send({ heartbeat: {} }), 100);
    try {
      // As a machine that lost its power: what was written to it waits, less than closes a connection.
      google.stream.pause();
      for (let count = 0; count < 15; count++) await seas.ask({ broadcast: { body: 'x'.repeat(10_000) } });
      google.send({ heartbeat: {} });
      const person = room.services.presence.person(google.account);
      for (let tries = 0; person?.listener; tries++) {
        expect(tries, 'it is still there').to.be.below(2000);
        await wait(10);
      }
    } finally {
      clearInterval(beats);
    }
  });

  describe('maxOutputBytes', () => {
    it('leaves out broadcasts and presence, then closes', async () => {
      await open({ limits: { maxOutputBytes: 50_000, windowBytes: 1_000_000 } });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      // The other end of the pair takes some 64 KiB that nobody reads.
      google.stream.pause();
      let leftOut = 0;
      for (let count = 0; count < 20; count++) {
        const { broadcasted } = await seas.ask({ broadcast: { body: 'x'.repeat(10_000) } });
        leftOut += broadcasted?.leftOut ?? 0;
      }
      expect(leftOut).to.be.within(6, 10);
      await room.join('bing');
      expect(room.services.presence.person(google.account)?.listener).not.to.equal(null);
      for (let number = 1; number <= 12; number++) {
        seas.message(google.account, number, 'x'.repeat(10_000));
        await seas.fence();
      }
      expect(room.services.presence.person(google.account)?.listener).to.equal(null);
      await seas.isAccepted(google.account, 12);
      const again = await room.resume(google);
      expect((await again.attach()).waiting).to.equal(12);
      for (let number = 1; number <= 12; number++) await again.reads();
    });

    it('closes a connection that never reads, though it sends', async () => {
      await open({ limits: { maxOutputBytes: 20_000, silenceMs: 500 } });
      const [seas, google] = [await room.join('seas'), await room.join('google')];
      google.stream.pause();
      const beats = setInterval(() => {
        for (const peer of [seas, google]) peer.send({ heartbeat: {} });
      }, 100);
      try {
        for (let count = 0; count < 12; count++) await seas.ask({ broadcast: { body: 'x'.repeat(10_000) } });
        const person = room.services.presence.person(google.account);
        for (let tries = 0; person?.listener; tries++) {
          expect(tries).to.be.below(2000);
          await wait(10);
        }
      } finally {
        clearInterval(beats);
      }
    });
  });
});

describe('limits of addresses', () => {
  let nowMs: number;
  let sessions: Sessions;

  beforeEach(() => {
    nowMs = 0;
    sessions = new Sessions(centerLimits(), () => nowMs);
  });

  function connect(count: number, address = '192.0.2.1', loopback = false): Origin[] {
    const origins = Array.from({ length: count }, (): Origin => {
      return { address, counted: address, port: 1, loopback, exporter: noExporter, ticket: null, place: 'free' };
    });
    return origins.filter((from) => sessions.connect(from));
  }

  /** As a session that logs in. */
  function enter(from: Origin, account: number): void {
    sessions.enter(from);
    sessions.authenticated({ from } as never, account);
    sessions.entered(from);
  }

  it('maxUnauthenticatedPerAddress: at once', () => {
    const places = connect(20);
    expect(places).to.have.length(16);
    expect(connect(20, '192.0.2.2')).to.have.length(16);
    sessions.disconnect(places[0]!);
    sessions.disconnect(places[0]!);
    enter(places[1]!, 1);
    expect(connect(20)).to.have.length(2);
  });

  it('maxNewPerAddressPerMinute: but those who prove a token', () => {
    for (let count = 0; count < 32; count++) for (const place of connect(1)) sessions.disconnect(place);
    expect(connect(1)).to.have.length(0);
    nowMs = 60_000;
    for (let account = 1; account <= 100; account++) {
      const [place] = connect(1);
      sessions.proved(place!);
      enter(place!, account);
    }
    expect(connect(100)).to.have.length(16);
  });

  it('maxSessionsPerAddress: asked before a login ends another', () => {
    for (let account = 1; account <= 256; account++) {
      nowMs += 2000;
      const [place] = connect(1);
      enter(place!, account);
    }
    nowMs += 60_000;
    const [place] = connect(1);
    expect(() => sessions.enter(place!)).to.throw('Too many sessions from your address.');
    expect(sessions.hasLiveSession('192.0.2.1')).to.equal(true);
  });

  it('maxSessionsPerAddress: those that are being judged count', () => {
    for (let account = 1; account <= 255; account++) {
      nowMs += 2000;
      enter(connect(1)[0]!, account);
    }
    nowMs += 60_000;
    const [one, another] = connect(2);
    sessions.enter(one!);
    expect(() => sessions.enter(another!)).to.throw('Too many sessions from your address.');
    sessions.entered(one!);
    sessions.enter(another!);
  });

  it('loopback is free of those, but counts in the whole', () => {
    expect(connect(20_000, '127.0.0.1', true)).to.have.length(16_384);
    expect(connect(1)).to.have.length(0);
  });
});
