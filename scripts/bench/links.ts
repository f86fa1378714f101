// Private links: how much one carries beside a bare TLS connection, and how long a message takes beside the way through
// the center.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import tls from 'node:tls';
import { Link } from '../../peer/links/link.ts';
import { dialLink, secureLink } from '../../peer/socket.ts';
import { selfSigned } from '../../shared/certificate.ts';
import { generateKey } from '../../shared/identity.ts';
import { type LinkTimes, measureRoundTrips, type RoundTrips } from './round-trips.ts';

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
  history: boolean;
}

export interface LinkFigures {
  /** Bytes of text a second. */
  bareTls: number;
  link: number;
  times: LinkTimes[];
}

const bodyBytes = 16_384;

/** Runs against a center that is there already, registration open. */
export async function measureLinks(center: { port: number }, dir: string, seconds: number): Promise<LinkFigures> {
  return {
    bareTls: await throughput('bare', seconds),
    link: await throughput('link', seconds),
    times: [await measureRoundTrips(center, dir, false), await measureRoundTrips(center, dir, true)],
  };
}

interface FarEnd {
  process: ChildProcess;
  port: number;
}

/** Resolves when it is ready; ends when its process is disconnected. */
export async function startFarEnd(orders: LinkEndOrders): Promise<FarEnd> {
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
    run: Buffer.alloc(8),
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

/** As lines, with the ratios. */
export function renderLinks({ bareTls, link, times }: LinkFigures): string {
  const rate = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB/s`.padStart(10);
  return [
    'private links (links): texts of 16 KiB',
    `  bare TLS connection              ${rate(bareTls)}`,
    `  direct link                      ${rate(link)}${ratio(link, bareTls)} of bare TLS (to reach: 0.8)`,
    ...times.flatMap(({ history, receipt, answer }) => [
      ...renderTrips(`one message and its receipt, ${history ? 'history on disk' : 'no history'}`, receipt),
      ...renderTrips(`one message and the answer to it, ${history ? 'history on disk' : 'no history'}`, answer),
    ]),
    '',
  ].join('\n');
}

function ratio(one: number, other: number): string {
  return (one / other).toFixed(2).padStart(8);
}

function renderTrips(title: string, { throughCenterUs, relayedUs, directUs }: RoundTrips): string[] {
  const time = (us: number) => `${us.toFixed(0)} us`.padStart(10);
  return [
    title,
    `  ordinary, through the center     ${time(throughCenterUs)}`,
    `  private, relayed by the center   ${time(relayedUs)}`,
    `  private, direct                  ${time(directUs)}${ratio(directUs, throughCenterUs)} of ordinary,${ratio(directUs, relayedUs)} of relayed (to reach: 0.33)`,
  ];
}
