// What a session works at: the account's files, which one process at a time may use, and outbox, inbox and private links over them.
import { type DirectoryLock, waitForLock } from '../shared/directory.ts';
import { asParleyError, ParleyError } from '../shared/errors.ts';
import type { AccountFiles } from './account-files.ts';
import { within } from './deadline.ts';
import type { OutgoingMessage } from './events.ts';
import type { Feed } from './feed.ts';
import { Inbox } from './inbox.ts';
import { Incoming } from './incoming.ts';
import { Links } from './links/links.ts';
import type { Entered } from './login.ts';
import { Orders } from './orders.ts';
import { Outbox } from './outbox.ts';
import { Outgoing } from './outgoing.ts';
import { Store } from './store.ts';

/** How long the process that was displaced may take to let go of the account's files. */
const lockTimeoutMs = 10_000;
/** What was printed in the last moment is given this time to arrive; what has not then is shown again. */
const arrivalTimeoutMs = 2_000;

export interface DeskOptions {
  feed: Feed;
  isHistoryKept: boolean;
  /** Nothing can be written any more. */
  onFailure(error: ParleyError): void;
}

export class Desk {
  readonly store: Store;
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly links: Links;
  readonly orders: Orders;
  readonly #feed: Feed;
  readonly #entered: Entered;
  readonly #files: AccountFiles;
  readonly #lock: DirectoryLock;

  /**
   * Waits for whoever was displaced, then files what the login gave.
   * @throws ParleyError busy where another process keeps the files, bad_data, cancelled
   */
  static async open(entered: Entered, options: DeskOptions, signal: AbortSignal): Promise<Desk> {
    const files = entered.files.account(entered.account);
    files.make();
    const lock = await waitForLock(files.path, lockTimeoutMs, 'peer', signal).catch((error: unknown) => {
      throw new ParleyError(signal.aborted ? 'cancelled' : 'busy', asParleyError(error).message);
    });
    try {
      files.saveKey(entered.pass.key);
      files.saveToken(entered.pass.token);
      await entered.files.saveName(entered.name, entered.account);
      return new Desk(entered, files, lock, options);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(entered: Entered, files: AccountFiles, lock: DirectoryLock, options: DeskOptions) {
    const { feed, isHistoryKept, onFailure } = options;
    this.#feed = feed;
    this.#entered = entered;
    this.#files = files;
    this.#lock = lock;
    // Before the store, which would stay open where the orders are damaged.
    this.orders = new Orders(files, (text) => feed.emit({ type: 'notice', text }));
    this.store = new Store(isHistoryKept ? files.historyPath : null, onFailure);
    this.outgoing = new Outgoing(this.store);
    this.incoming = new Incoming(this.store);
    this.outbox = new Outbox(this.store, this.outgoing, (event) => feed.emit(event));
    this.inbox = new Inbox({
      store: this.store,
      incoming: this.incoming,
      feed,
      onUndeliverable: (notice) => this.outbox.undeliverable(notice),
    });
    this.links = new Links({
      account: entered.account,
      key: entered.pass.key,
      store: this.store,
      incoming: this.incoming,
      feed,
      isBarred: (account, name) => this.orders.bars(account, name),
    });
  }

  /** There is no connection any more. */
  detach(): void {
    this.links.detach();
    this.orders.detach();
    this.inbox.detach();
    this.outbox.detach();
  }

  /** Commits, and waits until what was printed is flagged as shown; null where nothing is on its way. */
  settle(): Promise<void> | null {
    this.store.commit();
    const settled = this.#feed.settled();
    if (settled === null || this.store.closed) return null;
    return within(arrivalTimeoutMs, settled).catch(() => undefined);
  }

  /** Messages of one's own that are not accepted or, where private, not stored; oldest first. */
  unsent(): OutgoingMessage[] {
    return [...this.outbox.list(), ...this.links.outbox.list()].sort((a, b) => a.id - b.id);
  }

  /** Takes one of them back. Throws what Outbox.cancel does. */
  async cancel(id: number): Promise<OutgoingMessage> {
    return this.links.outbox.cancel(id) ?? this.outbox.cancel(id);
  }

  saveToken(token: string): void {
    this.#files.saveToken(token);
  }

  removeToken(): void {
    this.#files.removeToken();
  }

  /** The account is gone: its name may be given to another. */
  removeName(): void {
    const { files, name, account } = this.#entered;
    // Left behind it does no harm: whoever logs in under it next is another account, and is filed as such.
    files.removeName(name, account).catch(() => undefined);
  }

  /** Commits what there is and lets the next one in. */
  close(): void {
    this.store.close();
    this.#lock.release();
  }
}
