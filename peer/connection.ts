// One connection to the center: Hello and its checks, requests and replies, frames out in one write a turn, and
// heartbeats. It works over any stream; sockets are made elsewhere.
import { type KeyObject, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { asParleyError, knownCode, ParleyError } from '../shared/errors.ts';
import { decodeFrame, encodeFrame, FrameDecoder } from '../shared/frames.ts';
import { type Binding, peerProof, publicDer, signProof } from '../shared/identity.ts';
import type { parley } from '../shared/protocol.js';
import { safeText } from '../shared/text.ts';
import { ticketMac } from '../shared/ticket.ts';
import { Heartbeats } from './heartbeats.ts';
import { type CenterHello, type Channel, checkHello, nonceBytes, ownHello, readHello } from './hello.ts';
import { tokenEndCodes } from './session-end.ts';
import type { Ticket } from './ticket.ts';

/** What a center may send in one frame, whatever it says: an account page or a message fits many times. */
const maxReceivedFrameBytes = 1024 * 1024;
const maxHelloFrameBytes = 64 * 1024;
const maxOpenRequests = 256;
/** Presence and broadcasts between login and handle(); what is more is left out, as it may be. */
const maxEarlyNews = 256;
/** Those and the receipts, up to two for each account that was ever written to. */
const maxEarlyFrames = 100_000;
const maxEarlyBytes = 16 * 1024 * 1024;
const helloTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;
const lingerMs = 2_000;

export interface ConnectionOptions {
  /** Called once the center has proved its identity; throws to refuse it. Nothing else is sent before. */
  pin(hello: CenterHello): void;
  /** To come back with; the center may not know it. */
  ticket?: Ticket | null;
  /** How long the center may be silent. */
  silenceMs?: number;
}

/** Where frames that are no replies go. */
export interface FrameHandler {
  onFrame(frame: parley.Frame): void;
  /** Called once, with why. */
  onClose(reason: ParleyError): void;
}

/** Gets the one reply of a request, or why there is none. */
type ReplyHandler = (reply: parley.Frame | ParleyError) => void;

type State =
  | { kind: 'greeting'; greet: (hello: parley.Hello) => void; fail: (reason: ParleyError) => void }
  | { kind: 'open' }
  | { kind: 'closed'; reason: ParleyError };

export class Connection {
  /** Set when the center has answered Hello. */
  hello!: CenterHello;
  /** Called when something is written, and at the end: what is sent then goes along. */
  beforeWrite: () => void = () => undefined;
  #state: State;
  /** This end of the TCP connection; null where there is none. */
  readonly localEnd: Channel['localEnd'];
  readonly #stream: Duplex;
  readonly #decoder = new FrameDecoder(maxHelloFrameBytes);
  readonly #replies = new Map<number, { settle: ReplyHandler; timer: NodeJS.Timeout }>();
  #handler: FrameHandler | null = null;
  /** Frames that came before handle(), not decoded: that can take twenty times the memory. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #lastRequest = 0;
  #output: Buffer[] = [];
  #heartbeats: Heartbeats | null = null;
  /** What a login proves its key by; null until Hello is answered. */
  #proof: { bytes: Buffer; ticket: Ticket | null } | null = null;
  /** TLS began with a ticket: the center is proved already, and a login can be sent right behind Hello. */
  readonly isTicketed: boolean;
  /**
   * Resolves when Hello is answered and the answer checked. Rejects with version, bad_signature, center_changed,
   * disconnected, timeout, or what the center answered.
   */
  readonly greeted: Promise<void>;

  private constructor(
    { stream, localEnd, exporter, isTicketed }: Channel,
    state: State & { kind: 'greeting' },
    greeted: Promise<void>,
  ) {
    this.#stream = stream;
    this.localEnd = localEnd;
    this.isTicketed = isTicketed;
    this.greeted = greeted;
    this.#state = state;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', (error) => this.close(lost(error.message)));
    stream.on('close', () => this.close(lost('The connection was closed.')));
    stream.on('end', () => {
      // A center that speaks TLS says nothing to somebody who doesn't.
      const maybe = this.#state.kind === 'greeting' && exporter.length === 0;
      const advice = maybe ? ' If it was not started with --plain, leave that out here too.' : '';
      this.close(lost(`The center closed the connection.${advice}`));
    });
  }

  /** Says Hello. Where the answer is not as it must be, the stream is destroyed. */
  static begin(channel: Channel, options: ConnectionOptions): Connection {
    const { promise: greeted, resolve, reject } = Promise.withResolvers<void>();
    const nonce = randomBytes(nonceBytes);
    // Over TLS the center has had it, or did not want it.
    const ticket = (channel.exporter.length === 0 && options.ticket) || null;
    const greet = (hello: parley.Hello): void => {
      clearTimeout(timer);
      connection.#open(hello, checkHello(hello, channel, nonce, ticket), ticket, options);
      resolve();
    };
    const fail = (reason: ParleyError): void => {
      clearTimeout(timer);
      reject(reason);
    };
    const connection = new Connection(channel, { kind: 'greeting', greet, fail }, greeted);
    const timer = setTimeout(() => connection.close(silent()), helloTimeoutMs);
    connection.send({ hello: ownHello(nonce, ticket) });
    return connection;
  }

  get closed(): boolean {
    return this.#state.kind === 'closed';
  }

  /** What a request to log in carries to show that the peer holds this key, which its ticket was issued to. */
  prove(key: KeyObject): { key: Buffer; signature?: Buffer; mac?: Buffer } {
    const own = { key: publicDer(key) };
    if (this.isTicketed) return own;
    if (this.#proof === null) throw new TypeError('no Hello yet');
    const { bytes, ticket } = this.#proof;
    return ticket ? { ...own, mac: ticketMac(ticket.secret, bytes) } : { ...own, signature: signProof(key, bytes) };
  }

  /** From here on frames go to this handler; those that came since the last reply first. */
  handle(handler: FrameHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) handler.onFrame(decodeFrame(bytes));
    if (this.#state.kind === 'closed') handler.onClose(this.#state.reason);
  }

  /** Sends a frame that gets no reply. It goes out with all others of this turn. */
  send(frame: parley.Frame.$Properties): void {
    if (this.#state.kind === 'closed') return;
    if (this.#output.length === 0) queueMicrotask(() => this.#flush());
    this.#output.push(encodeFrame(frame));
    this.#heartbeats?.sent();
  }

  /** Asks the center for something. Throws the center's Error, busy where too much is open, timeout, or disconnected. */
  request(body: parley.Frame.$Properties): Promise<parley.Frame> {
    return new Promise((resolve, reject) => this.ask(body, settler(resolve, reject)));
  }

  /** The same; settle is called in the turn in which the reply is read, before any later frame is. */
  ask(body: parley.Frame.$Properties, settle: ReplyHandler): void {
    if (this.#state.kind === 'closed') {
      settle(broken(this.#state.reason));
      return;
    }
    if (this.#replies.size >= maxOpenRequests) {
      settle(new ParleyError('busy', `${maxOpenRequests} requests are open already.`));
      return;
    }
    const request = this.#nextRequest();
    const timer = setTimeout(() => this.#reply(request, silent()), requestTimeoutMs);
    this.#replies.set(request, { settle, timer });
    this.send({ ...body, request });
  }

  /** Ends the connection; what was sent before still goes out. */
  close(reason: ParleyError): void {
    if (this.#state.kind === 'closed') return;
    const before = this.#state;
    this.#flush();
    this.#state = { kind: 'closed', reason };
    this.#heartbeats?.stop();
    this.#decoder.stop();
    this.#stream.on('error', () => undefined);
    this.#stream.end(() => this.#stream.destroy());
    // A center that does not read must not keep the stream for ever.
    setTimeout(() => this.#stream.destroy(), lingerMs).unref();
    if (before.kind === 'greeting') before.fail(reason);
    for (const request of [...this.#replies.keys()]) this.#reply(request, broken(reason));
    this.#handler?.onClose(reason);
  }

  /** Asks for a sign of life, and closes if none comes soon. For when the machine was asleep. */
  probe(): void {
    this.#heartbeats?.probe();
  }

  /** Throws what pin throws. */
  #open(hello: parley.Hello, binding: Binding, ticket: Ticket | null, options: ConnectionOptions): void {
    this.#proof = { bytes: peerProof(binding), ticket: hello.mac.length > 0 ? ticket : null };
    this.hello = readHello(hello);
    options.pin(this.hello);
    this.#state = { kind: 'open' };
    this.#decoder.maxBytes = maxReceivedFrameBytes;
    this.#heartbeats = new Heartbeats({
      heartbeatMs: this.hello.limits.heartbeatMs,
      ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
      beat: () => this.send({ heartbeat: {} }),
      ask: () => this.ask({ heartbeat: {} }, () => undefined),
      giveUp: () => this.close(silent()),
    });
  }

  #receive(chunk: Buffer): void {
    this.#heartbeats?.heard();
    try {
      this.#decoder.push(chunk, (bytes, start, end) => this.#take(bytes, start, end));
    } catch (error) {
      // Before Hello it may be anything that answers.
      const isStrange = this.#state.kind === 'greeting';
      this.close(isStrange ? lost('What answers there does not speak this protocol.') : asParleyError(error));
    }
  }

  #take(bytes: Buffer, start: number, end: number): void {
    if (this.#state.kind === 'closed') return;
    const frame = decodeFrame(bytes, start, end);
    if (frame.request === 0 && frame.error) this.close(readError(frame.error));
    else if (this.#state.kind === 'greeting') this.#greeted(frame, this.#state.greet);
    else if (frame.request !== 0) this.#reply(frame.request, frame);
    else if (this.#handler) this.#handler.onFrame(frame);
    else this.#keepEarly(frame, bytes.subarray(start, end));
  }

  #greeted({ hello }: parley.Frame, greet: (hello: parley.Hello) => void): void {
    try {
      if (!hello) throw new ParleyError('bad_frame', 'The center did not begin with Hello.');
      greet(hello as parley.Hello);
    } catch (error) {
      this.close(asParleyError(error));
    }
  }

  #keepEarly(frame: parley.Frame, bytes: Buffer): void {
    const isNews = frame.presence || frame.broadcastDeliver;
    const isFull = this.#early.length >= maxEarlyFrames || this.#earlyBytes + bytes.length > maxEarlyBytes;
    if (isNews && (isFull || this.#early.length >= maxEarlyNews)) return;
    if (isFull) return this.close(new ParleyError('busy', 'The center sent too much before it was asked to.'));
    this.#early.push(Buffer.from(bytes));
    this.#earlyBytes += bytes.length;
  }

  #reply(request: number, reply: parley.Frame | ParleyError): void {
    const open = this.#replies.get(request);
    if (open === undefined) return;
    this.#replies.delete(request);
    clearTimeout(open.timer);
    const isError = !(reply instanceof ParleyError) && reply.error;
    open.settle(isError ? readError(reply.error) : reply);
  }

  #nextRequest(): number {
    do {
      this.#lastRequest = (this.#lastRequest % 0x7fff_ffff) + 1;
    } while (this.#replies.has(this.#lastRequest));
    return this.#lastRequest;
  }

  #flush(): void {
    if (this.#state.kind === 'closed') return;
    this.beforeWrite();
    const output = this.#output;
    if (output.length === 0) return;
    this.#output = [];
    this.#stream.write(output.length === 1 ? output[0]! : Buffer.concat(output));
  }
}

function settler(resolve: (frame: parley.Frame) => void, reject: (error: ParleyError) => void): ReplyHandler {
  return (reply) => (reply instanceof ParleyError ? reject(reply) : resolve(reply));
}

/** The center's Error, as the error of this code. */
export function readError(error: parley.Error.$Properties | null | undefined): ParleyError {
  const { code, text, retryAfterMs, attemptsLeft } = error ?? {};
  return new ParleyError(knownCode(code ?? ''), safeText(text ?? ''), {
    retryAfterMs: retryAfterMs ?? 0,
    attemptsLeft: attemptsLeft ?? 0,
  });
}

function lost(text: string): ParleyError {
  return new ParleyError('disconnected', text);
}

function silent(): ParleyError {
  return new ParleyError('timeout', 'The center does not answer.');
}

/** What an open request is told: the reason, but never mistaken for the center's answer to it. */
function broken(reason: ParleyError): ParleyError {
  const { code, message } = reason;
  return tokenEndCodes.has(code) || code === 'cancelled' ? reason : new ParleyError('disconnected', message);
}
