// What a peer tells whoever runs it (terminal, pipe, a bot): one union of events, and the shapes in them.
import type { ErrorCode } from '../shared/errors.ts';

/** A message as it came; text is already safe to show (newlines are its only control characters). */
export interface IncomingMessage {
  /** Row in the history; 0 without history. */
  row: number;
  from: string;
  fromAccount: number;
  text: string;
  sentAtMs: number;
  /** The center's time. */
  receivedAtMs: number;
  /** It waited in the mailbox before this login. */
  waited: boolean;
  /** It may have been shown before: the peer died between showing and noting that. */
  again: boolean;
  /** It came over a private link. */
  private: boolean;
}

/** A message of one's own. */
export interface OutgoingMessage {
  /** What `outbox` shows and `cancel` takes; rises, never used again. */
  id: number;
  to: string;
  text: string;
  createdAtMs: number;
  /**
   * pending: not yet answered by the center (in the outbox). accepted, stored: DESIGN's promises.
   * failed: refused for good, cancelled, or undeliverable. */
  state: 'pending' | 'accepted' | 'stored' | 'failed';
  /** Why it is pending or failed, in words; empty if there is nothing to say. */
  reason: string;
  /** It goes over a private link only: pending until the other side has stored it. */
  private: boolean;
}

export interface HistoryLine {
  row: number;
  /** The other account's name. */
  with: string;
  direction: 'in' | 'out';
  text: string;
  atMs: number;
  /** For `out`. */
  state: OutgoingMessage['state'] | null;
  /** Where it failed, why: `cancelled` where it was withdrawn. Else empty. */
  reason: string;
  private: boolean;
}

/** How a private link goes. All but relayed are machine to machine. */
export type LinkRoute = 'direct' | 'dialled back' | 'punched' | 'relayed';

export interface LinkInfo {
  name: string;
  route: LinkRoute;
  /** Its key was compared (verify). */
  verified: boolean;
  sinceMs: number;
  /** Address and port of the other end; empty if relayed. */
  where: string;
  /** Of the last ping; null before there was one. */
  roundTripMs: number | null;
}

/** The other may be reached directly, or may reach this account. */
export interface Consent {
  name: string;
  /** By this account; else by the other one. */
  given: boolean;
  untilMs: number;
  /** Until either logs out or quits. */
  once: boolean;
}

export interface Person {
  name: string;
  online: boolean;
}

export type PeerEvent =
  /** First contact with this center: its fingerprint is now pinned. */
  | { type: 'pinned'; fingerprint: string }
  | { type: 'welcome'; name: string; account: number }
  /** Comes right after welcome when mail waited. */
  | { type: 'waiting'; count: number }
  /** So many that waited were here already, from an earlier session that could not say so: they are not shown twice. */
  | { type: 'repeated'; count: number }
  | { type: 'message'; message: IncomingMessage }
  | { type: 'broadcast'; from: string; text: string; sentAtMs: number }
  | { type: 'accepted'; message: OutgoingMessage }
  | { type: 'stored'; message: OutgoingMessage }
  /** Refused for good, undeliverable or expired. */
  | { type: 'failed'; message: OutgoingMessage; code: ErrorCode }
  /** Refused for now: it stays in the outbox and is tried again. */
  | { type: 'delayed'; message: OutgoingMessage; code: ErrorCode; retryAfterMs: number }
  | { type: 'presence'; name: string; online: boolean }
  /** unsent: how many wait in the outbox. */
  | { type: 'disconnected'; unsent: number; reason: string }
  | { type: 'reconnected' }
  /** The session is over and does not come back by itself. */
  | { type: 'ended'; code: ErrorCode; text: string; unsent: number }
  /** Somebody asks for this account's address: allow or deny it. */
  | { type: 'address_request'; from: string }
  /** A consent was just given: a private link can come up. */
  | { type: 'introduced'; name: string }
  /** A consent is over; own: this user has ended it. The same is told once, by whichever way it came to be known. */
  | { type: 'consent_ended'; name: string; own: boolean; code: ErrorCode; reason: string }
  /** reason: a sentence, where it is down. */
  | { type: 'link'; name: string; state: 'up' | 'moved' | 'down'; route: LinkRoute; reason?: string }
  /** Both sides see these digits: compare them by another way. */
  | { type: 'verify'; name: string; digits: string }
  /** Something the user should read: warnings, offers. */
  | { type: 'notice'; text: string };
