// Private messages of one account, both ways: from the outbox onto whatever link there is, and from links into the
// history. Links come and go; numbers and marks see to it that nothing is lost or taken twice.
import { ParleyError } from '../../shared/errors.ts';
import { safeText } from '../../shared/text.ts';
import type { OutgoingMessage } from '../events.ts';
import type { Link, LinkMessage } from './link.ts';
import type { PrivateStore } from './private-store.ts';

/** On their way to the other side and not stored there. */
const maxUnstored = 1024;
const batchMessages = 256;
const behindLookMs = 50;
const maxBodyBytes = 65_536;

/** What a flow needs of the peer. */
export interface FlowHost {
  readonly store: PrivateStore;
  afterCommit(act: () => void): void;
  /** A message was filed: shows it. */
  show(row: number, message: { from: string; account: number; text: string; sentAtMs: number }): void;
  /** True while whoever runs the peer has enough to read. */
  isBehind(): boolean;
  /** A message of one's own is stored over there. */
  onStored(message: OutgoingMessage): void;
}

export class PrivateFlow {
  readonly #host: FlowHost;
  readonly #other: { readonly account: number; readonly name: string };
  #link: Link | null = null;
  /** Sent on this link; the next batch comes after it. */
  #sentTo = 0;
  #unstored = 0;
  /** The highest number of the other side that is filed and not yet told. */
  #toTell = 0;
  #awaitsRoom = false;

  constructor(host: FlowHost, other: { readonly account: number; readonly name: string }) {
    this.#host = host;
    this.#other = other;
  }

  /** From here on messages go over this link, those that the other side has not stored first; null: they wait. */
  use(link: Link | null): void {
    this.#link = link;
    this.#sentTo = 0;
    this.#unstored = 0;
    this.#awaitsRoom = false;
    if (link) this.#tellMark(link);
    this.pump();
  }

  /** Before all answers: the other side learns how far its outbox got, should it have forgotten (a restored backup). */
  #tellMark(link: Link): void {
    const mark = this.#host.store.mark(this.#other.account, link.otherOutbox);
    if (mark > 0) this.#host.afterCommit(() => link.stored(mark));
  }

  /** Sends what is pending and not yet sent on this link. */
  pump(): void {
    const link = this.#link;
    if (!link?.isOpen || this.#awaitsRoom) return;
    while (link.hasRoom && this.#unstored < maxUnstored) {
      const batch = this.#host.store.pending(this.#other.account, this.#sentTo, batchMessages);
      if (batch.length === 0) return;
      for (const { number, sentAtMs, text } of batch) {
        if (!link.hasRoom || this.#unstored >= maxUnstored) break;
        link.message(number, sentAtMs, text);
        this.#sentTo = number;
        this.#unstored++;
      }
    }
    if (link.hasRoom) return;
    this.#awaitsRoom = true;
    link.onceRoom(() => {
      if (link !== this.#link) return;
      this.#awaitsRoom = false;
      this.pump();
    });
  }

  /** The other side has stored all up to this number, on whichever link it says so. */
  onStored(link: Link, number: number): void {
    if (number > this.#host.store.highest(this.#other.account)) {
      // Data from an old backup: what is sent under these numbers would be taken for repeats of what was sent since.
      this.#host.store.renew(this.#other.account);
      return link.close(new ParleyError('cancelled', 'A new outbox was begun.'));
    }
    const stored = this.#host.store.stored(this.#other.account, number);
    this.#unstored = Math.max(0, this.#unstored - stored.length);
    for (const message of stored) this.#host.onStored(message);
    this.pump();
  }

  /** Files a message and tells so after the commit. Throws bad_frame for what cannot be one. */
  onMessage(link: Link, { number, sentAtMs, body }: LinkMessage): void {
    const { account, name } = this.#other;
    // What the store cannot hold must not get there: it would take the store for broken.
    if (!Number.isSafeInteger(number) || number < 1) throw new ParleyError('bad_frame', 'A message without a number.');
    if (!Number.isSafeInteger(sentAtMs)) throw new ParleyError('bad_frame', 'A message of no time.');
    if (body === '' || Buffer.byteLength(body) > maxBodyBytes)
      throw new ParleyError('bad_frame', 'A message without text, or too long.');
    const text = safeText(body);
    const row = this.#host.store.file({
      ...{ account, name, text, sentAtMs, receivedAtMs: Date.now(), outbox: link.otherOutbox, number },
    });
    const isFirst = this.#toTell === 0;
    this.#toTell = Math.max(number, this.#toTell);
    if (isFirst) this.#host.afterCommit(() => this.#tellStored());
    if (row !== null) this.#host.afterCommit(() => this.#host.show(row, { from: name, account, text, sentAtMs }));
    if (this.#host.isBehind()) this.#holdBack(link);
  }

  /** On the link of now: should the one that they came on be gone, they are sent again and told again. */
  #tellStored(): void {
    const number = this.#toTell;
    this.#toTell = 0;
    this.#link?.stored(number);
  }

  /** A link that is not read holds back the other side. */
  #holdBack(link: Link): void {
    if (link.isHeld) return;
    link.hold(true);
    const look = setInterval(() => {
      if (this.#host.isBehind() && !link.isClosed) return;
      clearInterval(look);
      link.hold(false);
    }, behindLookMs);
    look.unref();
  }
}
