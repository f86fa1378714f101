// Private messages of one account, both ways: from the outbox onto whatever link there is, and from links into the
// history. Links come and go; numbers and marks see to it that nothing is lost or taken twice.
//
// What is said goes onto the link, and what comes is shown, before the disk has it: only the promises (`stored`, and that
// a message is safe in the outbox) wait for the commit. A crash in between is mended by numbers that are never given
// again (private-store.ts) and by `resent`, which marks what an earlier run may have shown.
import { ParleyError } from '../../shared/errors.ts';
import { safeText } from '../../shared/text.ts';
import type { OutgoingMessage } from '../events.ts';
import type { Link, LinkMessage } from './link.ts';
import { maxUnstored, type PrivatePending, type PrivateStore } from './private-store.ts';

/** Characters on their way and not stored; a message more may go beyond it. */
const maxUnstoredChars = 4 * 1024 * 1024;
const batchMessages = 256;
const behindLookMs = 50;
const maxBodyBytes = 65_536;

export interface ShownPrivate {
  from: string;
  account: number;
  text: string;
  sentAtMs: number;
  /** It may have been shown before. */
  again: boolean;
}

/** What a flow needs of the peer. */
export interface FlowHost {
  readonly store: PrivateStore;
  /** False: in memory only, where stored means shown. */
  readonly isDurable: boolean;
  afterCommit(act: () => void): void;
  /** Shows a message that was filed; onShown is called once, when it was. */
  show(row: number, message: ShownPrivate, onShown: () => void): void;
  /** True while whoever runs the peer has enough to read. */
  isBehind(): boolean;
  /** A message of one's own is stored over there. */
  onStored(message: OutgoingMessage): void;
}

export class PrivateFlow {
  readonly #host: FlowHost;
  readonly #other: { readonly account: number; readonly name: string };
  #link: Link | null = null;
  /** Sent on this link and not stored, oldest first. */
  #unstored: PrivatePending[] = [];
  #unstoredChars = 0;
  /** Sent on this link: all that is pending up to here. */
  #sentTo = 0;
  /** Something pending may be above that. */
  #hasMore = true;
  #awaitsRoom = false;
  /** Sent to any run of the other side. */
  #everSentTo = 0;
  /** The other side's run, and up to where an earlier one of it may have had messages. */
  #run: Buffer | null = null;
  #resentTo = 0;
  /** The highest number of the other side that is stored and not yet told. */
  #toTell = 0;
  /** Up to where its outbox was shown: without a history that is what stored means. */
  #shown: { outbox: Buffer; number: number } | null = null;

  constructor(host: FlowHost, other: { readonly account: number; readonly name: string }) {
    this.#host = host;
    this.#other = other;
  }

  // --- out --------------------------------------------------------------------------------------------

  /** From here on messages go over this link, those that the other side has not stored first; null: they wait. */
  use(link: Link | null): void {
    this.#link = link;
    this.#unstored = [];
    this.#unstoredChars = 0;
    this.#sentTo = 0;
    this.#hasMore = true;
    this.#awaitsRoom = false;
    this.#toTell = 0;
    if (link) {
      if (link.otherRun.length === 0 || !this.#run?.equals(link.otherRun)) this.#resentTo = this.#everSentTo;
      this.#run = link.otherRun;
      this.#tellMark(link);
    }
    this.pump();
  }

  /** A message can go the moment it is said: all before it is on its way. */
  get isReady(): boolean {
    return !this.#hasMore && this.#hasRoom;
  }

  get #hasRoom(): boolean {
    const isFull = this.#unstored.length >= maxUnstored || this.#unstoredChars >= maxUnstoredChars;
    return !isFull && !this.#awaitsRoom && (this.#link?.hasRoom ?? false);
  }

  /** Sends what has just been put in the outbox, where the flow is ready; else it goes with pump. */
  say(message: PrivatePending): void {
    if (this.isReady) this.#send(message);
    else this.#hasMore = true;
  }

