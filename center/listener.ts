// The center's sockets: the only file that makes them. Everything else sees streams.
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import { countedAddress, plainAddress } from './address.ts';
import type { Origin } from './session.ts';
import type { Sessions } from './sessions.ts';

export interface ListenerOptions {
  host: string;
  port: number;
  /** PEM; null: plain TCP. */
  tls: { key: string; cert: string } | null;
  handshakeTimeoutMs: number;
  sessions: Sessions;
  onConnection(stream: Duplex, origin: Origin): void;
}

export interface Listener {
  host: string;
  port: number;
  /** Takes no more connections; those there are stay. */
  close(): void;
}

const backlog = 4096;

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

/** Rejects with the error of the operating system: EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const context =
    options.tls && tls.createSecureContext({ ...options.tls, minVersion: 'TLSv1.3', ecdhCurve: 'X25519' });
  let isOpen = true;
  const onConnection: ListenerOptions['onConnection'] = (stream, origin) => {
    // A handshake may end after the listener did.
    if (isOpen) options.onConnection(stream, origin);
    else stream.destroy();
  };
  const server = net.createServer({ noDelay: true }, (socket) => accept(socket, { ...options, onConnection }, context));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Running out of file descriptors refuses one connection; it does not end the center.
  server.on('error', () => undefined);
  const { address, port } = server.address() as net.AddressInfo;
  const close = (): void => {
    isOpen = false;
    server.close();
  };
  return { host: address, port, close };
}

function accept(socket: net.Socket, options: ListenerOptions, context: tls.SecureContext | null): void {
  const address = plainAddress(socket.remoteAddress ?? '');
  const loopback = isLoopback(address);
  const place = address ? options.sessions.connect(countedAddress(address), loopback) : null;
  if (!place) {
    socket.destroy();
    return;
  }
  socket.on('error', () => socket.destroy());
  socket.once('close', () => options.sessions.disconnect(place));
  const from = { address, port: socket.remotePort ?? 0, counted: place.address, loopback, place };
  if (context) secure(socket, from, options, context);
  else options.onConnection(socket, { ...from, exporter: new Uint8Array() });
}

function secure(
  socket: net.Socket,
  from: Omit<Origin, 'exporter'>,
  options: ListenerOptions,
  secureContext: tls.SecureContext,
): void {
  const secured = new tls.TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: [alpnProtocol] });
  const timer = setTimeout(() => secured.destroy(), options.handshakeTimeoutMs);
  secured.once('close', () => clearTimeout(timer));
  // Garbage instead of TLS ends here.
  secured.on('error', () => secured.destroy());
  secured.once('secure', () => {
    clearTimeout(timer);
    const exporter = secured.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
    options.onConnection(secured, { ...from, exporter });
  });
}

/**
 * Dials and looks at the certificate that is shown: the fingerprint of its key, which the handshake proves, or null.
 * Sends a ClientHello and nothing of value; for telling peers where another can be reached.
 */
export function probeKey(address: string, port: number, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      host: address,
      port,
      minVersion: 'TLSv1.3',
      ecdhCurve: 'X25519',
      ALPNProtocols: [linkAlpnProtocol],
      rejectUnauthorized: false,
    });
    const finish = (key: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(key);
    };
    const timer = setTimeout(() => finish(null), timeoutMs);
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      finish(certificate ? fingerprint(certificate.publicKey.export({ type: 'spki', format: 'der' })) : null);
    });
    socket.on('error', () => finish(null));
    socket.once('close', () => finish(null));
  });
}
