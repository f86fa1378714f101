// What a mailbox has delivered to the live connection of its account, and how much more may be: a slow peer holds back
// its own queue, not the center's memory.
import type { Chunk } from '../chunks.ts';
import type { Entry } from './entry.ts';
import { Queue } from './queue.ts';

/** The live connection of the account. */
export interface Recipient {
  reserve(bytes: number): Chunk;
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** Held mail: how many wait now. Called when one arrives that is not delivered. */
  waiting(count: number): void;
}

export class Window {
  /** All up to here is stored by the peer. */
  ackedTo: number;
  /** All up to here was delivered. */
  deliveredTo: number;
  #recipient: Recipient | null = null;
  /** How many may still be delivered: without end, but under hold. */
  #allowance = 0;
  /** Delivered, not acknowledged. */
  readonly #entries = new Queue<Entry>();
  #bytes = 0;

  constructor(ackedTo: number) {
    this.ackedTo = ackedTo;
    this.deliveredTo = ackedTo;
  }

  get recipient(): Recipient | null {
    return this.#recipient;
  }

  /** How many are delivered and not acknowledged. */
  get length(): number {
    return this.#entries.length;
  }

  /** Counted from the oldest. */
  at(index: number): Entry | undefined {
    return this.#entries.at(index);
  }

  attach(recipient: Recipient, hold: boolean): void {
    this.#recipient = recipient;
    this.hold(hold);
  }

  /** Returns what the connection had not acknowledged: it counts as not delivered. */
  detach(): Entry[] {
    this.#recipient = null;
    this.deliveredTo = this.ackedTo;
    return this.takeAll();
  }

  /** Nothing more is delivered, or all of it. */
  hold(on: boolean): void {
    this.#allowance = on ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Lets so many more through a hold. */
  allow(count: number): void {
    this.#allowance += count;
  }

  /** How many were let through a hold and have not come; 0 where there is none. */
  get letThrough(): number {
    return Number.isFinite(this.#allowance) ? this.#allowance : 0;
  }

  get isHeld(): boolean {
    return this.#allowance <= 0;
  }

  get hasRoom(): boolean {
    const recipient = this.#recipient;
    return (
      recipient !== null &&
      this.#allowance > 0 &&
      this.#entries.length < recipient.windowMessages &&
      this.#bytes < recipient.windowBytes
    );
  }

  /** Gives the recipient this one. */
  deliver(entry: Entry): void {
    this.write(entry.chunk!.buffer, entry.start, entry.start + entry.bytes);
    this.push(entry);
  }

  /** The recipient's output has this one's frame. */
  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    entry.flow.outbox.inWindow++;
    this.deliveredTo = entry.position;
    this.#allowance--;
  }

  /** Takes the oldest one out, if it is not after this position. */
  shift(upTo: number): Entry | undefined {
    const entry = this.#entries.peek();
    if (!entry || entry.position > upTo) return undefined;
    this.#entries.shift();
    this.#bytes -= entry.bytes;
    entry.flow.outbox.inWindow--;
    return entry;
  }

  takeAll(): Entry[] {
    const entries = [...this.#entries];
    this.#entries.clear();
    this.#bytes = 0;
    for (const { flow } of entries) flow.outbox.inWindow--;
    return entries;
  }

  /** Room in the recipient's output, for the frame of an entry that is pushed next. */
  reserve(bytes: number): Chunk {
    return this.#recipient!.reserve(bytes);
  }

  /** Copies frames into the recipient's output; a chunk may end within one. */
  write(source: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const chunk = this.#recipient!.reserve(1);
      const size = Math.min(end - at, chunk.buffer.length - chunk.used);
      chunk.buffer.set(source.subarray(at, at + size), chunk.used);
      chunk.used += size;
      at += size;
    }
  }
}
