// Private links: how much one carries beside a bare TLS connection, and how long a message and its receipt take beside
// the way through the center.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { Peer } from '../../peer/index.ts';
import { Link } from '../../peer/links/link.ts';
import { dialLink, secureLink } from '../../peer/socket.ts';
import { selfSigned } from '../../shared/certificate.ts';
import { generateKey } from '../../shared/identity.ts';

export type LinkEndOrders = { kind: 'bare' } | { kind: 'link' } | PeerEndOrders;

export interface PeerEndOrders {
  kind: 'peer';
  port: number;
  dataDir: string;
  name: string;
  /** Whom it lets reach it. */
  partner: string;
  /** Whether it has a port of its own; else the link is relayed. */
  listens: boolean;
}

export interface LinkFigures {
  /** Bytes of text a second. */
  bareTls: number;
  link: number;
  /** A message and its receipt, one at a time: the median, in microseconds. */
  throughCenterUs: number;
  privateUs: number;
  /** The same over a relayed link: what is private, through the center. */
  relayedUs: number;
}

const bodyBytes = 16_384;
const warmups = 100;
const roundTrips = 500;

/** Runs against a center that is there already, registration open. */
export async function measureLinks(center: { port: number }, dir: string, seconds: number): Promise<LinkFigures> {
  return {
    bareTls: await throughput('bare', seconds),
    link: await throughput('link', seconds),
    ...(await roundTripTimes(center, join(dir, 'direct'), 'direct')),
    relayedUs: (await roundTripTimes(center, join(dir, 'relayed'), 'relayed')).privateUs,
  };
}

interface FarEnd {
  process: ChildProcess;
  port: number;
}

async function startFarEnd(orders: LinkEndOrders): Promise<FarEnd> {
  const child = fork(new URL('./link-end.ts', import.meta.url), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  child.send(orders);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { process: child, port };
}

async function throughput(kind: 'bare' | 'link', seconds: number): Promise<number> {
  const farEnd = await startFarEnd({ kind });
  const counted = once(farEnd.process, 'message') as Promise<[{ bytes: number }]>;
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  if (kind === 'bare') await sendBare(farEnd.port, endMs);
  else await sendOverLink(farEnd.port, endMs);
  const [{ bytes }] = await counted;
  const took = (performance.now() - startMs) / 1000;
  farEnd.process.disconnect();
  return bytes / took;
}

async function sendBare(port: number, endMs: number): Promise<void> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ecdhCurve: 'X25519' });
  await once(socket, 'secureConnect');
  const bytes = Buffer.alloc(bodyBytes, 'x');
  while (performance.now() < endMs) if (!socket.write(bytes)) await once(socket, 'drain');
  socket.end();
  await once(socket, 'close');
}

async function sendOverLink(port: number, endMs: number): Promise<void> {
  const credentials = await selfSigned(generateKey());
  const { signal } = new AbortController();
  const socket = await dialLink({ address: '127.0.0.1', port, timeoutMs: 5000, signal });
  const secured = await secureLink(socket, 'client', credentials);
  const opened = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  let sent = 0;
  const link = new Link({
    channel: { ...secured, isClient: true, route: 'direct', where: '', localAddress: '' },
    token: '',
    outbox: Buffer.alloc(16),
    admit: () => undefined,
    handler: {
      onOpen: () => opened.resolve(),
      onMessage: () => undefined,
      onQuiet: () => undefined,
      onStored: (_link, number) => performance.now() >= endMs && number === sent && all.resolve(),
      onVerify: () => undefined,
      onClose: () => undefined,
    },
  });
  await opened.promise;
  const body = 'x'.repeat(bodyBytes);
  while (performance.now() < endMs) {
    if (link.hasRoom) link.message(++sent, Date.now(), body);
    else await new Promise<void>((resolve) => link.onceRoom(resolve));
    // What was said goes out at the end of a turn.
    if (sent % 16 === 0) await Promise.resolve();
  }
  await all.promise;
  secured.stream.end();
}

async function roundTripTimes(
  center: { port: number },
  dir: string,
  route: 'direct' | 'relayed',
): Promise<Pick<LinkFigures, 'throughCenterUs' | 'privateUs'>> {
  const [own, other] = [`seas-${route}`, `google-${route}`];
  for (const name of [own, other]) mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
  const options = { host: '127.0.0.1', port: center.port, history: false };
  const listens = route === 'direct';
  const listen = listens ? { listen: { host: '127.0.0.1', port: 0 } } : {};
  const seas = new Peer({ ...options, dataDir: join(dir, own), ...listen });
  seas.on(() => undefined);
  await seas.register(own, 'summerisover');
  const orders = {
    kind: 'peer',
    port: center.port,
    dataDir: join(dir, other),
    name: other,
    partner: own,
    listens,
  } as const;
  const farEnd = await startFarEnd(orders);
  await seas.private(other, 'the link is up');
  const throughCenterUs = await median((text) => seas.send(other, text, { until: 'stored' }));
  const privateUs = await median((text) => seas.private(other, text));
  farEnd.process.disconnect();
  await seas.close();
  return { throughCenterUs, privateUs };
}

async function median(send: (text: string) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < warmups + roundTrips; i++) {
    const startMs = performance.now();
    await send(`number ${i}`);
    if (i >= warmups) times.push((performance.now() - startMs) * 1000);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
}

/** As lines, with the ratios. */
export function renderLinks({ bareTls, link, throughCenterUs, privateUs, relayedUs }: LinkFigures): string {
  const rate = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB/s`.padStart(10);
  const time = (us: number) => `${us.toFixed(0)} us`.padStart(10);
  const of = (one: number, other: number) => (one / other).toFixed(2).padStart(8);
  return [
    'private links (links): texts of 16 KiB, and a message with its receipt, one at a time, without history',
    `  bare TLS connection              ${rate(bareTls)}`,
    `  direct link                      ${rate(link)}${of(link, bareTls)} of bare TLS (to reach: 0.8)`,
    `  message through the center       ${time(throughCenterUs)}`,
    `  private, relayed by the center   ${time(relayedUs)}`,
    `  private, direct                  ${time(privateUs)}${of(privateUs, throughCenterUs)} of a message through the center,${of(privateUs, relayedUs)} of relayed (to reach: 0.33)`,
    '',
  ].join('\n');
}
