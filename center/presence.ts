// Who is online, and telling the others: changes bundled, encoded once, kept from those in a block with each other.
import { encodeFrame } from '../shared/frames.ts';
import { AccountSet } from './account-set.ts';
import type { CenterLimits } from './limits.ts';
import type { Timeout, Wheel } from './wheel.ts';

/** Entries in one Presence frame: well below the frame limit. */
const maxChangesPerFrame = 500;

/** Whom somebody has blocked, as it is at any time. */
export interface Blocks {
  readonly size: number;
  has(account: number): boolean;
}

/** The session of somebody who is online. */
export interface Listener {
  readonly account: number;
  readonly name: string;
  readonly blocks: Blocks;
  /** A whole frame; false where the connection is full and it was left out. */
  notice(bytes: Buffer): boolean;
}

/** Somebody online. Its timeout runs while its connection is lost. */
export class Person implements Timeout {
  readonly account: number;
  readonly name: string;
  /** null while its connection is lost and may come back. */
  listener: Listener | null = null;
  blocks: Blocks;
  /** Whom it has written to or heard from; read only above presenceEveryone. */
  contacts: AccountSet | null = null;
  /** What the others were told last. */
  announced = false;
  online = true;
  dueTick = 0;
  readonly #presence: Presence;

  constructor(presence: Presence, account: number, name: string, blocks: Blocks) {
    this.#presence = presence;
    this.account = account;
    this.name = name;
    this.blocks = blocks;
  }

  /** It did not come back in time. */
  expire(): void {
    this.#presence.depart(this);
  }
}

interface Change {
  person: Person;
  entry: { account: number; name: string; online: boolean };
}

export interface PresenceOptions {
  wheel: Wheel;
  limits: CenterLimits;
  /** Somebody went offline: to be remembered over a restart. */
  onOffline(account: number): void;
  contacts(account: number): Promise<number[]>;
}

export class Presence {
  readonly #people = new Map<number, Person>();
  /** By account, as they are now. */
  readonly #changed = new Map<number, Person>();
  readonly #options: PresenceOptions;
  readonly #bundle: Timeout = { dueTick: 0, expire: () => this.flush() };

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#people.size;
  }

  isOnline(account: number): boolean {
    return this.#people.has(account);
  }

  /** Everybody online, in the order of arrival. */
  people(): IterableIterator<Person> {
    return this.#people.values();
  }

  person(account: number): Person | undefined {
    return this.#people.get(account);
  }

  /** Somebody who was online when the center stopped: offline only if they do not come back in time. */
  restore(account: number, name: string, blocks: Blocks): void {
    const person = this.#person(account, name, blocks);
    person.announced = true;
    this.#options.wheel.schedule(person, this.#options.limits.startGraceMs);
  }

  /** A session begins. Silent where the account is online already: a resume or a displacement. */
  arrive(listener: Listener): void {
    const { account, name, blocks } = listener;
    const person = this.#people.get(account) ?? this.#person(account, name, blocks);
    this.#options.wheel.cancel(person);
    person.listener = listener;
    person.blocks = blocks;
    this.#change(person);
  }

  /** A session ended: at once by logout, else after a while in which it may resume. */
  leave(listener: Listener, when: 'now' | 'later'): void {
    const person = this.#people.get(listener.account);
    if (!person || person.listener !== listener) return;
    person.listener = null;
    if (when === 'now') this.depart(person);
    else this.#options.wheel.schedule(person, this.#graceMs());
  }

  /** After the center stood still as after a start: peers that gave it up may take as long to come back. */
  #graceMs(): number {
    const { wheel, limits } = this.#options;
    return Math.max(limits.graceMs, limits.startGraceMs - (wheel.nowMs - wheel.stalledAtMs));
  }

  /** The account is gone or banned. */
  remove(account: number): void {
    const person = this.#people.get(account);
    if (person) this.depart(person);
  }

  addContact(one: number, other: number): void {
    this.#people.get(one)?.contacts?.add(other);
    this.#people.get(other)?.contacts?.add(one);
  }

  #person(account: number, name: string, blocks: Blocks): Person {
    const person = new Person(this, account, name, blocks);
    // Gone and back within one bundle: the others need not know.
    const before = this.#changed.get(account);
    if (before) person.announced = before.announced;
    this.#changed.delete(account);
    this.#people.set(account, person);
    return person;
  }

  /** Nobody takes its session up again. */
  depart(person: Person): void {
    this.#options.wheel.cancel(person);
    person.online = false;
    this.#people.delete(person.account);
    this.#options.onOffline(person.account);
    this.#change(person);
  }

  #change(person: Person): void {
    if (person.online === person.announced) {
      this.#changed.delete(person.account);
      return;
    }
    this.#changed.set(person.account, person);
    if (this.#bundle.dueTick === 0) this.#options.wheel.schedule(this.#bundle, this.#options.limits.presenceMs);
  }

  /** Tells everybody what changed since the last time. */
  flush(): void {
    const changes: Change[] = [];
    for (const person of this.#changed.values()) {
      if (person.online === person.announced) continue;
      person.announced = person.online;
      changes.push({ person, entry: { account: person.account, name: person.name, online: person.online } });
    }
    this.#changed.clear();
    if (changes.length === 0) return;
    if (this.#people.size <= this.#options.limits.presenceEveryone) return this.#tellEverybody(changes);
    const unread = changes.filter(({ person }) => !person.contacts);
    this.#tellContacts(changes.filter(({ person }) => person.contacts));
    if (unread.length > 0)
      void Promise.all(unread.map((change) => this.#readContacts(change.person))).then(() =>
        this.#tellContacts(unread),
      );
  }

  /** Whoever came while everybody heard of everybody has contacts that nobody asked for until now. */
  async #readContacts(person: Person): Promise<void> {
    const contacts = await this.#options.contacts(person.account).catch(() => []);
    person.contacts ??= new AccountSet(contacts);
  }

  #tellEverybody(changes: Change[]): void {
    const common = frames(changes);
    const changed = new Set(changes.map(({ person }) => person.account));
    const anyBlocks = changes.some(({ person }) => person.blocks.size > 0);
    for (const { listener, account, blocks } of this.#people.values()) {
      if (!listener) continue;
      const special = changed.has(account) || blocks.size > 0 || anyBlocks;
      for (const frame of special ? frames(changes.filter((change) => visible(change, listener))) : common) {
        listener.notice(frame);
      }
    }
  }

  #tellContacts(changes: Change[]): void {
    const heard = new Map<Listener, Change[]>();
    for (const change of changes) {
      for (const contact of change.person.contacts?.values() ?? []) {
        const listener = this.#people.get(contact)?.listener;
        if (!listener || !visible(change, listener)) continue;
        const list = heard.get(listener);
        if (list) list.push(change);
        else heard.set(listener, [change]);
      }
    }
    for (const [listener, list] of heard) for (const frame of frames(list)) listener.notice(frame);
  }
}

function visible({ person }: Change, listener: Listener): boolean {
  if (person.account === listener.account) return false;
  return !person.blocks.has(listener.account) && !listener.blocks.has(person.account);
}

function frames(changes: Change[]): Buffer[] {
  const bytes: Buffer[] = [];
  for (let i = 0; i < changes.length; i += maxChangesPerFrame) {
    const entries = changes.slice(i, i + maxChangesPerFrame).map(({ entry }) => entry);
    bytes.push(encodeFrame({ presence: { changes: entries } }));
  }
  return bytes;
}
