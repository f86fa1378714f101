// The center's sockets: the only file that makes them. Everything else sees streams.
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import { countedAddress, plainAddress } from './address.ts';
import { noExporter, type Origin, type Sessions } from './sessions.ts';

export interface ListenerOptions {
  host: string;
  port: number;
  /** PEM; null: plain TCP. */
  tls: { key: string; cert: string } | null;
  handshakeTimeoutMs: number;
  sessions: Sessions;
  /** null: the connection was destroyed. */
  onConnection(stream: Duplex, origin: Origin): Receiver | null;
}

/** Who takes what comes over a connection. */
export interface Receiver {
  /** The bytes are only good during the call. */
  receive(bytes: Buffer): void;
  closed(): void;
}

export interface Listener {
  host: string;
  port: number;
  /** Takes no more connections; those there are stay. */
  close(): void;
}

const backlog = 4096;
const readBytes = 65_536;

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
    return null;
  };
  const own = { ...options, onConnection };
  const readBuffer = Buffer.allocUnsafeSlow(readBytes);
  const server = context
    ? net.createServer({ noDelay: true }, (socket) => acceptTls(socket, own, context))
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
  let receiver: Receiver | null = null;
  const callback = (count: number): boolean => {
    receiver?.receive(readBuffer.subarray(0, count));
    return true;
  };
  const socket = new net.Socket({ handle, onread: { buffer: readBuffer, callback } });
  socket.on('error', destroyed);
  socket.on('close', () => {
    options.sessions.disconnect(from);
    receiver?.closed();
  });
  receiver = options.onConnection(socket, from);
  socket.read(0);
}

/** Where a connection comes from, if there is a place for it; else it is cut off. */
function admit(socket: net.Socket, { sessions }: ListenerOptions): Origin | null {
  const address = plainAddress(socket.remoteAddress ?? '');
  const counted = countedAddress(address);
  const port = socket.remotePort ?? 0;
  const from: Origin = { address, counted, port, loopback: isLoopback(address), exporter: noExporter, place: 'free' };
  if (address && sessions.connect(from)) return from;
  socket.destroy();
  return null;
}

/** An error of a connection ends it; its 'close' says the rest. One function for all: most are idle most of the time. */
function destroyed(this: net.Socket): void {
  this.destroy();
}

function acceptTls(socket: net.Socket, options: ListenerOptions, secureContext: tls.SecureContext): void {
  const from = admit(socket, options);
  if (!from) return;
  // Garbage instead of TLS ends in 'error'; whatever becomes of the socket below, 'close' comes here too.
  const secured = new tls.TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: [alpnProtocol] });
  let receiver: Receiver | null = null;
  let timer: NodeJS.Timeout | undefined = setTimeout(() => secured.destroy(), options.handshakeTimeoutMs);
  const stopTimer = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  secured.on('error', destroyed);
  secured.on('close', () => {
    stopTimer();
    options.sessions.disconnect(from);
    receiver?.closed();
  });
  secured.once('secure', () => {
    stopTimer();
    from.exporter = secured.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
    receiver = options.onConnection(secured, from);
    secured.on('data', (bytes: Buffer) => receiver?.receive(bytes));
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
