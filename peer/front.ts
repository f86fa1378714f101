// What every front end of a peer does alike: signing in, keeping count of what is under way, ending.
import { type ErrorCode, ParleyError } from '../shared/errors.ts';
import { checkName, checkPassword } from '../shared/names.ts';
import type { PeerApi } from './api.ts';
import type { Question, Reply } from './command.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import { CommandError } from './fields.ts';

/** How the program ends; --help tells them. */
export const exitCodes = {
  done: 0,
  undelivered: 1,
  signIn: 2,
  unreachable: 3,
  displaced: 4,
  crashed: 70,
} as const;

/** What to wait for before leaving. */
export type WaitFor = 'accepted' | 'stored' | 'none';

/** What the command line says about signing in. */
export interface SignInOptions {
  user: string | null;
  password: string | null;
  register: boolean;
  invite: string | null;
  /** Use the token of an earlier session instead of a password. */
  resume: boolean;
}

export type SignIn =
  | { how: 'login'; name: string; password: string }
  | { how: 'register'; name: string; password: string; invite: string | null }
  | { how: 'resume'; name: string };

type Ask = (question: Question) => Promise<string | null>;

/**
 * Asks for what the options leave open. Resolves with null where the input ended or somebody typed quit; rejects with
 * ParleyError (bad_name, bad_password) or CommandError where what was given cannot be right: nothing was sent then.
 */
export async function askSignIn(options: SignInOptions, ask: Ask): Promise<SignIn | null> {
  let register = options.register;
  let name = options.user;
  while (name === null) {
    const typed = await ask({ prompt: 'Username: ', secret: false });
    if (typed === null) return null;
    const word = typed.trim();
    if (word === 'quit' || word === '/quit') return null;
    if (word === 'register' || word === '/register') register = true;
    else name = word;
  }
  checkName(name);
  if (options.resume) return { how: 'resume', name };
  const password = options.password ?? (await ask({ prompt: 'Password: ', secret: true }));
  if (password === null) return null;
  if (!register) return { how: 'login', name, password };
  checkPassword(password);
  if (options.password === null) {
    const again = await ask({ prompt: 'Password again: ', secret: true });
    if (again === null) return null;
    if (again !== password) throw new CommandError('The two passwords differ; nothing was registered.');
  }
  return { how: 'register', name, password, invite: options.invite };
}

/** Connects and signs in. Rejects with what the center or the connection refused. */
export function signIn(peer: PeerApi, how: SignIn): Promise<void> {
  switch (how.how) {
    case 'login':
      return peer.login(how.name, how.password);
    case 'register':
      return how.invite === null
        ? peer.register(how.name, how.password)
        : peer.register(how.name, how.password, how.invite);
    case 'resume':
      return peer.resume(how.name);
  }
}

const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'bad_name',
  'bad_password',
  'name_taken',
  'registration_closed',
  'invite_needed',
  'bad_credentials',
  'locked',
  'suspended',
  'banned',
  'bad_token',
  'account_deleted',
  'logged_out',
  'password_changed',
  'displaced',
  'bad_address',
  'bad_data',
]);

/** True where the center said no, or what was given cannot be used; false where the center could not be asked. */
export function isRefusal(error: unknown): boolean {
  return error instanceof CommandError || (error instanceof ParleyError && refusals.has(error.code));
}

/** Names that Tab completes are kept up to here, the newest. */
export const maxKnownNames = 2_000;
/** Undelivered messages are all counted, and kept up to here to be named. */
export const maxKeptFailures = 100;

/** What is under way in one session. Takes events and replies in; does nothing by itself. */
export class Conversation {
  readonly #pending = new Map<number, OutgoingMessage>();
  /** Answered before the reply to `message` came: ids only rise, so that few are ever kept. */
  readonly #early = new Set<number>();
  readonly #storedFirst = new Set<number>();
  readonly #unstored = new Map<number, OutgoingMessage>();
  readonly #delayed = new Map<number, ErrorCode>();
  readonly #cancelled = new Set<number>();
  readonly #names = new Set<string>();
  readonly #keepUnstored: boolean;
  #expected = 0;
  #holds: boolean;
  #undelivered = 0;
  #progress = 0;

  /** keepUnstored: somebody will wait until all is stored. */
  constructor(options: { holds: boolean; keepUnstored: boolean; outbox?: readonly OutgoingMessage[] }) {
    this.#holds = options.holds;
    this.#keepUnstored = options.keepUnstored;
    for (const message of options.outbox ?? []) this.#pending.set(message.id, message);
  }

  /** Not yet accepted, oldest first. */
  get pending(): OutgoingMessage[] {
    return [...this.#pending.values()];
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** The oldest of them. */
  firstPending(limit: number): OutgoingMessage[] {
    const first: OutgoingMessage[] = [];
    for (const message of this.#pending.values()) {
      if (first.length === limit) break;
      first.push(message);
    }
    return first;
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
    return this.#pending.size === 0 && this.#expected === 0 && (wait === 'accepted' || this.#unstored.size === 0);
  }

  /** A message is safe in the outbox. True where it now waits to be accepted. */
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
        this.sent(reply.message);
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
        this.#resolve(event.message.id);
        return !this.#storedFirst.delete(event.message.id);
      case 'stored':
        this.#progress += 1;
        this.#unstored.delete(event.message.id);
        if (this.#pending.has(event.message.id)) {
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
        if (event.message.waited && this.#expected > 0) this.#expected -= 1;
        this.meet(event.message.from);
        return true;
      case 'broadcast':
        this.meet(event.from);
        return true;
      case 'presence':
        this.meet(event.name);
        return true;
      case 'reconnected':
        this.#progress += 1;
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
    this.#delayed.delete(id);
  }
}
