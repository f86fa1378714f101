// One link with another peer, over any encrypted stream whose other end has proved its key: messages both ways, receipts,
// pings, and the frames of a verification.
import type { Duplex } from 'node:stream';
import { asParleyError, isWireCode, ParleyError } from '../../shared/errors.ts';
import { decodeLinkFrame, encodeLinkFrame, FrameDecoder } from '../../shared/frames.ts';
import type { parley } from '../../shared/protocol.js';
import { safeLine } from '../../shared/text.ts';
import { software } from '../../shared/version.ts';
import type { LinkRoute } from '../events.ts';
import { isConsentEnd } from './ending.ts';
import { LinkOutput } from './link-output.ts';

export const linkVersion = 1;
const maxFrameBytes = 65_536;
const outboxIdBytes = 16;
const maxRunBytes = 16;
const helloTimeoutMs = 10_000;
const beatMs = 2_000;
const pingMs = 10_000;
/** Without a word so long after something was sent that asks for one, another link is looked for. */
const quietMs = 5_000;
const silenceMs = 30_000;

export type Route = LinkRoute;

/** A stream whose TLS handshake is done. */
export interface LinkChannel {
  stream: Duplex;
  /** RFC 9266. */
  exporter: Uint8Array;
  /** Fingerprint of the key that the other side has proved. */
  key: string;
  /** This side was the TLS client. */
  isClient: boolean;
  route: Route;
  /** Where the other end is, for people. */
  where: string;
  /** This machine's address that it goes from; empty where there is none. */
  localAddress: string;
}

export interface LinkMessage {
  number: number;
  sentAtMs: number;
  body: string;
  /** An earlier run of this peer may have shown it. */
  resent: boolean;
}

export interface LinkHandler {
  /** The other's Hello came and was found good. */
  onOpen(link: Link): void;
  onMessage(link: Link, message: LinkMessage): void;
  onStored(link: Link, number: number): void;
  onVerify(link: Link, frame: { commit: Uint8Array } | { reveal: Uint8Array }): void;
  /** Nothing is heard though something was asked; told once until something is. */
  onQuiet(link: Link): void;
  /** Called once. */
  onClose(link: Link, reason: ParleyError): void;
}

export interface LinkOptions {
  channel: LinkChannel;
  /** The introduction shown to the other side. */
  token: string;
  /** Names the numbers of the messages sent here. */
  outbox: Uint8Array;
  /** Of this peer: another one at each start. */
  run: Uint8Array;
  /** Throws where the other side's introduction is not good for this channel. */
  admit(token: string): void;
  handler: LinkHandler;
}

type State = 'greeting' | 'open' | 'closed';

