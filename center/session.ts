// One connection, from Hello to its end: what state it is in, which frames fit that state, and every error that they cause.
import { ParleyError } from '../shared/errors.ts';
import { decodeFrame, FrameDecoder } from '../shared/frames.ts';
import type { parley } from '../shared/protocol.js';
import { commands, type Reply, type RequestName } from './commands/table.ts';
import type { Connection } from './connection.ts';
import { canonicalMessage, readAck, readMessage, tagAck, tagMessage } from './delivery/codec.ts';
import { answerHello, type Greeting } from './hello.ts';
import { type Credentials, Member } from './member.ts';
import { Pace, type Paced } from './pace.ts';
import { errorBody, notInTime } from './refusals.ts';
import type { Services } from './services.ts';
import { noExporter, type Origin } from './sessions.ts';
import type { Timeout } from './wheel.ts';

//   hello ──Hello──▶ greeted ──Login──▶ entering ──Welcome──▶ member
//                       ▲──── refused ────┘
//   any ──▶ ended
export type SessionState =
  | { name: 'hello' }
  | { name: 'greeted'; greeting: Greeting }
  | { name: 'entering'; greeting: Greeting }
  | { name: 'member'; member: Member }
  | { name: 'ended' };

type Body = Exclude<keyof parley.Frame.$Properties, 'request' | '$unknowns'>;

export class Session implements Paced, Timeout {
  readonly from: Origin;
  readonly services: Services;
  state: SessionState = { name: 'hello' };
  readonly connection: Connection;
  readonly pace: Pace;
  readonly #decoder: FrameDecoder;
  /** Of its own timeout: to log in, then to be heard. */
  dueTick = 0;
  #heardAtMs: number;
  #requests = 0;

  constructor(connection: Connection, from: Origin, services: Services) {
    this.connection = connection;
    this.from = from;
    this.services = services;
    this.#decoder = new FrameDecoder(services.limits.maxFrameBytes);
    this.#heardAtMs = services.wheel.nowMs;
    this.pace = new Pace(this, services.limits, services.wheel);
    services.sessions.add(this);
    services.wheel.schedule(this, services.limits.loginTimeoutMs);
  }

  // --- reading ------------------------------------------------------------------------------------

  /** Takes bytes, up to their end, from the connection; they are only good during the call. */
  receive(bytes: Buffer, end = bytes.length): void {
    if (this.state.name === 'ended') return;
    const now = this.services.wheel.nowMs;
    this.#heardAtMs = now;
    this.pace.heard(now);
    try {
      this.#decoder.push(bytes, (frames, from, to) => this.#onFrame(frames, from, to), end);
    } catch (error) {
      this.#fail(error);
    }
    this.pace.stopIfNeeded();
  }

