// What all mailboxes work with.
import type { ChunkPool } from '../chunks.ts';
import type { Store } from '../store/store.ts';
import type { Flow } from './outbox.ts';
import type { Receipts } from './receipts.ts';
import type { Schedule } from './schedule.ts';

export interface Office {
  readonly store: Store;
  readonly pool: ChunkPool;
  readonly receipts: Receipts;
  readonly schedule: Schedule;
  /** Bytes in all mailboxes on disk. */
  storedBytes: number;
  /** The center's time, read once a turn. */
  readonly receivedAtMs: number;
  /** The flow of a message that was read back from the store; its outbox id is in these bytes, from start to end. */
  flowOf(sender: number, bytes: Buffer, start: number, end: number, recipient: number): Flow;
  /** The flow knows its recipient's mailbox, and has to forget it when that leaves memory. */
  adopted(flow: Flow): void;
  /** The store did not take something. */
  storeFailed(error: unknown): void;
  /** A mailbox could not be read back; it is tried again later. */
  readFailed(account: number, error: unknown, again: () => void): void;
  /** Nobody will ever read this mailbox: it leaves memory. */
  vanished(mailbox: { readonly account: number }): void;
}
