// The peer's sockets: to the center, and its own address. No other file makes any.
import { lookup } from 'node:dns/promises';
import {
  type AddressInfo,
  connect as connectPlain,
  createServer,
  isIP,
  isIPv6,
  type Server,
  type Socket,
} from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type PSKCallbackNegotation, TLSSocket } from 'node:tls';
import { isLoopback } from '../shared/address.ts';
import { asParleyError, ParleyError } from '../shared/errors.ts';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { ticketPsk } from '../shared/ticket.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import { givenUp, type Sought, tooLate, unbindable, unreachable } from './failures.ts';
import type { Channel } from './hello.ts';
import { centerAddress } from './known-centers.ts';
import { firstOf, interleaved } from './race.ts';
import type { Ticket } from './ticket.ts';

export const connectTimeoutMs = 10_000;
/** RFC 8305, 5: the delay before the next address is tried beside those under way. */
export const attemptDelayMs = 250;
const handshakeTimeoutMs = 5_000;
/** How often the kernel is to look after a connection that is silent below the heartbeats. */
const keepAliveMs = 15_000;

export interface DialOptions {
  host: string;
  port: number;
  /** No TLS; loopback addresses only. */
  plain?: boolean;
  /** PEM of a certificate authority that must have signed the center's certificate. */
  ca?: string;
  /** To begin TLS with; the center may not know it. */
  ticket?: Ticket | null;
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Connects to a center. Throws disconnected with the reason, timeout, or cancelled where the signal was aborted. */
export async function dial(options: DialOptions): Promise<Channel> {
  const { host, port, ca, signal, timeoutMs = connectTimeoutMs } = options;
  if (signal?.aborted) throw givenUp();
  const name = centerAddress(host, port);
  const deadlineMs = performance.now() + timeoutMs;
  const leftMs = (): number => Math.max(1, deadlineMs - performance.now());
  let addresses = await lookUp(host, { name, timeoutMs, signal });
  if (options.plain) {
    addresses = addresses.filter(isLoopback);
    if (addresses.length === 0) {
      throw new ParleyError('disconnected', `${host} is not a loopback address: without TLS no other is spoken to.`);
    }
  }
  const socket = await firstOf(addresses, {
    // Bound explicitly, the port can be shared by what is to open a NAT's way in (RFC 5128, 3.3).
    attempt: (address, signal) =>
      connectTo(
        { address, port, localAddress: isIPv6(address) ? '::' : '0.0.0.0' },
        { name, timeoutMs: leftMs(), signal, isCenter: true },
      ),
    discard: (late) => late.destroy(),
    delayMs: attemptDelayMs,
    signal,
  });
  socket.setKeepAlive(true, keepAliveMs);
  const localEnd = endOf(socket);
  if (options.plain)
    return { stream: socket, exporter: Buffer.alloc(0), certificateKey: null, isTicketed: false, localEnd };
  const tls = connectTls({
    socket,
    host,
    servername: isIP(host) ? '' : host,
    minVersion: 'TLSv1.3',
    ecdhCurve: 'X25519',
    ALPNProtocols: [alpnProtocol],
    // The identity key is checked instead, by whoever opens the connection: the certificate is self-signed.
    rejectUnauthorized: ca !== undefined,
    ...(ca === undefined ? {} : { ca }),
    ...(options.ticket ? { pskCallback: offering(options.ticket) } : {}),
  });
  const handshake = { name, timeoutMs: leftMs(), signal, isCertified: ca !== undefined, isCenter: true };
  try {
    await established(tls, 'secureConnect', handshake);
  } catch (error) {
    const { code } = asParleyError(error);
    if (code === 'disconnected' || code === 'timeout') options.ticket?.failed(code);
    throw error;
  }
  // Who knows the ticket's secret is the center, and shows no certificate.
  const isTicketed = tls.isSessionReused();
  const certificate = isTicketed ? null : tls.getPeerX509Certificate();
  if (certificate === undefined || tls.alpnProtocol !== alpnProtocol) {
    tls.destroy();
    throw new ParleyError('disconnected', `${name} does not speak this protocol.`);
  }
  return {
    stream: tls,
    exporter: tls.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)),
    // With a certificate authority the certificate is one for the name, not the identity's own.
    certificateKey: ca || !certificate ? null : certificate.publicKey.export({ type: 'spki', format: 'der' }),
    isTicketed,
    localEnd,
  };
}

/** TLS 1.3 with a pre-shared key (RFC 8446, 2.2). Where the center does not know it, it shows its certificate. */
function offering({ text, secret }: Ticket): () => PSKCallbackNegotation {
  return () => ({ identity: text, psk: ticketPsk(secret) });
}

function endOf({ localAddress, localPort }: Socket): Channel['localEnd'] {
  return localAddress && localPort ? { address: localAddress, port: localPort } : null;
}

