// The peer's sockets: to the center, and its own address. No other file makes any.
import { type AddressInfo, connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ParleyError } from '../shared/errors.ts';
import { exporterBytes, exporterLabel } from '../shared/identity.ts';
import { alpnProtocol } from '../shared/version.ts';
import type { Channel } from './hello.ts';
import { centerAddress } from './known-centers.ts';

export const connectTimeoutMs = 10_000;
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
    return { stream: socket, exporter: Buffer.alloc(0), certificateKey: null };
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
  };
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
  if (isCertified && code.includes('_'))
    return `${address}: its certificate is not of the certificate authority given (${code}).`;
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

/** Binds the peer's own address. Nobody is served there: who connects is cut off. Throws in words what to do if it cannot. */
export async function listen(host: string, port: number): Promise<Listener> {
  const server = createServer((socket) => socket.destroy());
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
