// What is under way in one session, for every front end: messages that wait, mail that was announced, names.
import type { ErrorCode } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import type { Reply } from './command.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import type { WaitFor } from './front.ts';

/** Names that Tab completes are kept up to here, the newest. */
export const maxKnownNames = 2_000;

/** What is under way in one session. Takes events and replies in; does nothing by itself. */
export class Conversation {
  readonly #pending = new Map<number, OutgoingMessage>();
  /** Answered before the reply to `message` came: ids only rise, so that few are ever kept. */
  readonly #early = new Set<number>();
  readonly #storedFirst = new Set<number>();
  readonly #unstored = new Map<number, OutgoingMessage>();
  readonly #delayed = new Map<number, ErrorCode>();
  readonly #cancelled = new Set<number>();
  /** Pending private messages that wait for a link: nobody waits for them meanwhile. */
  readonly #resting = new Set<number>();
  /** Names, folded, whose digits are still to come. */
  readonly #verifying = new Set<string>();
  /** Names, folded, whose consent is over: that is said by itself, and not of the link as well. */
  readonly #ended = new Set<string>();
  readonly #names = new Set<string>();
  readonly #keepUnstored: boolean;
  #expected = 0;
  #holds: boolean;
  #undelivered = 0;
  #progress = 0;

  /** keepUnstored: somebody will wait until all is stored. */
  constructor(options: { holds: boolean; keepUnstored: boolean }) {
    this.#holds = options.holds;
    this.#keepUnstored = options.keepUnstored;
  }

