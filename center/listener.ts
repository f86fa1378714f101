// The center's sockets: the only file that makes them. Everything else sees streams.
import { constants } from 'node:crypto';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { isLoopback, plainAddress } from '../shared/address.ts';
import { exporterBytes, exporterLabel, fingerprint } from '../shared/identity.ts';
import { ticketPsk } from '../shared/ticket.ts';
import { alpnProtocol, linkAlpnProtocol } from '../shared/version.ts';
import { countedAddress } from './address.ts';
import { Entrance } from './entrance.ts';
import { noExporter, type Origin, type Sessions } from './sessions.ts';
import type { Ticket } from './tickets.ts';
import { type Receiver, Waiter } from './waiter.ts';

export interface ListenerOptions {
  host: string;
  port: number;
  /** PEM; null: plain TCP. */
  tls: { key: string; cert: string } | null;
  /** For a handshake, and for the first byte before it. */
  handshakeTimeoutMs: number;
  /** What is told over plain TCP to whoever says nothing in that time. */
  farewell: Buffer;
  sessions: Sessions;
  /** null: not one of this center's. */
  openTicket(ticket: string): Ticket | null;
  onConnection(stream: Duplex, origin: Origin): Receiver;
}

export interface Listener {
  host: string;
  port: number;
  /** Takes no more connections; those that have begun, and are done with the handshake, stay. */
  close(): void;
}

/** Tickets go with SHA-256 only (RFC 8446, 4.2.11): whoever has one shall not be given another suite. */
const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384';
const backlog = 4096;
const readBytes = 65_536;

/** Rejects with the error of the operating system: EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const door = new Door(options);
  const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (socket) => door.open(socket));
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
    server.close();
    door.close();
  };
  return { host: address, port, close };
}

/** What the socket of a server holds, and what can take it over: `onread` is documented for clients only. */
interface Handled {
  _handle: NonNullable<net.SocketConstructorOpts['handle']> | null;
}

/** Documented for servers that make the sockets themselves. */
type PskOptions = Pick<tls.TlsOptions, 'pskCallback'>;

