// The peer's sockets: to the center, and its own address. No other file makes any.
import { type AddressInfo, connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { ParleyError } from '../shared/errors.ts';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import type { Channel } from './hello.ts';
import { centerAddress } from './known-centers.ts';

export const connectTimeoutMs = 10_000;
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
  if (options.signal?.aborted) throw givenUp();
  const { socket, ready } = options.plain ? openPlain(options) : openTls(options);
  socket.setNoDelay(true);
  await established(socket, ready, options);
  socket.setKeepAlive(true, keepAliveMs);
  if (options.plain) {
    if (!isLoopback(socket.remoteAddress ?? '')) {
      socket.destroy();
      throw new ParleyError(
        'disconnected',
        `${options.host} is not a loopback address: without TLS no other is spoken to.`,
      );
    }
    return { stream: socket, exporter: Buffer.alloc(0), certificateKey: null, localEnd: endOf(socket) };
  }
  const tls = socket as TLSSocket;
  const certificate = tls.getPeerX509Certificate();
  if (certificate === undefined || tls.alpnProtocol !== alpnProtocol) {
    socket.destroy();
    throw new ParleyError('disconnected', `${centerAddress(options.host, options.port)} does not speak this protocol.`);
  }
  return {
    stream: tls,
    exporter: tls.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)),
    // With a certificate authority the certificate is one for the name, not the identity's own.
    certificateKey: options.ca ? null : certificate.publicKey.export({ type: 'spki', format: 'der' }),
    localEnd: endOf(socket),
  };
}

function endOf({ localAddress, localPort }: Socket): Channel['localEnd'] {
  return localAddress && localPort ? { address: localAddress, port: localPort } : null;
}

function openPlain({ host, port }: DialOptions): { socket: Socket; ready: string } {
  return { socket: connectPlain({ host, port }), ready: 'connect' };
}

function openTls({ host, port, ca }: DialOptions): { socket: Socket; ready: string } {
  const socket = connectTls({
    host,
    port,
    minVersion: 'TLSv1.3',
    ecdhCurve: 'X25519',
    ALPNProtocols: [alpnProtocol],
    // The identity key is checked instead, by whoever opens the connection: the certificate is self-signed.
    rejectUnauthorized: ca !== undefined,
    ...(ca === undefined ? {} : { ca }),
  });
  return { socket, ready: 'secureConnect' };
}

function established(socket: Socket, ready: string, options: DialOptions): Promise<void> {
  const { signal, timeoutMs = connectTimeoutMs } = options;
  const address = centerAddress(options.host, options.port);
  return new Promise((resolve, reject) => {
    const fail = (error: ParleyError) => {
      settle();
      // The socket may report more on its way out.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onError = (error: Error) =>
      fail(new ParleyError('disconnected', reasonOf(address, error, options.ca !== undefined)));
    const onClose = () => fail(new ParleyError('disconnected', `${address} closed the connection.`));
    const onAbort = () => fail(givenUp());
    const onReady = () => {
      settle();
      resolve();
    };
    const timer = setTimeout(
      () => fail(new ParleyError('timeout', `${address} did not answer within ${timeoutMs / 1000} s.`)),
      timeoutMs,
    );
    function settle(): void {
      clearTimeout(timer);
      socket.off('error', onError).off('close', onClose).off(ready, onReady);
      signal?.removeEventListener('abort', onAbort);
    }
    socket.once('error', onError).once('close', onClose).once(ready, onReady);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function givenUp(): ParleyError {
  return new ParleyError('cancelled', 'Connecting was given up.');
}

function reasonOf(address: string, error: Error, isCertified: boolean): string {
  const code = 'code' in error ? String(error.code) : '';
  const text = reasons.get(code);
  if (text !== undefined) return `${address}: ${text}.`;
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') return `${address} does not speak TLS 1.3 (${code}).`;
  // OpenSSL's codes for certificates are legion; without an authority none is asked for.
  if (isCertified) return `${address}: its certificate is not of the certificate authority given (${code}).`;
  return `${address}: ${error.message}`;
}

const reasons = new Map([
  ['ECONNREFUSED', 'nothing listens there. Is the center running?'],
  ['ECONNRESET', 'the connection was reset'],
  ['ENOTFOUND', 'there is no host of this name'],
  ['EAI_AGAIN', 'the name cannot be looked up now'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the network cannot be reached'],
  ['ETIMEDOUT', 'no answer'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
]);

/** 127.0.0.0/8 and ::1, also as IPv4 within IPv6. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./i.test(address);
}

/** The peer's own address, bound for as long as a session lasts. */
export interface Listener {
  readonly port: number;
  close(): void;
}

/** Binds the peer's own address. Throws in words what to do if it cannot. */
export async function listen(host: string, port: number, onSocket: (socket: Socket) => void): Promise<Listener> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  await bound(server, host, port);
  // The address alone must not keep the program running.
  server.unref();
  server.on('error', () => undefined);
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
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
  const socket = connectPlain({
    host: address,
    port,
    noDelay: true,
    ...(from ? { localAddress: from.address, localPort: from.port } : {}),
  });
  await established(socket, 'connect', { host: address, port, timeoutMs, signal });
  return socket;
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

/** Addresses of this machine where a port bound to this host may be reached from nearby. */
export function reachableAddresses(host: string): string[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // Link-local ones need the interface's name, which means nothing elsewhere.
    .filter(({ address }) => !address.toLowerCase().startsWith('fe80:'));
  const isAll = host === '0.0.0.0' || host === '::';
  const reached = own.filter(({ address, family }) => {
    if (isAll) return host === '::' || family === 'IPv4';
    return host === 'localhost' ? isLoopback(address) : address === host;
  });
  return reached.map(({ address }) => address);
}
