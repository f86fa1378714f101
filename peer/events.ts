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
  /** Something the user should read: warnings, offers. */
  | { type: 'notice'; text: string };