  /** Not yet accepted, or, where private, not yet stored; oldest first. */
  get pending(): OutgoingMessage[] {
    return [...this.#pending.values()];
  }

  /** Those of them that do not rest. */
  get awaited(): OutgoingMessage[] {
    return this.firstAwaited(this.#pending.size);
  }

  get awaitedCount(): number {
    return this.#pending.size - this.#resting.size;
  }

  /** The oldest of them. */
  firstAwaited(limit: number): OutgoingMessage[] {
    const first: OutgoingMessage[] = [];
    for (const message of this.#pending.values()) {
      if (first.length >= limit) break;
      if (!this.#resting.has(message.id)) first.push(message);
    }
    return first;
  }

  isPending(id: number): boolean {
    return this.#pending.has(id);
  }

  /** Private messages to this account that are not stored there. */
  privatelyPending(name: string): OutgoingMessage[] {
    return this.pending.filter((message) => message.private && foldName(message.to) === foldName(name));
  }

  /** Accepted but not stored; empty unless keepUnstored. */
  get unstored(): OutgoingMessage[] {
    return [...this.#unstored.values()];
  }

  /** How many were refused for good. */
  get undelivered(): number {
    return this.#undelivered;
  }

  /** Rises whenever something came nearer to its end. */
  get progress(): number {
    return this.#progress;
  }

  /** Names met in this session. */
  get names(): string[] {
    return [...this.#names];
  }

  /** True when nothing is left to wait for. */
  settled(wait: WaitFor): boolean {
    if (wait === 'none') return true;
    if (this.awaitedCount > 0 || this.#expected > 0 || this.#verifying.size > 0) return false;
    return wait === 'accepted' || this.#unstored.size === 0;
  }

  /** What was in the outbox at the login: private messages may wait there for long. */
  begin(outbox: readonly OutgoingMessage[]): void {
    for (const message of outbox) {
      this.sent(message);
      if (message.private) this.rest(message.id);
    }
  }

  /** It waits for a link, be it for days; it is still sent by itself when there is one. */
  rest(id: number): void {
    if (this.#pending.has(id)) this.#resting.add(id);
  }

  /** A message is safe in the outbox. True where it now waits to be accepted or stored. */
  sent(message: OutgoingMessage): boolean {
    this.meet(message.to);
    if (this.#early.delete(message.id) || message.state !== 'pending') return false;
    this.#pending.set(message.id, message);
    return true;
  }

  /** Takes in what a reply changes. */
  note(reply: Reply): void {
    switch (reply.reply) {
      case 'message':
      case 'private':
        this.sent(reply.message);
        break;
      case 'verify':
        if (!reply.confirmed) this.#verifying.add(foldName(reply.name));
        break;
      case 'consents':
        for (const { name } of reply.consents.slice(0, maxKnownNames)) this.meet(name);
        break;
      case 'cancel':
        this.#cancelled.add(reply.message.id);
        this.#forget(reply.message.id);
        break;
      case 'inbox':
        this.#expected += reply.coming;
        break;
      case 'hold':
        this.#holds = reply.on;
        if (!reply.on) this.#expected += reply.waiting;
        break;
      case 'online':
      case 'users':
      case 'blocked':
        for (const person of reply.people.slice(0, maxKnownNames)) this.meet(person.name);
        break;
      default:
        break;
    }
  }

  meet(name: string): void {
    this.#names.delete(name);
    this.#names.add(name);
    if (this.#names.size > maxKnownNames) this.#names.delete(this.#names.values().next().value!);
  }

  /** False where the event says nothing new to the user. */
  take(event: PeerEvent): boolean {
    switch (event.type) {
      case 'accepted':
        this.#progress += 1;
        if (this.#keepUnstored && !this.#storedFirst.has(event.message.id)) {
          this.#unstored.set(event.message.id, event.message);
        }
        // It was resolved then.
        if (this.#storedFirst.delete(event.message.id)) return false;
        this.#resolve(event.message.id);
        return true;
      case 'stored':
        this.#progress += 1;
        this.#unstored.delete(event.message.id);
        // It is never accepted: nobody is between the two.
        if (event.message.private) this.#resolve(event.message.id);
        else if (this.#pending.has(event.message.id)) {
          this.#storedFirst.add(event.message.id);
          this.#resolve(event.message.id);
        }
        return true;
      case 'failed':
        this.#progress += 1;
        this.#unstored.delete(event.message.id);
        this.#resolve(event.message.id);
        if (this.#cancelled.has(event.message.id)) return false;
        this.#undelivered += 1;
        return true;
      case 'delayed': {
        // It is tried again and again: said once for each reason.
        const known = this.#delayed.get(event.message.id) === event.code;
        this.#delayed.set(event.message.id, event.code);
        if (this.#pending.has(event.message.id)) this.#pending.set(event.message.id, event.message);
        return !known;
      }
      case 'waiting':
        if (!this.#holds) this.#expected += event.count;
        return true;
      case 'message':
        this.#progress += 1;
        // What is shown again comes from the history; where it also waits at the center, that comes as repeated.
        if (event.message.waited && !event.message.again && this.#expected > 0) this.#expected -= 1;
        this.meet(event.message.from);
        return true;
      case 'repeated':
        this.#progress += 1;
        this.#expected = Math.max(0, this.#expected - event.count);
        return false;
      case 'broadcast':
        this.meet(event.from);
        return true;
      case 'presence':
        this.meet(event.name);
        return true;
      case 'reconnected':
        this.#progress += 1;
        return true;
      case 'address_request':
        this.meet(event.from);
        return true;
      case 'introduced':
        this.#progress += 1;
        this.#ended.delete(foldName(event.name));
        this.meet(event.name);
        return true;
      case 'consent_ended':
        this.#ended.add(foldName(event.name));
        // Whoever has ended it has the reply to that.
        return !event.own;
      case 'link':
        this.#progress += 1;
        this.meet(event.name);
        if (event.state === 'down') this.#verifying.delete(foldName(event.name));
        // Links come and go by themselves: that is news only for whoever waits for one.
        if (event.state !== 'down') this.#ended.delete(foldName(event.name));
        else if (!this.#ended.has(foldName(event.name))) return this.privatelyPending(event.name).length > 0;
        return false;
      case 'verify':
        this.#progress += 1;
        this.#verifying.delete(foldName(event.name));
        return true;
      default:
        return true;
    }
  }

  #resolve(id: number): void {
    if (!this.#pending.has(id)) this.#early.add(id);
    this.#forget(id);
  }

  #forget(id: number): void {
    this.#pending.delete(id);
    this.#resting.delete(id);
    this.#delayed.delete(id);
  }
}
