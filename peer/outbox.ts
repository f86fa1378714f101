// The outbox: what a peer has not yet had accepted, and what becomes of it by the center's answers.
import { type ErrorCode, ParleyError } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import type { parley } from '../shared/protocol.js';
import { safeLine } from '../shared/text.ts';
import { type Connection, readError } from './connection.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import type { Lane } from './lane.ts';
import { Lookups } from './lookups.ts';
import { OutboxPump } from './outbox-pump.ts';
import type { Outgoing, Pending } from './outgoing.ts';
import type { Store } from './store.ts';
import { type Until, Waiters } from './waiters.ts';

/** In the outbox, on disk; their texts are read when they are sent. */
export const maxOutboxMessages = 100_000;
/** Texts kept at hand between writing and sending. */
const maxTextBytesAtHand = 8 * 1024 * 1024;

/** Refusals that time does not mend. */
const permanentCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'blocked',
  'unknown_account',
  'account_deleted',
  'body_too_long',
  'empty_body',
  'bad_text',
  'bad_number',
  'bad_name',
  'bad_frame',
  'frame_too_long',
  'unsupported',
]);

export class Outbox {
  readonly #store: Store;
  readonly #outgoing: Outgoing;
  readonly #emit: (event: PeerEvent) => void;
  readonly #waiters = new Waiters();
  readonly #cancelling = new Set<(error: ParleyError) => void>();
  readonly #pump: OutboxPump;
  readonly #lookups: Lookups;
  /** Everything in the outbox, by id, oldest first. */
  readonly #pending = new Map<number, Pending>();
  /** Delays that were told: one is news once. */
  readonly #told = new Map<Pending, ErrorCode>();
  #textBytesAtHand = 0;
  /** Of those, not committed yet. */
  #uncommitted = 0;

