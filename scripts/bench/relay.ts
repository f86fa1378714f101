// The yardstick: a relay of length-prefixed frames that does nothing else, as fast as plain Node goes. Length and
// destination are 4 bytes each, big-endian; the first frame of a connection says which number it is.
//   node relay.ts PORT [KEY.pem CERT.pem]
import { readFileSync } from 'node:fs';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';

const lengthBytes = 4;
const headBytes = 8;
const everybody = 0xffffffff;
const readBytes = 65_536;
const chunkBytes = 16_384;
const backlog = 4096;

class Member {
  readonly #socket: net.Socket;
  readonly #relay: Relay;
  #number = -1;
  #rest: Buffer | null = null;
  #chunk: Buffer | null = null;
  #used = 0;
  #full: Buffer[] = [];

  constructor(socket: net.Socket, relay: Relay) {
    this.#socket = socket;
    this.#relay = relay;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => relay.leave(this.#number));
  }

  receive(read: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, read]) : read;
    this.#rest = null;
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const end = at + lengthBytes + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      const to = bytes.readUInt32BE(at + lengthBytes);
      if (this.#number < 0) {
        this.#number = to;
        this.#relay.enter(to, this);
      } else this.#relay.pass(this, to, bytes, at, end);
      at = end;
    }
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  add(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (!this.#chunk) this.#relay.dirty(this);
    if (!this.#chunk || this.#chunk.length - this.#used < size) {
      if (this.#chunk) this.#full.push(this.#chunk.subarray(0, this.#used));
      this.#chunk = this.#relay.take(size);
      this.#used = 0;
    }
    bytes.copy(this.#chunk, this.#used, start, end);
    this.#used += size;
  }

  flush(): void {
    const chunk = this.#chunk!;
    this.#chunk = null;
    if (this.#full.length > 0) {
      this.#socket.cork();
      for (const full of this.#full) this.#socket.write(full);
      this.#full = [];
      this.#socket.write(chunk.subarray(0, this.#used), () => this.#relay.give(chunk));
      this.#socket.uncork();
    } else this.#socket.write(chunk.subarray(0, this.#used), () => this.#relay.give(chunk));
  }
}

class Relay {
  readonly #members = new Map<number, Member>();
  readonly #chunks: Buffer[] = [];
  #dirty: Member[] = [];

  enter(number: number, member: Member): void {
    this.#members.set(number, member);
  }

  leave(number: number): void {
    this.#members.delete(number);
  }

  pass(from: Member, to: number, bytes: Buffer, start: number, end: number): void {
    if (to === everybody) {
      for (const member of this.#members.values()) if (member !== from) member.add(bytes, start, end);
    } else this.#members.get(to)?.add(bytes, start, end);
  }

  take(size: number): Buffer {
    if (size > chunkBytes) return Buffer.allocUnsafeSlow(size);
    return this.#chunks.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  give(chunk: Buffer): void {
    if (chunk.length === chunkBytes) this.#chunks.push(chunk);
  }

  dirty(member: Member): void {
    if (this.#dirty.length === 0) setImmediate(this.#flush);
    this.#dirty.push(member);
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const member of dirty) member.flush();
  };
}

/** What a paused socket of a server holds, and what takes it over: `onread` is public for clients only. */
interface Handled {
  _handle: unknown;
}

const [port, keyFile, certFile] = process.argv.slice(2);
const relay = new Relay();
let server: net.Server;
if (keyFile && certFile) {
  const context = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
  server = tls.createServer({ ...context, minVersion: 'TLSv1.3', ecdhCurve: 'X25519', noDelay: true }, (socket) => {
    const member = new Member(socket, relay);
    socket.on('data', (bytes: Buffer) => member.receive(bytes));
  });
} else {
  const shared = Buffer.allocUnsafeSlow(readBytes);
  server = net.createServer({ pauseOnConnect: true, noDelay: true }, (paused) => {
    const handle = (paused as unknown as Handled)._handle;
    (paused as unknown as Handled)._handle = null;
    let member: Member;
    const onread = {
      buffer: shared,
      callback: (bytes: number): boolean => {
        member.receive(shared.subarray(0, bytes));
        return true;
      },
    };
    const socket = new net.Socket({ handle, onread } as unknown as net.SocketConstructorOpts);
    member = new Member(socket, relay);
    socket.read(0);
  });
}
server.listen({ host: '127.0.0.1', port: Number(port), backlog }, () => process.stdout.write('listening\n'));
