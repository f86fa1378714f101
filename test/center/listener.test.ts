import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { expect } from 'chai';
import { type CenterLimits, centerLimits } from '../../center/limits.ts';
import { type Listener, listen } from '../../center/listener.ts';
import { Sessions } from '../../center/sessions.ts';
import { TestCenter } from '../helpers/center.ts';
import { WirePeer } from '../helpers/wire.ts';

describe('listener', () => {
  const sockets: net.Socket[] = [];
  let center: TestCenter | null = null;
  let listener: Listener | null = null;

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    listener?.close();
    listener = null;
    await center?.stop();
    center = null;
  });

  async function connect(port: number, first?: string): Promise<net.Socket> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => undefined);
    socket.resume();
    sockets.push(socket);
    await once(socket, 'connect');
    if (first !== undefined) socket.write(first);
    return socket;
  }

  for (const plain of [true, false]) {
    const over = plain ? 'plain TCP' : 'TLS';

    async function start(limits: Partial<CenterLimits>): Promise<number> {
      center = await TestCenter.start({ plain, limits });
      return center.center.port;
    }

    it(`lets all in who come at once over ${over}, however few may begin at once`, async () => {
      await start({ maxLoginsAtOnce: 2 });
      const names = Array.from({ length: 40 }, (_, number) => `peer${number}`);
      const peers = await Promise.all(names.map((name) => center!.register(name)));
      for (const peer of peers) await peer.fence();
    });

    it(`those who say nothing over ${over} keep nobody out`, async () => {
      const port = await start({ maxLoginsAtOnce: 1 });
      await Promise.all(Array.from({ length: 100 }, () => connect(port)));
      await (await center!.register('seas')).fence();
    });

    it(`one who begins over ${over} and does not go on has its place only for so long`, async () => {
      const port = await start({ maxLoginsAtOnce: 1, loginTimeoutMs: 500 });
      const slow = await connect(port, '\x00');
      await (await center!.register('seas')).fence();
      if (!slow.closed) await once(slow, 'close');
    });

    it(`lets those go who reset the connection over ${over} before they begin`, async () => {
      const port = await start({ maxLoginsAtOnce: 1, loginTimeoutMs: 60_000 });
      // The reset comes in the turn before that in which it would begin, and in those around it.
      for (let round = 0; round < 40; round++) {
        const socket = await connect(port);
        socket.write('\x16\x03\x01');
        for (let turn = 0; turn < round % 4; turn++) await new Promise(setImmediate);
        socket.resetAndDestroy();
      }
      await (await center!.register('seas')).fence();
      while (center!.center.counts.connections > 1) await new Promise(setImmediate);
    });

    it(`lets those go who say nothing over ${over} in time`, async () => {
      const port = await start({ loginTimeoutMs: 300 });
      const silent = plain ? new WirePeer(await connect(port)) : null;
      if (silent) expect((await silent.isClosed()).code).to.equal('timeout');
      else await once(await connect(port), 'close');
    });
  }

  describe('a turn', () => {
    const events = new EventEmitter();
    let sessions: Sessions;

    beforeEach(() => events.removeAllListeners());

    async function start(
      limits: Partial<CenterLimits>,
      onBytes: (stream: NodeJS.WritableStream, text: string) => void,
    ): Promise<void> {
      sessions = new Sessions(centerLimits(limits), () => 0);
      const disconnect = sessions.disconnect.bind(sessions);
      sessions.disconnect = (from) => {
        disconnect(from);
        events.emit('gone');
      };
      listener = await listen({
        host: '127.0.0.1',
        port: 0,
        tls: null,
        handshakeTimeoutMs: 10_000,
        farewell: Buffer.alloc(0),
        sessions,
        openTicket: () => null,
        onConnection: (stream) => ({
          receive: (bytes) => onBytes(stream, bytes.toString('latin1')),
          closed: () => undefined,
        }),
      });
    }

    it('those who have begun come before those who have not: none takes as long as all together', async () => {
      const count = 200;
      let begun = 0;
      let done = 0;
      const begunBefore = new Map<unknown, number>();
      const between: number[] = [];
      await start({}, (stream, text) => {
        if (text === 'first') {
          begunBefore.set(stream, begun++);
          // What the first step costs here is much: meanwhile all others have come.
          const untilMs = performance.now() + 2;
          while (performance.now() < untilMs);
          stream.write('second');
        } else {
          between.push(begun - begunBefore.get(stream)!);
          if (++done === count) events.emit('all');
        }
      });
      const all = once(events, 'all');
      const clients = await Promise.all(Array.from({ length: count }, () => connect(listener!.port)));
      for (const socket of clients) {
        socket.once('data', (bytes) => socket.write(bytes));
        socket.write('first');
      }
      await all;
      expect(between).to.have.length(count);
      expect(Math.max(...between)).to.be.lessThan(count / 2);
    });

    it('is not given to one who has gone, and what came before it is not lost', async () => {
      const begun: string[] = [];
      await start({ maxLoginsAtOnce: 1 }, (_, text) => {
        begun.push(text);
        events.emit(text);
      });
      const first = once(events, 'first');
      const holder = await connect(listener!.port, 'first');
      await first;
      const leaver = await connect(listener!.port, 'leaver');
      const waiter = await connect(listener!.port, 'wai');
      const gone = once(events, 'gone');
      leaver.destroy();
      await gone;
      waiter.write('ter');
      const next = Promise.race([once(events, 'wai'), once(events, 'waiter')]);
      holder.destroy();
      await next;
      if (!begun.includes('waiter')) await once(events, 'ter');
      expect(begun.join('')).to.equal('firstwaiter');
    });

    it('is waited for with little said', async () => {
      await start({ maxLoginsAtOnce: 1 }, (_, text) => events.emit(text));
      const first = once(events, 'first');
      await connect(listener!.port, 'first');
      await first;
      const talker = await connect(listener!.port, 'x'.repeat(20_000));
      talker.write('x'.repeat(20_000));
      await once(talker, 'close');
    });

    it('and a first byte are waited for no more when the center stops', async () => {
      await start({ maxLoginsAtOnce: 1 }, (_, text) => events.emit(text));
      const first = once(events, 'first');
      await connect(listener!.port, 'first');
      await first;
      const [waiting, silent] = [await connect(listener!.port, 'second'), await connect(listener!.port)];
      const closed = [once(waiting, 'close'), once(silent, 'close')];
      listener!.close();
      await Promise.all(closed);
    });
  });
});
