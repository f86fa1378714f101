// The center's sockets: the only file that makes them. Everything else sees streams.
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import { countedAddress, plainAddress } from './address.ts';
import type { Origin } from './session.ts';
import type { Place, Sessions } from './sessions.ts';

export interface ListenerOptions {
  host: string;
  port: number;
  /** PEM; null: plain TCP. */
  tls: { key: string; cert: string } | null;
  handshakeTimeoutMs: number;
  sessions: Sessions;
  /** Returns who takes the bytes; they are only good during the call. */
  onConnection(stream: Duplex, origin: Origin): (bytes: Buffer) => void;
}

export interface Listener {
  host: string;
  port: number;
  /** Takes no more connections; those there are stay. */
  close(): void;
}

const backlog = 4096;
const readBytes = 65_536;
/** Without TLS there is nothing to be bound to. */
const noExporter = new Uint8Array();

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
    if (isOpen) return options.onConnection(stream, origin);
    stream.destroy();
    return () => undefined;
  };
  const own = { ...options, onConnection };
  const readBuffer = Buffer.allocUnsafeSlow(readBytes);
  const server = context
    ? net.createServer({ noDelay: true }, (socket) => accept(socket, own, context))
    : net.createServer({ noDelay: true, pauseOnConnect: true }, (socket) => acceptPlain(socket, own, readBuffer));
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

/** What the socket of a server holds, and what can take it over: `onread` is documented for clients only. */
interface Handled {
  _handle: NonNullable<net.SocketConstructorOpts['handle']> | null;
}

/** All plain connections are read into one buffer: an allocation less for each read (docs/performance.md). */
function acceptPlain(paused: net.Socket, options: ListenerOptions, readBuffer: Buffer): void {
  const from = admit(paused, options);
  if (!from) return;
  const { _handle: handle } = paused as unknown as Handled;
  if (!handle) return;
  (paused as unknown as Handled)._handle = null;
  let receive: (bytes: Buffer) => void = () => undefined;
  const callback = (count: number): boolean => {
    receive(readBuffer.subarray(0, count));
    return true;
  };
  const socket = new net.Socket({ handle, onread: { buffer: readBuffer, callback } });
  follow(socket, from.place, options);
  receive = options.onConnection(socket, { ...from, exporter: noExporter });
  socket.read(0);
}

function accept(socket: net.Socket, options: ListenerOptions, context: tls.SecureContext): void {
  const from = admit(socket, options);
  if (!from) return;
  follow(socket, from.place, options);
  secure(socket, from, options, context);
}

/** Where a connection comes from, if there is a place for it; else it is cut off. */
function admit(socket: net.Socket, options: ListenerOptions): Omit<Origin, 'exporter'> | null {
  const address = plainAddress(socket.remoteAddress ?? '');
  const loopback = isLoopback(address);
  const place = address ? options.sessions.connect(countedAddress(address), loopback) : null;
  if (!place) {
    socket.destroy();
    return null;
  }
  return { address, port: socket.remotePort ?? 0, counted: place.address, loopback, place };
}

function follow(socket: net.Socket, place: Place, { sessions }: ListenerOptions): void {
  socket.on('error', () => socket.destroy());
  socket.once('close', () => sessions.disconnect(place));
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
    secured.on('data', options.onConnection(secured, { ...from, exporter }));
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
