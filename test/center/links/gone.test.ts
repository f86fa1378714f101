import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { expect } from 'chai';
import { selfSigned } from '../../../shared/certificate.ts';
import { linkAlpnProtocol } from '../../../shared/version.ts';
import { overriding, Room } from '../../helpers/room.ts';
import type { WirePeer } from '../../helpers/wire.ts';

// What a connection asked for, and did not live to see.
describe('links of a connection that ends while the store is asked', () => {
  let room: Room;
  let seas: WirePeer;
  let google: WirePeer;
  /** The store's answers about consents wait for it. */
  let gate: PromiseWithResolvers<void> | null;

  beforeEach(async () => {
    gate = null;
    room = await Room.open({
      wrap: (store) =>
        overriding(store, (store) => ({
          consents: async (...asked) => {
            const consents = await store.consents(...asked);
            await gate?.promise;
            return consents;
          },
          consentsAndRequests: async (...asked) => {
            const both = await store.consentsAndRequests(...asked);
            await gate?.promise;
            return both;
          },
        })),
    });
    seas = await room.join('seas');
    google = await room.join('google');
    await google.ask({ allow: { name: 'seas' } });
    await google.sees('introduction');
  });

  afterEach(() => room.close());

  /** Does this while the store takes its time with the answer that it needs, and is gone before that comes. */
  async function goAfter(peer: WirePeer, ask: () => void): Promise<void> {
    gate = Promise.withResolvers();
    ask();
    await peer.fence();
    peer.destroy();
    while (room.services.sessions.count > 1) await google.fence();
    gate.resolve();
    gate = null;
    // Asked after that, answered after that.
    await room.services.store.time();
  }

  it('open no tunnel', async () => {
    for (let times = 0; times < 4; times++) {
      await goAfter(seas, () => seas.send({ request: 1000, tunnelOpen: { account: google.account } }));
      seas = await room.resume(seas);
      await seas.attach();
    }
    await google.hasNot(({ tunnelOpened }) => tunnelOpened != null);
    expect(await seas.ask({ tunnelOpen: { account: google.account } })).to.have.property('tunnelOpened');
  });

  it('let nobody dial, and the next connection try at once', async () => {
    // Over loopback there is nothing to punch through.
    const fromAfar = (peer: WirePeer): void => {
      Object.assign(room.services.sessions.of(peer.account)!.from, { loopback: false });
    };
    for (const peer of [seas, google]) fromAfar(peer);
    await goAfter(seas, () => seas.send({ request: 1000, punch: { account: google.account } }));
    await google.hasNot(({ punchAt }) => punchAt != null);
    seas = await room.resume(seas);
    fromAfar(seas);
    await seas.attach();
    expect(await seas.ask({ punch: { account: google.account } })).to.have.property('done');
    expect(await google.sees('punchAt')).to.include({ account: seas.account });
  });

  it('are not looked at, and those of the next connection are at once', async () => {
    const server = tls.createServer({
      ...(await selfSigned(seas.key)),
      minVersion: 'TLSv1.3',
      ALPNProtocols: [linkAlpnProtocol],
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: listenPort } = server.address() as AddressInfo;
    seas.destroy();
    while (room.services.sessions.count > 1) await google.fence();
    seas = await room.resume(seas);
    // A port that nobody listens at: what is found there says nothing of the other one.
    await goAfter(seas, () => seas.send({ request: 1000, attach: { outbox: seas.outbox, listenPort: 1024 } }));
    seas = await room.resume(seas);
    await seas.attach({ listenPort });
    const isVerified = ({ introduction }: { introduction?: { candidates?: unknown[] | null } | null }): boolean =>
      (introduction?.candidates?.length ?? 0) > 0;
    await google.take(isVerified, 'a verified candidate');
    server.close();
  });
});
