// What the user says privately: into the outbox, onto a link, and what becomes of it.
import { ParleyError } from '../../shared/errors.ts';
import { foldName } from '../../shared/names.ts';
import type { OutgoingMessage, PeerEvent } from '../events.ts';
import { type Until, Waiters } from '../waiters.ts';
import type { Pairings } from './pairings.ts';
import type { PrivateStore } from './private-store.ts';
import { whyPending } from './why.ts';

interface Recipient {
  account: number;
  name: string;
}

interface Options {
  store: PrivateStore;
  pairings: Pairings;
  /** Of a name that nobody was introduced by. Throws unknown_account, disconnected. */
  lookUp(name: string): Promise<Recipient>;
  afterCommit(act: () => void): void;
  emit(event: PeerEvent): void;
}

export class PrivateOutbox {
  readonly #options: Options;
  readonly #waiters = new Waiters();
  /** Of names being looked up, folded. */
  readonly #lookUps = new Map<string, Promise<Recipient>>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Puts a private message in the outbox; it goes when there is a link: at once, in this very call, if there is one. */
  async send(name: string, text: string, until: Until, signal?: AbortSignal): Promise<OutgoingMessage> {
    const { store, pairings, afterCommit } = this.#options;
    // What was said before may wait for a look-up, and goes first.
    const open = this.#lookUps.get(foldName(name));
    const to = (open ? null : pairings.named(name)) ?? (await (open ?? this.#lookUp(name)));
    const pairing = pairings.of(to.account);
    const pending = store.add(to, text, pairing?.flow.isReady ?? false);
    const outcome = this.#waiters.add(pending.message.id, until, signal);
    // It goes before the disk has it: the promise that it is in the outbox does not.
    pairing?.flow.say(pending);
    afterCommit(() => {
      this.#waiters.reached(pending.message, 'outbox');
      pairings.of(to.account)?.flow.pump();
      pairings.of(to.account)?.connect();
    });
    return outcome;
  }

  #lookUp(name: string): Promise<Recipient> {
    const { pairings, lookUp } = this.#options;
    const folded = foldName(name);
    const found = lookUp(name).catch((error: unknown) => {
      // An introduction may have come instead.
      const pairing = pairings.named(name);
      if (!pairing) throw error;
      return pairing;
    });
    this.#lookUps.set(folded, found);
    // In the turn of those who wait for it, or somebody could go before them.
    const done = () => this.#lookUps.delete(folded);
    found.then(done, done);
    return found;
  }

  /** Those that the other side has not stored, with why. */
  list(): OutgoingMessage[] {
    const { store, pairings } = this.#options;
    return store
      .allPending()
      .map((message) => ({ ...message, reason: whyPending(message.to, pairings.named(message.to)) }));
  }

  /** Takes a message out; null if there is none of this id. It may be shown over there all the same. */
  cancel(id: number): OutgoingMessage | null {
    const { store, pairings } = this.#options;
    const message = store.allPending().find((pending) => pending.id === id);
    if (!message) return null;
    if (pairings.named(message.to)?.link) throw new ParleyError('already_accepted', 'It is on its way already.');
    store.cancel(id);
    this.#waiters.failed(id, new ParleyError('cancelled', 'The message was cancelled.'));
    return { ...message, state: 'failed', reason: 'cancelled' };
  }

  /** The other side has it. */
  onStored(message: OutgoingMessage): void {
    this.#options.afterCommit(() => {
      this.#waiters.reached(message, 'stored');
      this.#options.emit({ type: 'stored', message });
    });
  }

  /** The session is over. */
  giveUp(reason: ParleyError): void {
    this.#waiters.failAll(reason);
  }
}
