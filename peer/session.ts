// One login of an account: it owns the account's files, keeps a connection to the center for as long as it can, and
// leads frames to outbox and inbox and back.
import { type DirectoryLock, waitForLock } from '../shared/directory.ts';
import { asParleyError, ParleyError } from '../shared/errors.ts';
import type { parley } from '../shared/protocol.js';
import { safeLine, safeText } from '../shared/text.ts';
import type { AccountFiles } from './account-files.ts';
import { Backoff, watchForWakeUp } from './backoff.ts';
import type { Connection, FrameHandler } from './connection.ts';
import type { PeerEvent } from './events.ts';
import type { Feed } from './feed.ts';
import { takeFrame } from './frames-in.ts';
import { Inbox, windowMessages } from './inbox.ts';
import { Incoming } from './incoming.ts';
import { Links } from './links/links.ts';
import { type CenterAddress, type Entered, resume } from './login.ts';
import { Outbox } from './outbox.ts';
import { Outgoing } from './outgoing.ts';
import { Reconnection } from './reconnection.ts';
import { finalCodes, tokenEndCodes } from './session-end.ts';
import { Store } from './store.ts';

/** How long the process that was displaced may take to let go of the account's files. */
const lockTimeoutMs = 10_000;
const logoutTimeoutMs = 2_000;

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
  | { kind: 'leaving' }
  | { kind: 'ended' };

export class Session {
  readonly account: number;
  readonly name: string;
  readonly outbox: Outbox;
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  readonly links: Links;
  readonly #options: SessionOptions;
  readonly #entered: Entered;
  readonly #files: AccountFiles;
  readonly #lock: DirectoryLock;
  readonly #store: Store;
  readonly #inbox: Inbox;
  readonly #backoff = new Backoff();
  readonly #stopWatching: () => void;
  #state: State;
  #token: string;
  #hold: boolean;
  /** deleteAccount waits for the end. */
  #onDeleted: { resolve(): void; reject(error: ParleyError): void } | null = null;

  /**
   * Takes over the account's files from whoever was displaced, and begins the flow of messages.
   * @throws ParleyError busy where another process keeps the files, bad_data, disconnected
   */
  static async begin(entered: Entered, options: SessionOptions, signal: AbortSignal): Promise<Session> {
    const files = entered.files.account(entered.account);
    let lock: DirectoryLock | null = null;
    try {
      files.make();
      lock = await waitForLock(files.path, lockTimeoutMs, 'peer', signal).catch((error: unknown) => {
        throw new ParleyError(signal.aborted ? 'cancelled' : 'busy', asParleyError(error).message);
      });
      files.saveKey(entered.key);
      files.saveToken(entered.token);
      entered.files.saveName(entered.name, entered.account);
      const session = new Session(entered, files, lock, options);
      await session.#attachFirst(signal);
      return session;
    } catch (error) {
      lock?.release();
      entered.connection.close(new ParleyError('disconnected', 'The login failed.'));
      throw error;
    }
  }

