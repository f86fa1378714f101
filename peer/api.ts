// The shape of a peer, for the front ends: peer.ts keeps it.
import type { Arrival } from './arrivals.ts';
import type { Consent, HistoryLine, LinkInfo, OutgoingMessage, PeerEvent, Person } from './events.ts';

export interface PeerOptions {
  /** Where the center is. */
  host: string;
  port: number;
  /** Everything the peer keeps is under here; default: XDG data directory. */
  dataDir?: string;
  /** false: outbox and history in memory only. */
  history?: boolean;
  /** Pin this fingerprint instead of trusting the first contact. */
  fingerprint?: string;
  /** PEM of a certificate authority: the center must also show a certificate of it. */
  ca?: string;
  /** No TLS; loopback addresses only. */
  plain?: boolean;
  /** The peer's own address; port 0 takes a free one. */
  listen?: { host: string; port: number };
  /** Begin with delivery held back. */
  hold?: boolean;
  /**
   * Whether what listeners and readers have taken has arrived where it is shown: messages count as shown only then. Those
   * that never arrive come again with the next session.
   */
  arrival?: Arrival;
  /** Ends the peer as close() does. */
  signal?: AbortSignal;
}

export interface SendOptions {
  /** When the promise resolves: safe in the outbox, accepted (default) or stored. Rejects with a ParleyError when it fails for good. */
  until?: 'outbox' | 'accepted' | 'stored';
  /** Stops the waiting, not the message. */
  signal?: AbortSignal;
}

export interface PrivateOptions {
  /** When the promise resolves: safe in the outbox, or stored by the other side (default). */
  until?: 'outbox' | 'stored';
  /** Stops the waiting, not the message. */
  signal?: AbortSignal;
}

/** Everything that a program can do as a user. All promises reject with ParleyError. */
export interface PeerApi {
  readonly state: 'offline' | 'connecting' | 'online' | 'ended';
  /** The name logged in as, or null. */
  readonly name: string | null;
  /** The port the peer listens on, 0 before login or without one. */
  readonly port: number;
  register(name: string, password: string, invite?: string): Promise<void>;
  login(name: string, password: string): Promise<void>;
  /** With the token kept from an earlier session. */
  resume(name: string): Promise<void>;
  on(listener: (event: PeerEvent) => void): () => void;
  /** Each event as it comes; messages are flagged shown when the next one is asked for. Ends with the session. */
  events(signal?: AbortSignal): AsyncIterableIterator<PeerEvent>;
  /** Only the messages. */
  messages(signal?: AbortSignal): AsyncIterableIterator<import('./events.ts').IncomingMessage>;
  send(to: string, text: string, options?: SendOptions): Promise<OutgoingMessage>;
  /** Resolves with how many sessions it was handed to, and how many were left out. */
  broadcast(text: string): Promise<{ handed: number; leftOut: number }>;
  online(): AsyncIterableIterator<Person>;
  users(pattern: string): AsyncIterableIterator<Person>;
  /**
   * later: the center is away and hears of it when it is back, after a restart of the peer too; a link ends at once, and
   * none is made meanwhile.
   */
  block(name: string): Promise<{ later: boolean }>;
  /** later: as of block. */
  unblock(name: string): Promise<{ later: boolean }>;
  blocked(): AsyncIterableIterator<Person>;
  /** Asks somebody for their address; they hear of it now or at their next login. */
  getAddress(name: string): Promise<void>;
  /** Lets somebody reach this peer directly, for a day unless told otherwise; both are introduced. */
  allow(name: string, options?: { forMs?: number; once?: boolean }): Promise<void>;
  /** Answers a request with no; the other is not told, and a further one is silent for a day. */
  deny(name: string): Promise<void>;
  /** Ends the consent between the two, whoever gave it, and the link. later: as of block. */
  revoke(name: string): Promise<{ later: boolean }>;
  consents(): AsyncIterableIterator<Consent>;
  /** Over a private link only; it waits in the outbox until there is one. */
  private(to: string, text: string, options?: PrivateOptions): Promise<OutgoingMessage>;
  /** Links that are up. */
  links(): LinkInfo[];
  /** In words: the route in use, what was tried before it, what would help. Throws no_consent. */
  why(name: string): string[];
  /** Both sides get the event `verify` with six digits to compare. Throws disconnected, no_consent. */
  verify(name: string): void;
  /** The digits were compared and are the same: the key counts as verified. */
  confirmVerified(name: string): void;
  /** Accepts the new key of an account that uses a new machine. */
  trust(name: string): void;
  /** Forgets the keys of an account: nothing is linked until trust. */
  untrust(name: string): void;
  /** Not yet accepted, oldest first. */
  outbox(): OutgoingMessage[];
  /** Withdraws a pending message; rejects with already_accepted where the center has it. */
  cancel(id: number): Promise<OutgoingMessage>;
  /** Newest last; with: only with this account; before: rows before this one. */
  history(query?: { with?: string; limit?: number; before?: number }): HistoryLine[];
  hold(on: boolean): Promise<{ waiting: number }>;
  /** Delivers what waits (under hold); resolves with how many will come. */
  inbox(limit?: number): Promise<{ coming: number }>;
  passwd(oldPassword: string, newPassword: string): Promise<void>;
  /** Closes the account; resolves when the mailbox is empty and it is gone. Refuses while the outbox holds anything unless discardOutbox. */
  deleteAccount(password: string, options?: { discardOutbox?: boolean }): Promise<void>;
  /** Ends the session and its token. */
  logout(): Promise<void>;
  /** Goes offline at once; the token stays good for resume. */
  close(): Promise<void>;
}