/** What is waited for, and for how long. */
interface Waiting extends Sought {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** The addresses of a host in the order in which they are to be tried. Throws disconnected, timeout or cancelled. */
async function lookUp(host: string, waiting: Waiting): Promise<string[]> {
  const { name, timeoutMs, signal } = waiting;
  if (isIP(host)) return [host];
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const found = (all: { address: string }[]): void =>
    resolve(interleaved([...new Set(all.map(({ address }) => address))], isIPv6));
  const onAbort = (): void => reject(givenUp());
  const timer = setTimeout(() => reject(tooLate(name)), timeoutMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  lookup(host, { all: true }).then(found, (error: Error) => reject(unreachable(error, waiting)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

interface Ends {
  address: string;
  port: number;
  localAddress?: string;
  localPort?: number;
}

async function connectTo({ address, ...ends }: Ends, waiting: Waiting): Promise<Socket> {
  const socket = connectPlain({ host: address, noDelay: true, ...ends });
  await established(socket, 'connect', waiting);
  // Whoever is given the socket hears of its end by its close; TLS over it takes no other note of errors.
  socket.on('error', () => undefined);
  return socket;
}

function established(socket: Socket, ready: string, waiting: Waiting): Promise<void> {
  const { name, timeoutMs, signal } = waiting;
  return new Promise((resolve, reject) => {
    const fail = (error: ParleyError) => {
      settle();
      // The socket may report more on its way out.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onError = (error: Error) => fail(unreachable(error, waiting));
    const onClose = () => fail(new ParleyError('disconnected', `${name} closed the connection.`));
    const onAbort = () => fail(givenUp());
    const onReady = () => {
      settle();
      resolve();
    };
    const timer = setTimeout(() => fail(tooLate(name)), timeoutMs);
    function settle(): void {
      clearTimeout(timer);
      socket.off('error', onError).off('close', onClose).off(ready, onReady);
      signal?.removeEventListener('abort', onAbort);
    }
    socket.once('error', onError).once('close', onClose).once(ready, onReady);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The peer's own address, bound for as long as a session lasts. */
export interface Listener {
  readonly address: string;
  readonly port: number;
  close(): void;
}

/** Binds the peer's own address. Throws in words what to do if it cannot. */
export async function listen(host: string, port: number, onSocket: (socket: Socket) => void): Promise<Listener> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  await bound(server, host, port);
  // The address alone must not keep the program running.
  server.unref();
  server.on('error', () => undefined);
  const { address, port: taken } = server.address() as AddressInfo;
  return { address, port: taken, close: () => server.close() };
}

function bound(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(unbindable(error, host, port)));
    server.listen({ host, port, exclusive: true }, resolve);
  });
}

// --- links ------------------------------------------------------------------------------------------

/** PEM: the account's key and its self-signed certificate. */
export interface Credentials {
  key: string;
  cert: string;
}

export interface DialLinkOptions {
  address: string;
  port: number;
  timeoutMs: number;
  signal: AbortSignal;
  /** To come from this address and port: for opening a NAT from both sides at one moment. */
  from?: { address: string; port: number };
}

/** A TCP connection to another peer; nothing is sent on it yet. Throws disconnected, timeout or cancelled. */
export async function dialLink(options: DialLinkOptions): Promise<Socket> {
  const { address, port, timeoutMs, signal, from } = options;
  if (signal.aborted) throw givenUp();
  const local = from ? { localAddress: from.address, localPort: from.port } : {};
  return connectTo({ address, port, ...local }, { name: centerAddress(address, port), timeoutMs, signal });
}

/** Encrypts a stream to another peer, both showing certificates. Rejects when the handshake fails or takes too long. */
export function secureLink(
  stream: Duplex,
  side: 'client' | 'server',
  credentials: Credentials,
): Promise<{ stream: TLSSocket; exporter: Uint8Array; key: string }> {
  const common = { ...credentials, minVersion: 'TLSv1.3' as const, ecdhCurve: 'X25519', rejectUnauthorized: false };
  const tls =
    side === 'client'
      ? connectTls({ ...common, socket: stream, ALPNProtocols: [linkAlpnProtocol] })
      : new TLSSocket(stream as Socket, {
          isServer: true,
          requestCert: true,
          rejectUnauthorized: false,
          secureContext: createSecureContext(common),
          ALPNProtocols: [linkAlpnProtocol],
        });
  // The stream's own errors end it; whoever takes the link hears of that.
  tls.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer);
      tls.off('error', onError).off('close', onClose);
    };
    const fail = (reason: string): void => {
      settle();
      tls.destroy();
      stream.destroy();
      reject(new ParleyError('disconnected', `The link could not be secured: ${reason}.`));
    };
    const onError = (error: Error): void => fail(error.message);
    const onClose = (): void => fail('it was closed');
    const timer = setTimeout(() => fail('no answer'), handshakeTimeoutMs);
    tls.once('error', onError).once('close', onClose);
    // TLS would not notice.
    if (stream.destroyed) return fail('it was closed');
    tls.once(side === 'client' ? 'secureConnect' : 'secure', () => {
      const certificate = tls.getPeerX509Certificate();
      if (!certificate) return fail('the other side showed no key');
      settle();
      const exporter = tls.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
      resolve({
        stream: tls,
        exporter,
        key: fingerprint(certificate.publicKey.export({ type: 'spki', format: 'der' })),
      });
    });
  });
}