/** The way in: a connection says something, waits for its turn, and begins. One that says nothing costs next to nothing. */
class Door {
  readonly options: ListenerOptions;
  readonly entrance: Entrance;
  /** Those that have not begun, or whose handshake is not done. */
  readonly outside = new Set<Duplex>();
  readonly #context: tls.SecureContext | null;
  /**
   * All plain connections, and all that have not begun, are read into one buffer. Node would allocate 64 KiB for each read:
   * garbage that makes V8 collect, all the time when many come at once (docs/performance.md).
   */
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBytes);
  #isOpen = true;

  constructor(options: ListenerOptions) {
    this.options = options;
    this.entrance = new Entrance(options.sessions);
    // TLS's own tickets would be no use: their keys end with the process. Two go to each peer all the same, but short ones.
    const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
    this.#context =
      options.tls &&
      tls.createSecureContext({ ...options.tls, minVersion: 'TLSv1.3', ecdhCurve: 'X25519', ciphers, secureOptions });
  }

  close(): void {
    this.#isOpen = false;
    for (const stream of this.outside) stream.destroy();
  }

  open(paused: net.Socket): void {
    const from = this.#isOpen ? this.#admit(paused) : null;
    if (!from) paused.destroy();
    else if (this.#context) this.#openTls(paused, from, this.#context);
    else this.#openPlain(paused, from);
  }

  /** Where a connection comes from, if there is a place for it. */
  #admit(socket: net.Socket): Origin | null {
    const address = plainAddress(socket.remoteAddress ?? '');
    const counted = countedAddress(address);
    const port = socket.remotePort ?? 0;
    const from: Origin = {
      address,
      counted,
      port,
      loopback: isLoopback(address),
      exporter: noExporter,
      ticket: null,
      place: 'free',
    };
    return address && this.options.sessions.connect(from) ? from : null;
  }

  #openPlain(paused: net.Socket, from: Origin): void {
    const { sessions, onConnection } = this.options;
    let receiver: Receiver;
    const socket = this.#reader(paused, (bytes, end) => receiver.receive(bytes, end));
    if (!socket) return sessions.disconnect(from);
    receiver = new Waiter(this, socket, from, (first) => {
      receiver = onConnection(socket, from);
      receiver.receive(first);
    });
    socket.on('error', destroyed);
    socket.on('close', () => {
      sessions.disconnect(from);
      receiver.closed();
    });
    socket.read(0);
  }

  #openTls(paused: net.Socket, from: Origin, context: tls.SecureContext): void {
    const { sessions } = this.options;
    const closed = (): void => {
      sessions.disconnect(from);
      waiter.closed();
    };
    const socket = this.#reader(paused, (bytes, end) => waiter.receive(bytes, end));
    if (!socket) return sessions.disconnect(from);
    const waiter = new Waiter(this, socket, from, (first) => {
      socket.off('close', closed).off('error', destroyed);
      // TLS takes over what was read, and all that comes. Its input buffer gets the size of this, not 64 KiB for each.
      socket.pause();
      socket.unshift(first);
      this.#secure(socket, from, context);
    });
    socket.on('close', closed).on('error', destroyed);
    socket.read(0);
  }

  /** A socket in the place of this one that reads into the shared buffer. null: it is gone already. */
  #reader(paused: net.Socket, onBytes: (bytes: Buffer, end: number) => void): net.Socket | null {
    const { _handle: handle } = paused as unknown as Handled;
    if (!handle) return null;
    (paused as unknown as Handled)._handle = null;
    const buffer = this.#readBuffer;
    const callback = (count: number): boolean => {
      onBytes(buffer, count);
      return true;
    };
    return new net.Socket({ handle, onread: { buffer, callback } });
  }

  #secure(socket: net.Socket, from: Origin, secureContext: tls.SecureContext): void {
    const { sessions, handshakeTimeoutMs, openTicket, onConnection } = this.options;
    // Garbage instead of TLS ends in 'error'; whatever becomes of the socket below, 'close' comes here too.
    const pskCallback = (_: unknown, identity: string): Buffer | null => {
      from.ticket = openTicket(identity);
      return from.ticket && ticketPsk(from.ticket.secret);
    };
    const options: tls.TLSSocketOptions & PskOptions = { isServer: true, secureContext, ALPNCallback, pskCallback };
    const secured = new tls.TLSSocket(socket, options);
    let receiver: Receiver | null = null;
    let timer: NodeJS.Timeout | undefined = setTimeout(() => secured.destroy(), handshakeTimeoutMs);
    const handshakeEnded = (): void => {
      clearTimeout(timer);
      timer = undefined;
      this.outside.delete(secured);
    };
    this.outside.add(secured);
    secured.on('error', destroyed);
    secured.on('close', () => {
      handshakeEnded();
      sessions.disconnect(from);
      receiver?.closed();
    });
    secured.once('secure', () => {
      handshakeEnded();
      // With a cipher suite that the key is not for, it was not used.
      if (!secured.isSessionReused()) from.ticket = null;
      from.exporter = () => {
        const exporter = secured.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
        from.exporter = () => exporter;
        return exporter;
      };
      receiver = onConnection(secured, from);
      secured.on('data', (bytes: Buffer) => receiver?.receive(bytes));
    });
  }
}

/** A function, because a list is copied for each connection and kept. Undefined refuses; who offers nothing is taken. */
function ALPNCallback({ protocols }: { protocols: string[] }): string | undefined {
  return protocols.find((protocol) => protocol === alpnProtocol);
}

/** An error of a connection ends it; its 'close' says the rest. One function for all: most are idle most of the time. */
function destroyed(this: net.Socket): void {
  this.destroy();
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