  private constructor(entered: Entered, files: AccountFiles, lock: DirectoryLock, options: SessionOptions) {
    this.#entered = entered;
    this.account = entered.account;
    this.name = entered.name;
    this.#token = entered.token;
    this.#files = files;
    this.#lock = lock;
    this.#options = options;
    this.#hold = options.hold;
    this.#state = { kind: 'attaching', connection: entered.connection };
    this.#store = new Store(options.isHistoryKept ? files.historyPath : null, (error) => this.#end(error));
    this.outgoing = new Outgoing(this.#store);
    this.incoming = new Incoming(this.#store);
    this.outbox = new Outbox(this.#store, this.outgoing, (event) => this.#emit(event));
    this.links = new Links({
      account: entered.account,
      key: entered.key,
      store: this.#store,
      incoming: this.incoming,
      feed: options.feed,
    });
    this.#inbox = new Inbox({
      store: this.#store,
      incoming: this.incoming,
      feed: options.feed,
      onUndeliverable: (notice) => this.outbox.undeliverable(notice),
    });
    this.#stopWatching = watchForWakeUp(() => this.#woke());
  }

  get isOnline(): boolean {
    return this.#state.kind === 'online';
  }

  get hasEnded(): boolean {
    return this.#state.kind === 'ended';
  }

  /** What the center said of itself last. */
  get limits(): parley.Limits {
    return this.#entered.connection.hello.limits;
  }

  /** Asks the center. Throws its Error; disconnected where there is no connection, or it broke before the answer. */
  async request(body: parley.Frame.$Properties): Promise<parley.Frame> {
    if (this.#state.kind !== 'online')
      throw new ParleyError('disconnected', 'There is no connection to the center now.');
    return this.#state.connection.request(body);
  }

  async hold(on: boolean): Promise<number> {
    const { waiting } = await this.request({ hold: { on } });
    this.#hold = on;
    return waiting?.count ?? 0;
  }

  async passwd(oldPassword: string, newPassword: string): Promise<void> {
    const { welcome } = await this.request({ passwd: { oldPassword, newPassword } });
    this.#keepToken(welcome?.token ?? '');
  }

  /** Resolves when the account is gone and everything is closed. */
  async deleteAccount(password: string): Promise<void> {
    const gone = Promise.withResolvers<void>();
    // It may be gone before the request is answered here.
    gone.promise.catch(() => undefined);
    this.#onDeleted = gone;
    try {
      await this.request({ deleteAccount: { password } });
      await gone.promise;
    } catch (error) {
      if (this.#state.kind === 'ended') return gone.promise;
      throw error;
    } finally {
      this.#onDeleted = null;
    }
  }

  /** Leaves on one's own account; without keepToken the session is over for good. */
  async leave(keepToken: boolean): Promise<void> {
    if (this.#state.kind === 'ended' || this.#state.kind === 'leaving') return;
    const before = this.#state;
    this.#store.commit();
    this.#state = { kind: 'leaving' };
    if (before.kind === 'reconnecting') before.reconnection.stop();
    else {
      // Receipts that come before the answer still count.
      const done = before.connection.request({ logout: { keepToken } }).catch(() => undefined);
      await within(logoutTimeoutMs, done);
      this.#detach();
      before.connection.close(new ParleyError('logged_out', 'Logged out.'));
    }
    if (!keepToken) this.#files.removeToken();
    this.#close(new ParleyError('logged_out', 'Logged out; what was not sent stays in the outbox.'));
  }

  // --- connections ------------------------------------------------------------------------------------

  async #attachFirst(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#end(new ParleyError('cancelled', 'Logging in was given up.'), false);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const outcome = await this.#attach(this.#entered.connection, true);
      if (outcome === 'outbox_is_old') await this.#resume(signal, true);
    } catch (error) {
      const reason = asParleyError(error);
      this.#end(reason, false);
      throw reason;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Everything that depends on the answer is done before a later frame is read. */
  #attach(connection: Connection, isFirst: boolean): Promise<'attached' | 'outbox_is_old'> {
    const attach = {
      outbox: this.outgoing.outboxId,
      hold: this.#hold,
      listenPort: this.#options.listenPort,
      localAddresses: this.#options.localAddresses(),
      windowMessages,
    };
    const outcome = Promise.withResolvers<'attached' | 'outbox_is_old'>();
    connection.ask({ attach }, (reply) => {
      if (reply instanceof ParleyError) {
        outcome.reject(reply);
        return;
      }
      const attached = reply.attached as parley.Attached | null | undefined;
      if (!attached) {
        outcome.reject(new ParleyError('bad_frame', 'The center did not answer Attach.'));
      } else if (this.outgoing.isOlderThan(attached.highestNumber)) {
        // Data from an old backup: new messages would be taken for repeats of those that were sent since.
        this.outbox.renew();
        this.#store.commit();
        connection.close(new ParleyError('cancelled', 'Attaching again with a new outbox.'));
        outcome.resolve('outbox_is_old');
      } else {
        this.#attached(connection, attached.waiting, isFirst);
        outcome.resolve('attached');
      }
    });
    return outcome.promise;
  }

  #attached(connection: Connection, waiting: number, isFirst: boolean): void {
    this.#state = { kind: 'online', connection };
    this.#backoff.connected();
    this.#inbox.attach(connection);
    this.links.attach(connection);
    if (isFirst) {
      this.#emit({ type: 'welcome', name: this.name, account: this.account });
    } else this.#emit({ type: 'reconnected' });
    if (waiting > 0 && (isFirst || this.#hold)) this.#emit({ type: 'waiting', count: waiting });
    if (isFirst) this.#inbox.showAgain();
    connection.handle(this.#handlerFor(connection));
    this.outbox.attach(connection);
  }

  #handlerFor(connection: Connection): FrameHandler {
    return {
      onFrame: (frame) =>
        takeFrame(frame, {
          inbox: this.#inbox,
          outbox: this.outbox,
          links: this.links,
          tell: (event) => this.#tell(event),
        }),
      onClose: (reason) => {
        if (this.#state.kind === 'online' && this.#state.connection === connection) this.#lost(reason);
      },
    };
  }

  #lost(reason: ParleyError): void {
    this.#detach();
    if (finalCodes.has(reason.code)) {
      this.#end(reason);
      return;
    }
    this.#onDeleted?.reject(
      new ParleyError('disconnected', 'The connection broke before the account was gone: it is open again.'),
    );
    const reconnection = new Reconnection({
      backoff: this.#backoff,
      retryAfterMs: reason.retryAfterMs,
      connect: (signal) => this.#resume(signal, false),
      giveUp: (error) => this.#end(error),
    });
    this.#state = { kind: 'reconnecting', reconnection };
    this.#emit({ type: 'disconnected', unsent: this.outbox.size, reason: safeLine(reason.message) });
  }

  async #resume(signal: AbortSignal, isFirst: boolean): Promise<void> {
    const { address } = this.#options;
    const onPinned = (fingerprint: string) => this.#emit({ type: 'pinned', fingerprint });
    const session = { key: this.#entered.key, token: this.#token };
    const { connection, token } = await resume(address, session, onPinned, signal);
    if (signal.aborted) {
      connection.close(new ParleyError('cancelled', 'Connecting was given up.'));
      throw new ParleyError('cancelled', 'Connecting was given up.');
    }
    this.#keepToken(token);
    this.#entered.connection = connection;
    const onAbort = () => connection.close(new ParleyError('cancelled', 'Connecting was given up.'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const outcome = await this.#attach(connection, isFirst);
      if (outcome === 'outbox_is_old') throw new ParleyError('disconnected', 'The outbox had to be begun anew.');
    } catch (error) {
      connection.close(asParleyError(error));
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #woke(): void {
    if (this.#state.kind === 'reconnecting') this.#state.reconnection.wake();
    if (this.#state.kind === 'online') this.#state.connection.probe();
  }

  #keepToken(token: string): void {
    this.#token = token;
    this.#files.saveToken(token);
  }

  /** After the messages that came before it, which wait for their commit. */
  #tell(event: PeerEvent): void {
    this.#store.afterCommit(() => this.#emit(event));
  }

  #emit(event: PeerEvent): void {
    this.#options.feed.emit(event);
  }

  // --- the end ----------------------------------------------------------------------------------------

  #detach(): void {
    this.links.detach();
    this.#inbox.detach();
    this.outbox.detach();
  }

  /** The session is over, and not by one's own wish. */
  #end(reason: ParleyError, isTold = true): void {
    const before = this.#state;
    if (before.kind === 'ended' || before.kind === 'leaving') return;
    this.#state = { kind: 'leaving' };
    this.#detach();
    if (before.kind === 'reconnecting') before.reconnection.stop();
    else before.connection.close(reason);
    if (tokenEndCodes.has(reason.code)) this.#files.removeToken();
    if (reason.code === 'account_deleted') this.#entered.files.removeName(this.name, this.account);
    const unsent = this.outbox.size;
    const ended: PeerEvent = { type: 'ended', code: reason.code, text: safeText(reason.message), unsent };
    this.#close(reason, isTold ? ended : null);
  }

  #close(reason: ParleyError, ended: PeerEvent | null = null): void {
    // What was committed is told before the end is.
    this.#store.commit();
    this.links.close(reason);
    this.#store.close();
    this.#state = { kind: 'ended' };
    this.#stopWatching();
    this.#lock.release();
    this.outbox.giveUp(reason);
    if (reason.code === 'account_deleted') this.#onDeleted?.resolve();
    else this.#onDeleted?.reject(reason);
    if (ended) this.#emit(ended);
    this.#options.feed.finish();
    this.#options.onEnd();
  }
}

/** Waits for a promise that does not reject, but not longer than this. */
async function within(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))]);
  clearTimeout(timer);
}
