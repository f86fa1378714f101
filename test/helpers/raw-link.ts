// The other end of a link, made of nothing but frames: for what no proper peer does.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { secureLink } from '../../peer/socket.ts';
import { selfSigned } from '../../shared/certificate.ts';
import { decodeLinkFrame, encodeLinkFrame, FrameDecoder } from '../../shared/frames.ts';
import type { parley } from '../../shared/protocol.js';
import type { Party } from './matchmaker.ts';

const waitMs = 20_000;

export class RawLink {
  readonly stream: TLSSocket;
  readonly received: parley.LinkFrame[] = [];
  readonly #closed: Promise<unknown>;

  private constructor(stream: TLSSocket) {
    this.stream = stream;
    const decoder = new FrameDecoder(1 << 20);
    stream.on('data', (bytes: Buffer) =>
      decoder.push(bytes, (frame, start, end) => this.received.push(decodeLinkFrame(frame, start, end))),
    );
    stream.on('error', () => undefined);
    this.#closed = once(stream, 'close');
  }

  /** Dials a peer of this machine and proves the key of this party. */
  static async dial(who: Party, port: number): Promise<RawLink> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const { stream } = await secureLink(socket, 'client', await selfSigned(who.key));
    return new RawLink(stream);
  }

  send(...frames: parley.LinkFrame.$Properties[]): void {
    this.stream.write(Buffer.concat(frames.map(encodeLinkFrame)));
  }

  hello(token: string, more: parley.LinkHello.$Properties = {}): void {
    this.send({ hello: { version: 1, software: 'raw', token, outbox: Buffer.alloc(16, 1), ...more } });
  }

  /** Resolves when the other side has closed it. */
  async closed(): Promise<void> {
    const late = wait(waitMs, 'late', { ref: false });
    if ((await Promise.race([this.#closed, late])) === 'late') throw new Error('the link stayed open');
  }

  /** With which code the other side closed it. */
  async closeCode(): Promise<string> {
    await this.closed();
    return this.received.find(({ close }) => close)?.close?.code ?? '';
  }
}
