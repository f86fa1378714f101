// The far end of the measurements of private links, in a process of its own: it listens, and takes what comes.
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';
import { Peer } from '../../peer/index.ts';
import { Link } from '../../peer/links/link.ts';
import { secureLink } from '../../peer/socket.ts';
import { selfSigned } from '../../shared/certificate.ts';
import { generateKey } from '../../shared/identity.ts';
import type { LinkEndOrders, PeerEndOrders } from './links.ts';
import { questionText } from './round-trips.ts';

async function listen(server: net.Server | tls.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

/** Counts the bytes of a bare TLS connection, and says when it has all. */
async function bare(): Promise<number> {
  const credentials = await selfSigned(generateKey());
  return listen(
    tls.createServer({ ...credentials, minVersion: 'TLSv1.3', ecdhCurve: 'X25519', noDelay: true }, (socket) => {
      let bytes = 0;
      socket.on('data', (data: Buffer) => {
        bytes += data.length;
      });
      socket.on('error', () => undefined);
      socket.on('end', () => process.send?.({ bytes }));
    }),
  );
}

/** The same of a link: the bytes of the texts; each turn's are acknowledged together. */
async function link(): Promise<number> {
  const credentials = await selfSigned(generateKey());
  const server = net.createServer({ noDelay: true }, async (socket) => {
    const secured = await secureLink(socket, 'server', credentials);
    let bytes = 0;
    let toTell = 0;
    new Link({
      channel: { ...secured, isClient: false, route: 'direct', where: '', localAddress: '' },
      token: '',
      outbox: Buffer.alloc(16),
      run: Buffer.alloc(8),
      admit: () => undefined,
      handler: {
        onOpen: () => undefined,
        onMessage: (open, { number, body }) => {
          bytes += body.length;
          if (toTell === 0) {
            setImmediate(() => {
              open.stored(toTell);
              toTell = 0;
            });
          }
          toTell = number;
        },
        onStored: () => undefined,
        onQuiet: () => undefined,
        onVerify: () => undefined,
        onClose: () => process.send?.({ bytes }),
      },
    });
  });
  return listen(server);
}

/** A peer that registers, consents and answers questions; everything else it does by itself. */
async function peer({ port, dataDir, name, partner, listens, history }: PeerEndOrders): Promise<number> {
  const listen = listens ? { listen: { host: '127.0.0.1', port: 0 } } : {};
  const google = new Peer({ host: '127.0.0.1', port, dataDir, history, ...listen });
  google.on((event) => {
    if (event.type !== 'message' || event.message.text !== questionText) return;
    if (event.message.private) void google.private(partner, 'yes', { until: 'outbox' });
    else void google.send(partner, 'yes', { until: 'outbox' });
  });
  await google.register(name, 'summerisover');
  await google.allow(partner);
  return google.port;
}

process.once('message', async (orders: LinkEndOrders) => {
  const port = orders.kind === 'bare' ? await bare() : orders.kind === 'link' ? await link() : await peer(orders);
  process.send?.({ port });
});
process.once('disconnect', () => process.exit());