  #send(pending: PrivatePending): void {
    const { number, written, message } = pending;
    const resent =
      number <= this.#resentTo || (written && this.#host.store.isOfEarlierRun(this.#other.account, number));
    this.#link?.message(number, message.createdAtMs, message.text, resent);
    this.#unstored.push(pending);
    this.#unstoredChars += message.text.length;
    this.#sentTo = number;
    this.#everSentTo = Math.max(this.#everSentTo, number);
  }

  /** Sends what is pending and not yet sent on this link. */
  pump(): void {
    const link = this.#link;
    if (!link?.isOpen || this.#awaitsRoom) return;
    while (this.#hasMore && this.#hasRoom) {
      const batch = this.#host.store.pending(this.#other.account, this.#sentTo, batchMessages);
      this.#hasMore = batch.length === batchMessages;
      for (const pending of batch) {
        if (this.#hasRoom) this.#send(pending);
        else this.#hasMore = true;
      }
      if (batch.some(({ written }) => !written)) this.#host.store.markWritten(this.#other.account, this.#sentTo);
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
    const { store } = this.#host;
    if (number > store.highest(this.#other.account)) {
      // Data from an old backup: what is sent under these numbers would be taken for repeats of what was sent since.
      store.renew(this.#other.account);
      return link.close(new ParleyError('moved', 'A new outbox was begun.'));
    }
    const before = this.#unstored.findIndex((pending) => pending.number > number);
    const stored = this.#unstored.splice(0, before < 0 ? this.#unstored.length : before);
    for (const { message } of stored) this.#unstoredChars -= message.text.length;
    // What it says beyond what was sent on this link, it has from another.
    const messages =
      number > this.#sentTo
        ? store.pendingTo(this.#other.account, number)
        : stored.map(({ message }): OutgoingMessage => ({ ...message, state: 'stored' }));
    if (messages.length > 0) store.stored(this.#other.account, number);
    for (const message of messages) this.#host.onStored(message);
    this.pump();
  }

  // --- in ---------------------------------------------------------------------------------------------

  /** Before all answers: the other side learns how far its outbox got, should it have forgotten (a restored backup). */
  #tellMark(link: Link): void {
    const { isDurable, store } = this.#host;
    const mark = isDurable ? store.mark(this.#other.account, link.otherOutbox) : this.#shownOf(link);
    if (mark > 0) this.#host.afterCommit(() => link.stored(mark));
  }

  #shownOf(link: Link): number {
    return this.#shown?.outbox.equals(link.otherOutbox) ? this.#shown.number : 0;
  }

  /** Files a message, shows it, and tells that it is stored when that is so. Throws bad_frame for what cannot be one. */
  onMessage(link: Link, { number, sentAtMs, body, resent }: LinkMessage): void {
    const { account, name } = this.#other;
    // What the store cannot hold must not get there: it would take the store for broken.
    if (!Number.isSafeInteger(number) || number < 1) throw new ParleyError('bad_frame', 'A message without a number.');
    if (!Number.isSafeInteger(sentAtMs)) throw new ParleyError('bad_frame', 'A message of no time.');
    if (body === '' || Buffer.byteLength(body) > maxBodyBytes)
      throw new ParleyError('bad_frame', 'A message without text, or too long.');
    const text = safeText(body);
    const { isDurable, store } = this.#host;
    const row = store.file({
      ...{ account, name, text, sentAtMs, receivedAtMs: Date.now(), outbox: link.otherOutbox, number },
    });
    // A repeat without a history may not have been shown yet; it is told when it was.
    if (isDurable || number <= this.#shownOf(link)) this.#storedHere(link, number);
    if (row !== null) {
      const message = { from: name, account, text, sentAtMs, again: resent };
      this.#host.show(row, message, () => {
        if (isDurable) return;
        this.#shown = { outbox: link.otherOutbox, number };
        this.#storedHere(link, number);
      });
    }
    if (this.#host.isBehind()) this.#holdBack(link);
  }

  /** To be told once for all of this turn, and not before the commit. */
  #storedHere(link: Link, number: number): void {
    // On the link of now: should the one that it came on be gone, it is sent again and told again.
    if (!this.#link?.otherOutbox.equals(link.otherOutbox)) return;
    const isFirst = this.#toTell === 0;
    this.#toTell = Math.max(number, this.#toTell);
    if (!isFirst) return;
    const tell = (): void => {
      const told = this.#toTell;
      this.#toTell = 0;
      if (told > 0) this.#link?.stored(told);
    };
    if (this.#host.isDurable) this.#host.afterCommit(tell);
    else queueMicrotask(tell);
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
