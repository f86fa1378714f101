// A peer made of nothing but frames, for tests that read as dialogues with a center.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls, { type PSKCallbackNegotation } from 'node:tls';
import { decodeFrame, encodeFrame, FrameDecoder } from '../../shared/frames.ts';
import {
  type Binding,
  exporterBytes,
  exporterLabel,
  generateKey,
  peerProof,
  publicDer,
  signProof,
} from '../../shared/identity.ts';
import type { parley } from '../../shared/protocol.js';
import { alpnProtocol } from '../../shared/version.ts';

type Body = Exclude<keyof parley.Frame, 'request' | '$unknowns'>;
type Frame = parley.Frame.$Properties;

const waitMs = 20_000;

export class WirePeer {
  readonly stream: Duplex;
  readonly exporter: Uint8Array;
  key = generateKey();
  outbox: Uint8Array = randomBytes(16);
  hello: parley.Hello.$Properties = {};
  account = 0;
  token = '';
  /** Of the last Welcome that had one. */
  ticket = '';
  /** Everything that came and was not taken yet. */
  readonly received: parley.Frame[] = [];
  closed = false;
  readonly #waiters = new Set<() => void>();
  #nonce = randomBytes(32);
  #request = 0;

  constructor(stream: Duplex, exporter: Uint8Array = new Uint8Array()) {
    this.stream = stream;
    this.exporter = exporter;
    const decoder = new FrameDecoder(1 << 20);
    stream.on('data', (chunk: Buffer) => {
      // One end of a stream pair gets the very memory that the other end wrote from.
      decoder.push(Buffer.from(chunk), (bytes, start, end) => this.received.push(decodeFrame(bytes, start, end)));
      this.#wake();
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** psk: to begin TLS with. tls: what else to begin it with. Rejects where it fails. */
  static async connect(
    center: { host?: string; port: number },
    options: { plain?: boolean; psk?: PSKCallbackNegotation; tls?: tls.ConnectionOptions } = {},
  ): Promise<WirePeer> {
    const where = { host: '127.0.0.1', port: center.port };
    if (options.plain) {
      const socket = net.connect({ ...where, noDelay: true });
      await once(socket, 'connect');
      return new WirePeer(socket);
    }
    const socket = tls.connect({
      ...where,
      rejectUnauthorized: false,
      ALPNProtocols: [alpnProtocol],
      minVersion: 'TLSv1.3',
      ...(options.psk ? { pskCallback: () => options.psk ?? null } : {}),
      ...options.tls,
    });
    socket.setNoDelay(true);
    await once(socket, 'secureConnect');
    return new WirePeer(socket, socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)));
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  send(frame: Frame): void {
    this.stream.write(encodeFrame(frame));
  }

  /** Takes the first frame that fits, waiting for it; fails when the connection ends or too much time has passed. */
  async take(fits: (frame: parley.Frame) => boolean, what = 'a frame'): Promise<parley.Frame> {
    const found = (): parley.Frame | null => {
      const index = this.received.findIndex(fits);
      return index < 0 ? null : (this.received.splice(index, 1)[0] ?? null);
    };
    const now = found();
    if (now) return now;
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        act();
      };
      const look = (): void => {
        const frame = found();
        if (frame) finish(() => resolve(frame));
        else if (this.closed)
          finish(() => reject(new Error(`the connection ended before ${what}; got ${this.summary()}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`${what} did not come; got ${this.summary()}`))),
        waitMs,
      );
      this.#waiters.add(look);
      look();
    });
  }

  summary(): string {
    return JSON.stringify(this.received).slice(0, 500);
  }

  /** Has not got a frame that fits, as of all that the center has said until now. */
  async hasNot(fits: (frame: parley.Frame) => boolean): Promise<void> {
    await this.fence();
    const found = this.received.find(fits);
    if (found) throw new Error(`this was not to come: ${JSON.stringify(found)}`);
  }

  /** The next frame with this body. */
  async sees<Name extends Body>(name: Name): Promise<NonNullable<parley.Frame[Name]>> {
    const frame = await this.take((candidate) => candidate[name] != null, name);
    return frame[name] as NonNullable<parley.Frame[Name]>;
  }

  /** Asks and gets the one reply. */
  async ask(frame: Frame): Promise<parley.Frame> {
    const request = ++this.#request;
    this.send({ ...frame, request });
    return this.take((candidate) => candidate.request === request, `the reply to ${Object.keys(frame)[0]}`);
  }

  /** Asks and is refused; gives the error. */
  async refused(frame: Frame): Promise<parley.Error> {
    const { error, ...more } = await this.ask(frame);
    if (!error) throw new Error(`it was not refused: ${JSON.stringify(more)}`);
    return error as parley.Error;
  }

  /** The error that the center says last, and then closes. */
  async isClosed(): Promise<parley.Error> {
    const { error } = await this.take((frame) => frame.error != null && !frame.request, 'the last error');
    await this.ends();
    return error as parley.Error;
  }

  /** A message, acknowledged: its text, with its sender. */
  async reads(): Promise<string> {
    const { fromName, body, position } = await this.sees('deliver');
    this.ack(position ?? 0);
    return `<${fromName}>: ${body}`;
  }

  /** Waits until the center has said that it accepted up to this number. */
  async isAccepted(to: number, number: number): Promise<void> {
    await this.take(
      ({ accepted, stored }) => [accepted, stored].some((told) => told?.to === to && (told.number ?? 0) >= number),
      `that ${number} is accepted`,
    );
  }

  async isStored(to: number, number: number): Promise<void> {
    await this.take(({ stored }) => stored?.to === to && (stored.number ?? 0) >= number, `that ${number} is stored`);
  }

  /** A heartbeat and its reply: all that the center had to say before is here. */
  async fence(): Promise<void> {
    await this.ask({ heartbeat: {} });
  }

  async ends(): Promise<void> {
    if (!this.closed) await once(this.stream, 'close', { signal: AbortSignal.timeout(waitMs) });
  }

  async greet(hello: parley.Hello.$Properties = {}): Promise<void> {
    this.send({ hello: { version: 1, oldestVersion: 1, software: 'test', nonce: this.#nonce, ...hello } });
    this.hello = await this.sees('hello');
  }

  get binding(): Binding {
    const { centerId, identityKey, nonce } = this.hello;
    return {
      centerId: centerId ?? new Uint8Array(),
      identityKey: identityKey ?? new Uint8Array(),
      peerNonce: this.#nonce,
      centerNonce: nonce ?? new Uint8Array(),
      exporter: this.exporter,
    };
  }

  proof(): { key: Uint8Array; signature: Uint8Array } {
    return { key: publicDer(this.key), signature: signProof(this.key, peerProof(this.binding)) };
  }

  async enter(frame: Frame): Promise<parley.Welcome.$Properties> {
    if (!this.hello.centerId) await this.greet();
    const { welcome, error } = await this.ask(frame);
    if (!welcome) throw new Error(`${error?.code}: ${error?.text}`);
    this.account = welcome.account ?? 0;
    this.token = welcome.token ?? '';
    this.ticket = welcome.ticket || this.ticket;
    return welcome;
  }

  async register(name: string, password = 'summerisover'): Promise<this> {
    if (!this.hello.centerId) await this.greet();
    await this.enter({ register: { name, password, ...this.proof() } });
    return this;
  }

  async login(name: string, password = 'summerisover'): Promise<this> {
    if (!this.hello.centerId) await this.greet();
    await this.enter({ login: { name, password, ...this.proof() } });
    return this;
  }

  /** Over a new connection: with the key and outbox of the peer before. */
  async resume(before: WirePeer): Promise<this> {
    Object.assign(this, { key: before.key, outbox: before.outbox });
    await this.greet();
    await this.enter({ resume: { token: before.token, ...this.proof() } });
    return this;
  }

  async attach(options: parley.Attach.$Properties = {}): Promise<parley.Attached.$Properties> {
    const { attached, error } = await this.ask({ attach: { outbox: this.outbox, ...options } });
    if (!attached) throw new Error(`${error?.code}: ${error?.text}`);
    return attached;
  }

  message(to: number, number: number, body: string): void {
    this.send({ message: { to, number, sentAtMs: Date.now(), body } });
  }

  ack(position: number): void {
    this.send({ ack: { position } });
  }

  destroy(): void {
    this.stream.destroy();
  }
}