export class Link {
  readonly channel: LinkChannel;
  openedAtMs = Date.now();
  #ageFromMs = performance.now();
  /** Of the other side, once it is open. */
  otherOutbox: Buffer = Buffer.alloc(0);
  /** Empty where the other side does not tell. */
  otherRun: Buffer = Buffer.alloc(0);
  /** Round-trip time of the last ping; null before there was one. */
  roundTripMs: number | null = null;
  #state: State = 'greeting';
  readonly #options: LinkOptions;
  readonly #decoder = new FrameDecoder(maxFrameBytes);
  readonly #output: LinkOutput;
  #heardAtMs = performance.now();
  /** Since when an answer is owed; null where none is. */
  #askedAtMs: number | null = null;
  #isQuietTold = false;
  #isHeld = false;
  #pinged = { id: 0, atMs: 0 };
  /** What is called when this ping is answered. */
  #untaken: { id: number; call: () => void } | null = null;
  readonly #timer: NodeJS.Timeout;
  readonly #helloTimer: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.channel = options.channel;
    const { stream } = options.channel;
    this.#output = new LinkOutput(stream);
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    stream.on('error', (error) => this.close(lost(error.message)));
    stream.on('close', () => this.close(lost('the connection was closed')));
    stream.on('end', () => this.close(lost('the other side closed the connection')));
    this.#helloTimer = setTimeout(() => this.close(silent('the other side said nothing')), helloTimeoutMs);
    this.#timer = setInterval(() => this.#beat(), beatMs);
    this.#timer.unref();
    this.#send({
      hello: { version: linkVersion, software, token: options.token, outbox: options.outbox, run: options.run },
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Since it is open. */
  get ageMs(): number {
    return performance.now() - this.#ageFromMs;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** False while too much waits to be written. */
  get hasRoom(): boolean {
    return this.#state === 'open' && this.#output.hasRoom;
  }

  /** Nothing is heard though something was asked: it may be dead. */
  get isQuiet(): boolean {
    return this.#askedAtMs !== null && performance.now() - this.#askedAtMs > quietMs;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Reads nothing more, or again. */
  hold(on: boolean): void {
    this.#isHeld = on;
    if (on) this.channel.stream.pause();
    else this.channel.stream.resume();
  }

  /** Calls once when there is room again. */
  onceRoom(call: () => void): void {
    this.#output.onceRoom(call);
  }

  /** resent: an earlier run of the other side may have had it. */
  message(number: number, sentAtMs: number, body: string, resent = false): void {
    this.#askedAtMs ??= performance.now();
    if (this.#state !== 'closed') this.#output.message(number, sentAtMs, body, resent);
  }

  stored(number: number): void {
    this.#send({ stored: { number } });
  }

  commit(hash: Uint8Array): void {
    this.#send({ verifyCommit: { hash } });
  }

  reveal(nonce: Uint8Array): void {
    this.#send({ verifyReveal: { nonce } });
  }

  /** Measures the round-trip time; roundTripMs is set when the answer comes. */
  ping(): void {
    this.#pinged = { id: this.#pinged.id + 1, atMs: performance.now() };
    this.#askedAtMs ??= this.#pinged.atMs;
    this.#send({ ping: { id: this.#pinged.id } });
  }

  /** Calls when the other side has taken all that was said until now; never where the link ends before, or another asks for it. */
  onceTaken(call: () => void): void {
    this.ping();
    this.#untaken = { id: this.#pinged.id, call };
  }

  /** Ends the link; the other side is told why, where that is anything to it. */
  close(reason: ParleyError): void {
    if (this.#state === 'closed') return;
    const { stream } = this.channel;
    if (!stream.destroyed && stream.writable) {
      if (isWireCode(reason.code)) this.#send({ close: { code: reason.code, text: reason.message } });
      this.#output.flush();
      stream.end();
    }
    this.#state = 'closed';
    this.#decoder.stop();
    clearInterval(this.#timer);
    clearTimeout(this.#helloTimer);
    setTimeout(() => stream.destroy(), 1000).unref();
    this.#options.handler.onClose(this, reason);
  }

  #send(frame: parley.LinkFrame.$Properties): void {
    if (this.#state !== 'closed') this.#output.frame(encodeLinkFrame(frame));
  }

  #beat(): void {
    const now = performance.now();
    if (this.#isHeld) {
      // What is not read cannot be heard; the other side is told that this one lives.
      this.#heard(now);
      this.ping();
    } else if (now - this.#heardAtMs > silenceMs) this.close(silent('nothing was heard for 30 s'));
    else if (now - this.#pinged.atMs >= pingMs) this.ping();
    if (!this.isQuiet || this.#isQuietTold) return;
    this.#isQuietTold = true;
    this.#options.handler.onQuiet(this);
  }

  #heard(now: number): void {
    this.#heardAtMs = now;
    this.#askedAtMs = null;
    this.#isQuietTold = false;
  }

  #receive(bytes: Buffer): void {
    if (this.#state === 'closed') return;
    this.#heard(performance.now());
    try {
      this.#decoder.push(bytes, (frame, start, end) => this.#take(decodeLinkFrame(frame, start, end)));
      // Two that read slowly never get there: messages stop at half of it, and few answers are asked for meanwhile.
      if (this.#output.isOverfull) throw lost('the other side does not read');
    } catch (error) {
      this.close(asParleyError(error));
    }
  }

  #take(frame: parley.LinkFrame): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'greeting') return this.#greeted(frame);
    const { handler } = this.#options;
    if (frame.message) {
      const { number, sentAtMs, body, resent } = frame.message;
      handler.onMessage(this, {
        number: number ?? 0,
        sentAtMs: sentAtMs ?? 0,
        body: body ?? '',
        resent: resent ?? false,
      });
    } else if (frame.stored) handler.onStored(this, frame.stored.number ?? 0);
    else if (frame.ping) this.#send({ pong: { id: frame.ping.id ?? 0 } });
    else if (frame.pong) this.#ponged(frame.pong.id ?? 0);
    else if (frame.verifyCommit) handler.onVerify(this, { commit: frame.verifyCommit.hash ?? new Uint8Array() });
    else if (frame.verifyReveal) handler.onVerify(this, { reveal: frame.verifyReveal.nonce ?? new Uint8Array() });
    else if (frame.close) this.close(ended(frame.close.code ?? ''));
  }

  #greeted({ hello, close }: parley.LinkFrame): void {
    if (close) throw ended(close.code ?? '');
    if (!hello) throw new ParleyError('bad_frame', 'The first frame of a link must be Hello.');
    if ((hello.version ?? 0) < linkVersion)
      throw new ParleyError('version', 'The other side speaks no version of links.');
    if (hello.outbox?.length !== outboxIdBytes) throw new ParleyError('bad_frame', 'Hello names no outbox.');
    this.#options.admit(hello.token ?? '');
    this.otherOutbox = Buffer.from(hello.outbox);
    this.otherRun = Buffer.from(hello.run ?? []).subarray(0, maxRunBytes);
    this.#state = 'open';
    this.openedAtMs = Date.now();
    this.#ageFromMs = performance.now();
    clearTimeout(this.#helloTimer);
    this.#options.handler.onOpen(this);
    this.ping();
  }

  #ponged(id: number): void {
    if (id === this.#pinged.id) this.roundTripMs = performance.now() - this.#pinged.atMs;
    if (id !== this.#untaken?.id) return;
    const { call } = this.#untaken;
    this.#untaken = null;
    call();
  }
}

function ended(code: string): ParleyError {
  if (code === 'moved') return new ParleyError('moved', 'The other side uses another link.');
  if (isConsentEnd(code)) return new ParleyError(code, 'The other side has ended the consent.');
  return lost(`the other side ended it (${safeLine(code)})`);
}

function silent(text: string): ParleyError {
  return new ParleyError('timeout', `The link was lost: ${text}.`);
}

function lost(text: string): ParleyError {
  return new ParleyError('disconnected', `The link was lost: ${text}.`);
}