  #onFrame(bytes: Buffer, start: number, end: number): void {
    if (this.state.name === 'ended') return;
    if (this.state.name === 'member') {
      const tag = bytes[start];
      if (tag === tagMessage && readMessage(bytes, start, end, this.services.mail.view)) return this.#message(bytes);
      if (tag === tagAck) {
        const position = readAck(bytes, start, end);
        if (position >= 0) return this.#ack(this.state.member, position);
      }
    }
    // What is asked for may take longer than these bytes are good, and what is decoded points into them.
    this.#frame(decodeFrame(Buffer.from(bytes.subarray(start, end))));
  }

  /** The view of mail is of a message in these bytes. */
  #message(bytes: Buffer): void {
    const outbox = this.state.name === 'member' ? this.state.member.outbox : null;
    if (!outbox) throw new ParleyError('wrong_state', 'A message was sent before Attach.');
    this.services.mail.send(outbox, bytes);
    this.pace.spend(1);
  }

  #ack({ outbox, mailbox }: Member, position: number): void {
    if (!outbox) throw new ParleyError('wrong_state', 'An Ack was sent before Attach.');
    mailbox.acknowledge(position);
  }

  #frame(frame: parley.Frame): void {
    const name = bodyOf(frame);
    if (this.state.name === 'hello') {
      if (!frame.hello) throw new ParleyError('wrong_state', 'The first frame must be Hello.');
      return this.#hello(frame.hello);
    }
    if (name === null) {
      if (frame.request)
        this.#reply(frame.request, errorBody(new ParleyError('unsupported', 'This request is not known here.')));
      return;
    }
    if (frame.message && this.state.name === 'member') {
      const canonical = canonicalMessage(frame.message);
      if (readMessage(canonical, 0, canonical.length, this.services.mail.view)) this.#message(canonical);
      return;
    }
    if (name === 'ack' && this.state.name === 'member') return this.#ack(this.state.member, frame.ack?.position ?? 0);
    if (name === 'heartbeat' && !frame.request) return;
    if (this.state.name === 'member' && this.state.member.outbox && this.#tunnelFrame(frame, this.state.member)) return;
    if (!Object.hasOwn(commands, name)) throw new ParleyError('wrong_state', `${name} is not for the center.`);
    if (!frame.request) throw new ParleyError('bad_frame', `${name} needs a request id.`);
    void this.#request(frame.request, name as RequestName, frame);
  }

  /** True if the frame was about a tunnel. */
  #tunnelFrame({ tunnelData, tunnelCredit, tunnelClose }: parley.Frame, session: Member): boolean {
    const { tunnels } = this.services.links;
    if (tunnelData) tunnels.data(session, tunnelData.tunnel ?? 0, tunnelData.data ?? new Uint8Array());
    else if (tunnelCredit) tunnels.credit(session, tunnelCredit.tunnel ?? 0, tunnelCredit.bytes ?? 0);
    else if (tunnelClose) tunnels.close(session, tunnelClose.tunnel ?? 0);
    else return false;
    return true;
  }

  async #request(id: number, name: RequestName, frame: parley.Frame): Promise<void> {
    this.#requests++;
    this.pace.stopIfNeeded();
    try {
      const command = commands[name];
      if (!(command.when as readonly string[]).includes(this.state.name)) {
        throw new ParleyError('wrong_state', `${name} does not fit the state of this connection.`);
      }
      // The table pairs each name with the body of that name.
      const { reply, after } = await command.run(this, frame[name] as never);
      this.#reply(id, reply);
      if (this.state.name !== 'ended') after?.();
    } catch (error) {
      if (this.state.name !== 'ended') this.#reply(id, errorBody(this.#known(error)));
    } finally {
      this.#requests--;
      this.pace.goOnIfPossible();
    }
  }

  #reply(request: number, body: Reply): void {
    if (this.state.name === 'ended') return;
    this.connection.send({ request, ...body });
  }

  // --- reading no faster than answered ---------------------------------------------------------------

  get hasEnded(): boolean {
    return this.state.name === 'ended';
  }

  get isBusy(): boolean {
    const { limits } = this.services;
    if (this.#requests >= limits.maxRequests || this.connection.outputBytes > limits.maxOutputBytes / 4) return true;
    return this.state.name === 'member' && this.state.member.isBusy;
  }

  holdReading(): void {
    // Of what was read already too: one read can hold thousands of requests.
    this.#decoder.hold();
    this.connection.pause();
  }

  readOn(): void {
    // Not hearing from somebody who was not read is not silence.
    this.#heardAtMs = this.services.wheel.nowMs;
    try {
      this.#decoder.release((frames, start, end) => this.#onFrame(frames, start, end));
    } catch (error) {
      this.#fail(error);
    }
    this.pace.stopIfNeeded();
    if (this.pace.isReading) this.connection.resume();
  }

  // --- Hello ----------------------------------------------------------------------------------------

  #hello(hello: parley.Hello.$Properties): void {
    const { answer, greeting } = answerHello(this.services, hello, this.from);
    this.connection.send({ hello: answer });
    this.awaitLogin(greeting);
  }

  /** Greeted, or refused: from now there is so long to log in. Other answers give no more time. */
  awaitLogin(greeting: Greeting): void {
    this.state = { name: 'greeted', greeting };
    this.services.wheel.schedule(this, this.services.limits.loginTimeoutMs);
  }

  /** Logged in: the connection now belongs to an account. */
  enter(credentials: Credentials): Member {
    const member = new Member(this, credentials);
    this.services.sessions.authenticated(this, member.account);
    this.state = { name: 'member', member };
    this.from.exporter = noExporter;
    this.from.ticket = null;
    this.#decoder.maxBytes = this.services.limits.maxSessionFrameBytes;
    this.#heardAtMs = this.services.wheel.nowMs;
    this.services.wheel.schedule(this, this.services.limits.silenceMs);
    return member;
  }

  // --- the end --------------------------------------------------------------------------------------

  expire(): void {
    const { wheel, limits, log } = this.services;
    // Then it is the center that takes its time.
    if (this.state.name === 'entering') return wheel.schedule(this, limits.loginTimeoutMs);
    if (this.state.name !== 'member') {
      return this.#fail(notInTime());
    }
    const silentMs = wheel.nowMs - this.#heardAtMs;
    const isSilent = silentMs >= limits.silenceMs;
    // Who is not read cannot be heard: that it is gone shows in what was written to it, however little that is.
    if (this.connection.isStuck(isSilent && !this.pace.isReading ? 0 : limits.maxOutputBytes)) {
      log.info({ account: this.state.member.account }, 'closed a connection that does not read');
      return this.closed();
    }
    if (!this.pace.isReading) return wheel.schedule(this, limits.silenceMs);
    if (!isSilent) return wheel.schedule(this, limits.silenceMs - silentMs);
    log.debug({ account: this.state.member.account }, 'nothing heard from a peer');
    this.#leave('now');
    this.connection.destroy();
  }

  #known(error: unknown): ParleyError {
    if (error instanceof ParleyError) return error;
    this.services.log.error({ err: error }, 'a command failed');
    return new ParleyError('internal', 'The center could not do this now. Nothing was changed.');
  }

  /** An error that ends the connection: the other side is told, then it is closed. */
  #fail(error: unknown): void {
    const known = this.#known(error);
    this.services.log.debug({ code: known.code, address: this.from.address }, 'closed a connection');
    this.end(known, 'later');
  }

  /** Tells why, and closes. presence: whether the account is offline now or may come back. */
  end(reason: ParleyError, presence: 'now' | 'later'): void {
    if (this.state.name === 'ended') return;
    this.connection.send(errorBody(reason));
    this.#leave(presence);
    this.connection.end();
  }

  /** Goes offline at once, and closes when all that was said is written. */
  finish(): void {
    this.#leave('now');
    this.connection.end();
  }

  /** The connection is gone. */
  closed(): void {
    this.#leave('later');
    this.connection.destroy();
  }

  #leave(presence: 'now' | 'later'): void {
    if (this.state.name === 'ended') return;
    const { wheel, sessions } = this.services;
    this.pace.stop();
    wheel.cancel(this);
    this.#decoder.stop();
    const member = this.state.name === 'member' ? this.state.member : null;
    member?.leave(presence);
    sessions.remove(this, member?.account ?? null);
    this.state = { name: 'ended' };
  }
}

function bodyOf(frame: parley.Frame): Body | null {
  for (const name of Object.keys(frame)) {
    if (name !== 'request' && name !== '$unknowns' && frame[name as Body] != null) return name as Body;
  }
  return null;
}
