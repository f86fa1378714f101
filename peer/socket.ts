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
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { ParleyError } from '../shared/errors.ts';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import { isLoopback } from './addresses.ts';
import type { Channel } from './hello.ts';
import { centerAddress } from './known-centers.ts';
import { firstOf, interleaved } from './race.ts';

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
        { name, timeoutMs: leftMs(), signal, hint: ' Is the center running?' },
      ),
    discard: (late) => late.destroy(),
    delayMs: attemptDelayMs,
    signal,
  });
  socket.setKeepAlive(true, keepAliveMs);
  const localEnd = endOf(socket);
  if (options.plain) return { stream: socket, exporter: Buffer.alloc(0), certificateKey: null, localEnd };
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
  });
  await established(tls, 'secureConnect', { name, timeoutMs: leftMs(), signal, isCertified: ca !== undefined });
  const certificate = tls.getPeerX509Certificate();
  if (certificate === undefined || tls.alpnProtocol !== alpnProtocol) {
    tls.destroy();
    throw new ParleyError('disconnected', `${name} does not speak this protocol.`);
  }
  return {
    stream: tls,
    exporter: tls.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)),
    // With a certificate authority the certificate is one for the name, not the identity's own.
    certificateKey: ca ? null : certificate.publicKey.export({ type: 'spki', format: 'der' }),
    localEnd,
  };
}

function endOf({ localAddress, localPort }: Socket): Channel['localEnd'] {
  return localAddress && localPort ? { address: localAddress, port: localPort } : null;
}

/** How to speak of what is waited for, and for how long. */
interface Waiting {
  name: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  isCertified?: boolean;
  /** What may be the matter where nothing listens. */
  hint?: string;
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
  lookup(host, { all: true }).then(found, (error: Error) => {
    reject(new ParleyError('disconnected', reasonOf(error, waiting)));
  });
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
    const onError = (error: Error) => fail(new ParleyError('disconnected', reasonOf(error, waiting)));
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

function tooLate(name: string): ParleyError {
  return new ParleyError('timeout', `${name} did not answer in time.`);
}

function givenUp(): ParleyError {
  return new ParleyError('cancelled', 'Connecting was given up.');
}

function reasonOf(error: Error, { name, isCertified, hint }: Waiting): string {
  const code = 'code' in error ? String(error.code) : '';
  const text = reasons.get(code);
  if (text !== undefined) return `${name}: ${text}.${code === 'ECONNREFUSED' ? (hint ?? '') : ''}`;
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') return `${name} does not speak TLS 1.3 (${code}).`;
  // OpenSSL's codes for certificates are legion; without an authority none is asked for.
  if (isCertified && code.includes('_'))
    return `${name}: its certificate is not of the certificate authority given (${code}).`;
  return `${name}: ${error.message}`;
}

const reasons = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ECONNRESET', 'the connection was reset'],
  ['ENOTFOUND', 'there is no host of this name'],
  ['EAI_AGAIN', 'the name cannot be looked up now'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the network cannot be reached'],
  ['ETIMEDOUT', 'no answer'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
]);

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
    server.once('error', (error: Error & { code?: string }) => {
      const address = centerAddress(host, port);
      const text =
        error.code === 'EADDRINUSE'
          ? `${address} is in use by another program. Give the peer another port, or 0 for a free one.`
          : error.code === 'EACCES'
            ? `${address} may not be used by you. Give the peer a port from 1024 on, or 0 for a free one.`
            : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
              ? `${address} is not an address of this machine. Give the peer one that is, or localhost.`
              : `The peer cannot listen on ${address}: ${error.message}`;
      reject(new ParleyError('bad_address', text));
    });
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
