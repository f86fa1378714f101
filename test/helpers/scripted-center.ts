// A center that says what a test tells it to, over a pair of streams.
import { type KeyObject, randomBytes } from 'node:crypto';
import { type Duplex, duplexPair } from 'node:stream';
import type { ConnectionOptions } from '../../peer/connection.ts';
import { Connection } from '../../peer/connection.ts';
import type { Channel } from '../../peer/hello.ts';
import { decodeFrame, encodeFrame, FrameDecoder } from '../../shared/frames.ts';
import { type Binding, centerProof, generateKey, peerProof, publicDer, signProof } from '../../shared/identity.ts';
import type { parley } from '../../shared/protocol.js';

type Body = Exclude<keyof parley.Frame, 'request' | '$unknowns' | 'body'>;

const waitMs = 20_000;

/** A connection whose Hello is answered. */
export async function openConnection(channel: Channel, options: ConnectionOptions): Promise<Connection> {
  const connection = Connection.begin(channel, options);
  await connection.greeted;
  return connection;
}

export class ScriptedCenter {
  readonly channel: Channel;
  readonly stream: Duplex;
  readonly key: KeyObject;
  readonly centerId: Buffer;
  readonly nonce = randomBytes(32);
  /** Frames that came and were not taken. */
  readonly received: parley.Frame[] = [];
  readonly #looks = new Set<() => void>();
  isEnded = false;

  /** over: what the peer takes its connection for. */
  constructor(parts: { key?: KeyObject; centerId?: Buffer; over?: Partial<Channel> } = {}) {
    const { key = generateKey(), centerId = randomBytes(16), over = {} } = parts;
    this.key = key;
    this.centerId = centerId;
    const [near, far] = duplexPair();
    const plain = { exporter: Buffer.alloc(0), certificateKey: null, isTicketed: false, localEnd: null };
    this.channel = { stream: near, ...plain, ...over };
    this.stream = far;
    const decoder = new FrameDecoder(1 << 20);
    far.on('data', (chunk: Buffer) => {
      decoder.push(chunk, (bytes, start, end) => this.received.push(decodeFrame(Buffer.from(bytes), start, end)));
      for (const look of this.#looks) look();
    });
    far.on('end', () => {
      this.isEnded = true;
    });
  }

  /** A connection that has said Hello. */
  static async connected(
    hello: parley.Hello.$Properties = {},
    options: Partial<ConnectionOptions> = {},
  ): Promise<{ center: ScriptedCenter; connection: Connection }> {
    const center = new ScriptedCenter();
    const opened = openConnection(center.channel, { pin: () => undefined, ...options });
    await center.greets(hello);
    return { center, connection: await opened };
  }

  get identityKey(): Buffer {
    return publicDer(this.key);
  }

  says(...frames: parley.Frame.$Properties[]): void {
    this.stream.write(Buffer.concat(frames.map(encodeFrame)));
  }

  /** Takes the first frame with this body, waiting for it. */
  sees(body: Body): Promise<parley.Frame> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const at = this.received.findIndex((frame) => frame[body] != null);
        if (at < 0) return;
        clearTimeout(timer);
        this.#looks.delete(look);
        resolve(this.received.splice(at, 1)[0]!);
      };
      const timer = setTimeout(() => {
        this.#looks.delete(look);
        reject(new Error(`${body} did not come; got ${JSON.stringify(this.received)}`));
      }, waitMs);
      this.#looks.add(look);
      look();
    });
  }

  /** Takes a request with this body and answers it. */
  async answers(body: Body, reply: parley.Frame.$Properties): Promise<parley.Frame> {
    const frame = await this.sees(body);
    this.says({ ...reply, request: frame.request });
    return frame;
  }

  /** Answers the peer's Hello; what is given, or made then, replaces what is right. */
  async greets(hello: parley.Hello.$Properties | (() => parley.Hello.$Properties) = {}): Promise<void> {
    this.peerNonce = (await this.sees('hello')).hello!.nonce as Uint8Array;
    const { centerId, identityKey, nonce } = this;
    this.says({
      hello: {
        ...{ version: 1, oldestVersion: 1, software: 'scripted', nonce, centerId, identityKey },
        ...{ identitySignature: signProof(this.key, this.centerProof), timeMs: 1000, limits: { heartbeatMs: 10_000 } },
        ...(typeof hello === 'function' ? hello() : hello),
      },
    });
  }

  peerNonce: Uint8Array = Buffer.alloc(0);

  get centerProof(): Buffer {
    return centerProof(this.#binding);
  }

  get peerProof(): Buffer {
    return peerProof(this.#binding);
  }

  get #binding(): Binding {
    const { centerId, identityKey, peerNonce, nonce: centerNonce } = this;
    return { centerId, identityKey, peerNonce, centerNonce, exporter: this.channel.exporter };
  }
}