  constructor(store: Store, outgoing: Outgoing, emit: (event: PeerEvent) => void) {
    this.#store = store;
    this.#outgoing = outgoing;
    this.#emit = emit;
    this.#pump = new OutboxPump(store, outgoing);
    this.#lookups = new Lookups({
      found: (all, entry) => this.#found(all, entry),
      missing: (all, error) => this.#missing(all, error),
    });
    for (const pending of outgoing.allPending()) {
      this.#pending.set(pending.id, pending);
      this.#enqueue(pending);
    }
  }

  /** How many are in it. */
  get size(): number {
    return this.#pending.size;
  }

  /** How many will be there at the next login, whatever happens now. */
  get kept(): number {
    return this.#pending.size - this.#uncommitted;
  }

  /** What is in it, oldest first, each with a reason why it still is. */
  list(): OutgoingMessage[] {
    return this.#outgoing
      .outbox()
      .map((message) => ({ ...message, reason: message.reason || this.#whyHere(message.id) }));
  }

  #whyHere(id: number): string {
    if (!this.#pump.connected) return 'no connection to the center';
    const pending = this.#pending.get(id);
    if (pending && this.#pump.isFlying(pending)) return 'sent, no answer yet';
    const lane = pending?.account ? this.#pump.lane(pending.account) : undefined;
    return lane?.isHeldUp ? 'goes after an earlier one that was refused' : 'not sent yet';
  }

  /** Puts a message in; resolves when it is as far as `until` says. Throws store_full. */
  async add(name: string, text: string, until: Until, signal?: AbortSignal): Promise<OutgoingMessage> {
    if (this.#pending.size >= maxOutboxMessages) {
      throw new ParleyError('store_full', `The outbox is full: ${maxOutboxMessages} messages wait in it.`);
    }
    const entry = this.#lookups.known(name);
    const to = entry === null ? { name, account: null } : { name: entry.name, account: entry.account };
    const { pending, message } = this.#outgoing.add(to, text, Date.now(), this.#pump.connected);
    if (this.#textBytesAtHand + pending.bytes > maxTextBytesAtHand) pending.text = null;
    else this.#textBytesAtHand += pending.bytes;
    this.#pending.set(pending.id, pending);
    const outcome = this.#waiters.add(pending.id, until, signal);
    this.#uncommitted += 1;
    this.#store.afterCommit(() => {
      this.#uncommitted -= 1;
      this.#waiters.reached(message, 'outbox');
      if (this.#pending.has(pending.id)) this.#enqueue(pending);
    });
    return outcome;
  }

  attach(connection: Connection): void {
    this.#store.afterCommit(() => {
      if (connection.closed) return;
      this.#lookups.attach(connection);
      this.#pump.attach(connection);
    });
  }

  detach(): void {
    this.#lookups.detach();
    this.#pump.detach();
  }

  /** Whoever waits for a message, or for a cancel, hears this instead. The messages stay. */
  giveUp(error: ParleyError): void {
    this.#waiters.failAll(error);
    for (const reject of this.#cancelling) reject(error);
  }

  /** Takes a new outbox id: the center knows higher numbers of this one than were ever given here. */
  renew(): void {
    this.#outgoing.renew([...this.#pending.values()]);
  }

  // --- the center's answers ---------------------------------------------------------------------------

  accepted(to: number, number: number): void {
    const lane = this.#pump.lane(to);
    if (lane === undefined) return;
    for (const pending of lane.accepted(number)) {
      this.#forget(pending);
      const message = this.#outgoing.accept(pending);
      this.#waiters.reached(message, 'accepted');
      this.#tell({ type: 'accepted', message });
    }
    this.#pump.wake(lane);
  }

  stored(to: number, number: number): void {
    this.accepted(to, number);
    for (const message of this.#outgoing.store(to, number)) {
      this.#waiters.reached(message, 'stored');
      this.#tell({ type: 'stored', message });
    }
  }

  refused(refusal: parley.Refused): void {
    const lane = this.#pump.lane(refusal.to);
    const pending = lane?.flying(refusal.number);
    if (lane === undefined || !pending) return;
    const error = readError(refusal.error);
    if (error.code === 'earlier_refused') lane.refusedForEarlier(pending, performance.now());
    else if (permanentCodes.has(error.code)) this.#failForGood(lane, pending, error);
    else this.#delay(pending, error, lane.refused(pending, error.retryAfterMs, performance.now()));
    this.#pump.wake(lane);
  }

  /** A notice by way of the mailbox: what was accepted will not be delivered. False if it is not known here. */
  undeliverable(notice: parley.Undeliverable): boolean {
    const id = this.#outgoing.find(notice.outbox, notice.number);
    if (id === null) return false;
    const error =
      notice.code === 'expired'
        ? new ParleyError('expired', 'it waited too long for its recipient')
        : new ParleyError('undeliverable', 'the account was removed before it was delivered');
    const pending = this.#pending.get(id);
    if (pending) {
      this.#pump.lane(notice.to)?.remove(pending);
      this.#forget(pending);
    }
    this.#fail(id, error);
    return true;
  }

  #failForGood(lane: Lane, pending: Pending, error: ParleyError): void {
    lane.remove(pending);
    this.#forget(pending);
    this.#fail(pending.id, error);
    this.#pump.withdraw(lane, pending);
  }

  #fail(id: number, error: ParleyError): void {
    const message = this.#outgoing.fail(id, safeLine(error.message));
    this.#store.afterCommit(() => {
      this.#waiters.failed(id, error);
      this.#emit({ type: 'failed', message, code: error.code });
    });
  }

  #delay(pending: Pending, error: ParleyError, retryAfterMs: number): void {
    if (this.#told.get(pending) === error.code) return;
    this.#told.set(pending, error.code);
    const message = this.#outgoing.setReason(pending, safeLine(error.message));
    this.#tell({ type: 'delayed', message, code: error.code, retryAfterMs });
  }

  // --- cancelling -------------------------------------------------------------------------------------

  /** Takes a message back. Throws already_accepted, wrong_state if it is not in the outbox, disconnected where nobody can know. */
  async cancel(id: number): Promise<OutgoingMessage> {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw notPending(id, this.#outgoing.message(id));
    const lane = pending.account === null ? undefined : this.#pump.lane(pending.account);
    const isHere = lane === undefined || !pending.written;
    if (!isHere && !this.#pump.connected) {
      const text = `Message ${id} may have reached the center before the connection broke: it can be cancelled when there is one again.`;
      throw new ParleyError('disconnected', text);
    }
    const { promise, resolve, reject } = Promise.withResolvers<OutgoingMessage>();
    if (isHere) this.#takeOut(pending, resolve);
    else
      this.#pump.withdraw(lane, pending, (reply) => {
        if (reply instanceof ParleyError) reject(reply);
        else if (this.#pending.has(id)) this.#takeOut(pending, resolve);
        else reject(notPending(id, this.#outgoing.message(id)));
      });
    this.#cancelling.add(reject);
    return promise.finally(() => this.#cancelling.delete(reject));
  }

  #takeOut(pending: Pending, done: (message: OutgoingMessage) => void): void {
    if (pending.account === null) this.#lookups.remove(pending);
    else this.#pump.lane(pending.account)?.remove(pending);
    this.#forget(pending);
    const message = this.#outgoing.fail(pending.id, 'cancelled');
    this.#store.afterCommit(() => {
      this.#waiters.failed(pending.id, new ParleyError('cancelled', `Message ${pending.id} was cancelled.`));
      done(message);
    });
  }

  // --- names ------------------------------------------------------------------------------------------

  #enqueue(pending: Pending): void {
    if (pending.account === null) {
      const entry = this.#lookups.known(pending.name);
      if (entry === null) {
        this.#lookups.add(foldName(pending.name), pending);
        return;
      }
      this.#outgoing.setRecipient(pending, entry.account, entry.name);
    }
    this.#pump.enqueue(pending as Pending & { account: number });
  }

  #found(all: Pending[], entry: { account: number; name: string }): void {
    for (const pending of all) {
      this.#outgoing.setRecipient(pending, entry.account, entry.name);
      this.#pump.enqueue(pending as Pending & { account: number });
    }
  }

  #missing(all: Pending[], error: ParleyError): void {
    for (const pending of all) {
      if (permanentCodes.has(error.code)) {
        this.#forget(pending);
        this.#fail(pending.id, error);
      } else if (error.code !== 'disconnected') this.#delay(pending, error, error.retryAfterMs);
    }
  }

  /** In the order of what is committed in this turn. */
  #tell(event: PeerEvent): void {
    this.#store.afterCommit(() => this.#emit(event));
  }

  /** It left the outbox. */
  #forget(pending: Pending): void {
    this.#pending.delete(pending.id);
    this.#told.delete(pending);
    if (pending.text !== null) this.#textBytesAtHand -= pending.bytes;
    pending.text = null;
  }
}

function notPending(id: number, message: OutgoingMessage | null): ParleyError {
  if (message === null) return new ParleyError('wrong_state', `There is no message ${id} in the outbox.`);
  if (message.state === 'failed') {
    return new ParleyError('wrong_state', `Message ${id} is not in the outbox any more: ${message.reason}`);
  }
  return new ParleyError('already_accepted', `The center has accepted message ${id} already.`);
}
