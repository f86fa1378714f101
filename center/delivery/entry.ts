// A message in its recipient's mailbox for as long as it is in memory, and what becomes of it for its sender.
import type { Chunk } from '../chunks.ts';
import type { Office } from './office.ts';
import { type Flow, type RefusalCode, refuse } from './outbox.ts';

/** A class: V8 keeps literals that once lived long among the old objects from then on, and those are dear to collect. */
export class Entry {
  readonly position: number;
  readonly flow: Flow;
  readonly number: number;
  /** The flow's `placed` before this one. */
  readonly before: number;
  /** Of its frame, from `start` on. */
  readonly bytes: number;
  /** Holds the frame until it is committed or stored; null when the disk has it. */
  chunk: Chunk | null;
  readonly start: number;

  constructor(
    position: number,
    flow: Flow,
    number: number,
    before: number,
    bytes: number,
    chunk: Chunk | null,
    start: number,
  ) {
    this.position = position;
    this.flow = flow;
    this.number = number;
    this.before = before;
    this.bytes = bytes;
    this.chunk = chunk;
    this.start = start;
  }
}

/** The recipient's peer has stored it. */
export function storeEntry(entry: Entry, office: Office): void {
  const { flow, number } = entry;
  if (number > flow.placed) flow.placed = number;
  if (number > flow.accepted) flow.accepted = number;
  if (number > flow.stored) flow.stored = number;
  if (entry.chunk) resolve(entry, office);
  office.receipts.tell(flow);
}

/** It is committed. */
export function acceptEntry(entry: Entry, office: Office): void {
  const { flow, number } = entry;
  if (number > flow.accepted) flow.accepted = number;
  resolve(entry, office);
  office.receipts.tell(flow);
}

/** It was neither committed nor stored, and will not be: it has no place any more. */
export function refuseEntry(entry: Entry, code: RefusalCode, office: Office): void {
  const { flow } = entry;
  resolve(entry, office);
  if (!refuse(flow, entry.number, code)) return;
  flow.placed = entry.before;
  flow.marked = Math.min(flow.marked, flow.placed);
}

function resolve(entry: Entry, { pool }: Office): void {
  pool.release(entry.chunk!);
  entry.chunk = null;
  entry.flow.outbox.resolved(entry.bytes);
}
