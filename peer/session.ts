// One login of an account: it keeps a connection to the center for as long as it can, and leads frames to outbox and
// inbox and back.
import { asParleyError, ParleyError } from '../shared/errors.ts';
import type { parley } from '../shared/protocol.js';
import { safeLine, safeText } from '../shared/text.ts';
import { type CanLive, watchAddresses } from './addresses.ts';
import { type AttachOutcome, attach, attachBody, takeAttached } from './attach.ts';
import { Backoff, watchForWakeUp } from './backoff.ts';
import type { Connection, FrameHandler } from './connection.ts';
import { within } from './deadline.ts';
import { Deletion } from './deletion.ts';
import { Desk } from './desk.ts';
import type { PeerEvent } from './events.ts';
import type { Feed } from './feed.ts';
import { takeFrame } from './frames-in.ts';
import { type CenterAddress, type Entered, resume } from './login.ts';
import { Reconnection } from './reconnection.ts';
import { finalCodes, tokenEndCodes } from './session-end.ts';
import type { Pass } from './ticket.ts';

const logoutTimeoutMs = 2_000;
const unkeptText =
  'Nothing is kept here: if this program is killed, what is unsent is lost, and messages that came last may come again.';

export interface SessionOptions {
  address: CenterAddress;
  feed: Feed;
  isHistoryKept: boolean;
  hold: boolean;
  /** The peer's own port, 0 without one. */
  listenPort: number;
  /** Where that port may be reached from nearby. */
  localAddresses(): string[];
  /** Called once, when everything is closed. */
  onEnd(): void;
}

type State =
  | { kind: 'attaching'; connection: Connection }
  | { kind: 'online'; connection: Connection }
  | { kind: 'reconnecting'; reconnection: Reconnection }
  | { kind: 'leaving'; left: Promise<void> }
  | { kind: 'ended' };

export class Session {
  readonly account: number;
  readonly name: string;
  readonly desk: Desk;
  /** What the center told last. */
  limits: parley.Limits;
  readonly #options: SessionOptions;
  readonly #backoff = new Backoff();
  readonly #deletion = new Deletion();
  readonly #stopWatching: () => void;
  #state: State;
  #pass: Pass;
  #hold: boolean;

  /**
   * Takes over the account's files from whoever was displaced, and begins the flow of messages.
   * @throws ParleyError busy where another process keeps the files, bad_data, disconnected
   */
  static async begin(entered: Entered, options: SessionOptions, signal: AbortSignal): Promise<Session> {
    const { feed, isHistoryKept } = options;
    let session: Session | undefined;
    try {
      const onFailure = (error: ParleyError) => session?.end(error);
      const desk = await Desk.open(entered, { feed, isHistoryKept, onFailure }, signal);
      session = new Session(entered, desk, options);
      await session.#attachFirst(entered.connection, signal);
      return session;
    } catch (error) {
      entered.connection.close(asParleyError(error));
      throw error;
    }
  }

