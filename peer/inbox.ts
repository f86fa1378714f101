// The way in: files what the center delivers, acknowledges it after the commit, and shows it, each message once.
import type { parley } from '../shared/protocol.js';
import { safeLine, safeText } from '../shared/text.ts';
import { Acks } from './acks.ts';
import type { Connection } from './connection.ts';
import type { IncomingMessage } from './events.ts';
import type { Feed } from './feed.ts';
import type { Incoming, IncomingRow } from './incoming.ts';
import type { Store } from './store.ts';

/** Told in Attach: how many the center sends before it has an Ack. */
export const windowMessages = 512;
/** While more than this are not taken by whoever runs the peer, nothing is acknowledged, so that the window fills. */
const maxWaitingMessages = 512;
/** At start: older rows that were never shown are only in the history. */
const maxUnshown = 10_000;

interface Options {
  store: Store;
  incoming: Incoming;
  feed: Feed;
  /** False if it is of no message known here. */
  onUndeliverable(notice: parley.Undeliverable): boolean;
}

export class Inbox {
  readonly #store: Store;
  readonly #incoming: Incoming;
  readonly #feed: Feed;
  readonly #onUndeliverable: (notice: parley.Undeliverable) => boolean;
  #connection: Connection | null = null;
  #acks: Acks | null = null;
  /** Messages received by the center before this have waited. */
  #sessionAtMs = 0;
  /** Of this connection: the last position that came, and that may be acknowledged. */
  #came = 0;
  #done = 0;
  /** Filed in this turn, not yet shown. */
  #filed: { message: IncomingMessage; position: number }[] = [];
  /** Of those that waited, in this turn. */
  #repeated = 0;
  #isTurnOpen = false;
  #isAckDue = false;

  constructor(options: Options) {
    this.#store = options.store;
    this.#incoming = options.incoming;
    this.#feed = options.feed;
    this.#onUndeliverable = options.onUndeliverable;
    this.#feed.onTaken = () => this.#acknowledge();
  }

  attach(connection: Connection): void {
    this.#connection = connection;
    this.#acks = new Acks(connection);
    this.#sessionAtMs = connection.hello.timeMs;
    this.#came = 0;
    this.#done = 0;
  }

  detach(): void {
    this.#connection = null;
    this.#acks?.stop();
    this.#acks = null;
  }

  /** Shows again what an earlier run filed and may not have shown. */
  showAgain(): void {
    for (const row of this.#incoming.unshown(maxUnshown)) {
      this.#show(this.#message(row, row.row, { waited: true, again: true }), 0);
    }
  }

  deliver(deliver: parley.Deliver): void {
    this.#came = deliver.position;
    this.#acks?.came(deliver.from);
    if (deliver.undeliverable) this.#noteUndeliverable(deliver.undeliverable as parley.Undeliverable);
    else this.#file(deliver);
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    const connection = this.#connection;
    this.#store.afterCommit(() => this.#endTurn(connection));
  }

  #file(deliver: parley.Deliver): void {
    const filed = {
      account: deliver.from,
      name: safeLine(deliver.fromName),
      text: safeText(deliver.body),
      sentAtMs: deliver.sentAtMs,
      receivedAtMs: deliver.receivedAtMs,
      private: false,
    };
    const row = this.#incoming.add({ ...filed, outbox: deliver.outbox, number: deliver.number });
    const waited = deliver.receivedAtMs < this.#sessionAtMs;
    if (row === null) {
      if (waited) this.#repeated += 1;
      return;
    }
    const message = this.#message({ ...filed, row }, this.#store.durable ? row : 0, { waited, again: false });
    this.#filed.push({ message, position: this.#store.durable ? 0 : deliver.position });
  }

  #noteUndeliverable(notice: parley.Undeliverable): void {
    if (this.#onUndeliverable(notice)) return;
    const why = notice.code === 'expired' ? 'it waited too long' : 'the account was removed';
    const text = `A message to ${safeLine(notice.toName)} could not be delivered: ${why}.`;
    this.#store.afterCommit(() => this.#feed.emit({ type: 'notice', text }));
  }

  /** What came in this turn is durable. */
  #endTurn(connection: Connection | null): void {
    this.#isTurnOpen = false;
    const filed = this.#filed;
    this.#filed = [];
    if (connection === this.#connection) {
      if (this.#store.durable || filed.length === 0) this.#finished(0);
    }
    for (const { message, position } of filed) this.#show(message, position);
    if (this.#repeated > 0) this.#feed.emit({ type: 'repeated', count: this.#repeated });
    this.#repeated = 0;
  }

  #show(message: IncomingMessage, position: number): void {
    const connection = this.#connection;
    this.#feed.emit({ type: 'message', message }, () => {
      if (message.row > 0) this.#incoming.shown(message.row);
      if (!this.#store.durable) this.#finished(connection === this.#connection ? position : 0);
    });
  }

  /** Up to which position all is done: with a history what was filed, else what was shown. */
  #finished(position: number): void {
    const isAllShown = this.#filed.length === 0 && this.#feed.waitingMessages === 0;
    this.#done = this.#store.durable || isAllShown ? this.#came : Math.max(this.#done, position);
    this.#acknowledge();
  }

  /** One Ack for all that is done by the end of this turn. */
  #acknowledge(): void {
    if (this.#isAckDue || this.#feed.waitingMessages > maxWaitingMessages) return;
    this.#isAckDue = true;
    const acks = this.#acks;
    queueMicrotask(() => {
      this.#isAckDue = false;
      if (acks === this.#acks) acks?.done(this.#done);
    });
  }

  #message(row: IncomingRow, shownRow: number, more: { waited: boolean; again: boolean }): IncomingMessage {
    const { account: fromAccount, name: from, text, sentAtMs, receivedAtMs, private: isPrivate } = row;
    return { row: shownRow, from, fromAccount, text, sentAtMs, receivedAtMs, private: isPrivate, ...more };
  }
}