  private constructor(entered: Entered, desk: Desk, options: SessionOptions) {
    this.account = entered.account;
    this.name = entered.name;
    this.desk = desk;
    this.limits = entered.connection.hello.limits;
    this.#pass = entered.pass;
    this.#options = options;
    this.#hold = options.hold;
    this.#state = { kind: 'attaching', connection: entered.connection };
    const stops = [watchForWakeUp(() => this.#woke()), watchAddresses((canLive) => this.#moved(canLive))];
    this.#stopWatching = () => {
      for (const stop of stops) stop();
    };
  }

  get isOnline(): boolean {
    return this.#state.kind === 'online';
  }

  get hasEnded(): boolean {
    return this.#state.kind === 'ended';
  }

  /**
   * Asks the center. Throws its Error; disconnected where there is no connection, or it broke before the answer;
   * wrong_state after the end.
   */
  async request(body: parley.Frame.$Properties): Promise<parley.Frame> {
    if (this.#state.kind === 'online') return this.#state.connection.request(body);
    if (this.#state.kind === 'ended') throw new ParleyError('wrong_state', 'The session has ended.');
    throw new ParleyError('disconnected', 'There is no connection to the center now.');
  }

  /** Resolves with how many messages wait. */
  async hold(on: boolean): Promise<number> {
    const { waiting } = await this.request({ hold: { on } });
    this.#hold = on;
    return waiting?.count ?? 0;
  }

  async passwd(oldPassword: string, newPassword: string): Promise<void> {
    const { welcome } = await this.request({ passwd: { oldPassword, newPassword } });
    this.#keep({ ...this.#pass, token: welcome?.token ?? '', ticket: null });
  }

  /** Resolves when the account is gone and everything is closed. */
  deleteAccount(password: string): Promise<void> {
    return this.#deletion.run(() => this.request({ deleteAccount: { password } }));
  }

  /** Leaves of one's own accord; without keepToken the session is over for good. */
  leave(keepToken: boolean): Promise<void> {
    if (this.#state.kind === 'leaving') return this.#state.left;
    if (this.#state.kind === 'ended') return Promise.resolve();
    const before = this.#state;
    this.desk.store.commit();
    // The commit may have failed and ended the session.
    if (this.hasEnded) return Promise.resolve();
    const left = this.#leave(before, keepToken);
    this.#state = { kind: 'leaving', left };
    return left;
  }

  async #leave(before: Exclude<State, { kind: 'leaving' | 'ended' }>, keepToken: boolean): Promise<void> {
    const reason = new ParleyError('logged_out', 'Logged out; what was not sent stays in the outbox.');
    if (before.kind === 'reconnecting') before.reconnection.stop();
    else {
      // Receipts that come before the answer still count.
      const done = before.connection.request({ logout: { keepToken } });
      await within(logoutTimeoutMs, done).catch(() => undefined);
      before.connection.close(reason);
    }
    if (!keepToken) this.desk.removeToken();
    await this.desk.settle();
    this.#close(reason, null);
  }

  // --- connections ------------------------------------------------------------------------------------

  async #attachFirst(connection: Connection, signal: AbortSignal): Promise<void> {
    try {
      const outcome = await this.#attach(connection, true, signal);
      if (outcome === 'outbox_is_old') await this.#resume(signal, true);
    } catch (error) {
      const reason = asParleyError(error);
      this.end(reason, false);
      throw reason;
    }
  }

  #attach(connection: Connection, isFirst: boolean, signal: AbortSignal): Promise<AttachOutcome> {
    return attach(connection, this.#attachBody(), signal, (attached) => this.#take(connection, attached, isFirst));
  }

  #attachBody(): parley.Attach.$Properties {
    const { listenPort, localAddresses } = this.#options;
    return attachBody(this.desk, { hold: this.#hold, listenPort, localAddresses: localAddresses() });
  }

  #take(connection: Connection, attached: parley.Attached.$Properties, isFirst: boolean): AttachOutcome {
    return takeAttached(connection, this.desk, attached, (waiting) => this.#attached(connection, waiting, isFirst));
  }

  #attached(connection: Connection, waiting: number, isFirst: boolean): void {
    const { inbox, outbox, links, orders } = this.desk;
    this.#state = { kind: 'online', connection };
    this.limits = connection.hello.limits;
    this.#backoff.connected();
    inbox.attach(connection);
    links.attach(connection);
    this.#emit(isFirst ? { type: 'welcome', name: this.name, account: this.account } : { type: 'reconnected' });
    if (isFirst && !this.desk.store.durable) this.#emit({ type: 'notice', text: unkeptText });
    if (waiting > 0 && (isFirst || this.#hold)) this.#emit({ type: 'waiting', count: waiting });
    if (isFirst) inbox.showAgain();
    connection.handle(this.#handlerFor(connection));
    orders.attach((body) => connection.request(body));
    outbox.attach(connection);
  }

  #handlerFor(connection: Connection): FrameHandler {
    const { inbox, outbox, links, store } = this.desk;
    // After the messages that came before it, which wait for their commit.
    const takers = { inbox, outbox, links, tell: (event: PeerEvent) => store.afterCommit(() => this.#emit(event)) };
    return {
      onFrame: (frame) => takeFrame(frame, takers),
      onClose: (reason) => {
        if (this.#state.kind === 'online' && this.#state.connection === connection) this.#lost(reason);
      },
    };
  }

  #lost(reason: ParleyError): void {
    this.desk.detach();
    if (finalCodes.has(reason.code)) {
      this.end(reason);
      return;
    }
    this.#deletion.broke();
    const reconnection = new Reconnection({
      backoff: this.#backoff,
      retryAfterMs: reason.retryAfterMs,
      connect: (signal) => this.#resume(signal, false),
      giveUp: (error) => this.end(error),
    });
    this.#state = { kind: 'reconnecting', reconnection };
    this.#emit({ type: 'disconnected', unsent: this.desk.outbox.size, reason: safeLine(reason.message) });
  }

  async #resume(signal: AbortSignal, isFirst: boolean): Promise<void> {
    const onPinned = (fingerprint: string) => this.#emit({ type: 'pinned', fingerprint });
    const session = { pass: this.#pass, attach: () => this.#attachBody() };
    let outcome: AttachOutcome | null = null;
    const connection = await resume(this.#options.address, session, onPinned, signal, (connection, pass, attached) => {
      if (signal.aborted) return;
      this.#keep(pass);
      if (attached !== null) outcome = this.#take(connection, attached, isFirst);
    });
    try {
      outcome ??= await this.#attach(connection, isFirst, signal);
      if (outcome === 'outbox_is_old') throw new ParleyError('disconnected', 'The outbox had to be begun anew.');
    } catch (error) {
      connection.close(asParleyError(error));
      throw error;
    }
  }

  #woke(): void {
    if (this.#state.kind === 'reconnecting') this.#state.reconnection.wake();
    if (this.#state.kind === 'online') this.#state.connection.probe();
    this.desk.links.woke();
  }

  /** This machine has other addresses now: what goes from one that is gone would only be silent. */
  #moved(canLive: CanLive): void {
    const state = this.#state;
    if (state.kind === 'reconnecting') state.reconnection.wake();
    if (state.kind === 'online' && !canLive(state.connection.localEnd?.address ?? '')) {
      state.connection.close(new ParleyError('disconnected', 'The address of this machine has changed.'));
    }
    this.desk.links.moved(canLive);
  }

  #keep(pass: Pass): void {
    this.#pass = pass;
    this.desk.saveToken(pass.token);
  }

  #emit(event: PeerEvent): void {
    this.#options.feed.emit(event);
  }

  // --- the end ----------------------------------------------------------------------------------------

  /** The session is over, and not by one's own wish. */
  end(reason: ParleyError, isTold = true): void {
    const before = this.#state;
    if (before.kind === 'ended' || before.kind === 'leaving') return;
    this.#state = { kind: 'leaving', left: Promise.resolve() };
    if (before.kind === 'reconnecting') before.reconnection.stop();
    else before.connection.close(reason);
    if (tokenEndCodes.has(reason.code)) this.desk.removeToken();
    if (reason.code === 'account_deleted') this.desk.removeName();
    // What cannot be written is not promised for later.
    const settling = this.desk.settle();
    const unsent = this.desk.outbox.kept;
    const ended = { type: 'ended' as const, code: reason.code, text: safeText(reason.message), unsent };
    const close = () => this.#close(reason, isTold ? ended : null);
    if (settling === null) close();
    else this.#state = { kind: 'leaving', left: settling.then(close) };
  }

  #close(reason: ParleyError, ended: PeerEvent | null): void {
    this.desk.store.commit();
    this.desk.links.close(reason);
    this.desk.detach();
    // What this commits is told before the end is.
    this.desk.close();
    this.#state = { kind: 'ended' };
    this.#stopWatching();
    this.desk.outbox.giveUp(reason);
    this.#deletion.ended(reason);
    if (ended) this.#emit(ended);
    this.#options.feed.finish();
    this.#options.onEnd();
  }
}
