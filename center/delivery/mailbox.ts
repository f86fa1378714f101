// One account's queue, in memory: every message takes its place at the end and leaves from the head.
//
//   ackedTo …… deliveredTo …… onDiskTo …… tail …… next
//        window         on disk only
//
// window: delivered, not acknowledged. tail: arrived, not delivered, not yet committed. What is committed and not
// delivered stays on disk and is read back. Nothing is delivered from the tail while something before it is on disk.
import { AccountSet } from '../account-set.ts';
import type { Chunk } from '../chunks.ts';
import { type AppendRun, type MailboxRun, type MailboxState, type Mark, StoreError } from '../store/store.ts';
import { deliverRoom, readDeliver, writeDeliver } from './codec.ts';
import type { Mail } from './mail.ts';
import type { Flow, RefusalCode, Usage } from './outbox.ts';
import { Queue } from './queue.ts';

const lengthBytes = 4;
/** A run in the store holds at most so much; what is over goes into the next one. */
const maxRunMessages = 8192;
const maxRunBytes = 1_048_576;
/** Positions reserved ahead in the store, and how few may be left before more are. */
const reserveAhead = 65_536;
const reserveAt = 32_768;

interface Entry {
  readonly position: number;
  readonly flow: Flow;
  readonly number: number;
  /** The flow's `placed` before this one. */
  readonly before: number;
  readonly bytes: number;
  /** Holds the frame until it is committed or stored; null when the disk has it. */
  chunk: Chunk | null;
  readonly start: number;
}

/** The live connection of the account. */
export interface Recipient {
  reserve(bytes: number): Chunk;
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** Held mail: how many wait now. Called when one arrives that is not delivered. */
  waiting(count: number): void;
}

export type MailboxStateName = 'open' | 'closing' | 'gone';

export class Mailbox {
  readonly account: number;
  readonly blocks: AccountSet;
  /** open: takes mail. closing: the account is being deleted, it drains. gone: forgotten, or taken out of memory. */
  state: MailboxStateName = 'open';
  count: number;
  bytes: number;
  /** When something last happened, by the wheel. */
  usedAtMs = 0;
  commitsNow = false;
  commitsSoon = false;
  savesSoon = false;
  /** Connections that are logged in to the account: it stays in memory for them. */
  sessions = 0;
  whenEmpty: (() => void) | null = null;

  readonly #mail: Mail;
  readonly #window = new Queue<Entry>();
  #windowBytes = 0;
  readonly #tail = new Queue<Entry>();
  #tailChunk: Chunk | null = null;
  /** Marks to give to the store. */
  #unsaved: Flow[] | null = null;
  #usages: Map<number, Usage> | null = null;
  #recipient: Recipient | null = null;
  #generation: number;
  /** How many may still be delivered: without end, but under hold. */
  #allowance = 0;
  #ackedTo: number;
  #deliveredTo: number;
  #onDiskTo: number;
  #postedTo: number;
  #advancedTo: number;
  #next: number;
  /** Delivered before the last look at what is due. */
  #dueTo = 0;
  #reservedTo: number;
  #committing = false;
  /** A commit was due while another was on its way. */
  #commitDue = false;
  #saving = false;
  /** Runs read and not yet delivered; the place in the first. */
  #readAhead: MailboxRun[] | null = null;
  #readAt = 0;
  #reading = false;
  /** Rises when a recipient comes or goes: what was read for the one before is not for the next. */
  #epoch = 0;

  constructor(account: number, saved: MailboxState, mail: Mail) {
    this.account = account;
    this.#mail = mail;
    this.blocks = new AccountSet(saved.blocks);
    this.count = saved.count;
    this.bytes = saved.bytes;
    for (const { sender, count, bytes } of saved.senders) Object.assign(this.usage(sender), { count, bytes });
    this.#generation = saved.generation;
    this.#next = saved.next;
    this.#reservedTo = saved.reservedTo;
    this.#ackedTo = saved.ackedTo;
    this.#deliveredTo = saved.ackedTo;
    this.#advancedTo = saved.ackedTo;
    this.#postedTo = saved.next - 1;
    this.#onDiskTo = saved.count > 0 ? saved.next - 1 : saved.ackedTo;
  }

  get attached(): boolean {
    return this.#recipient !== null;
  }

  /** Nothing here is needed in memory. */
  get idle(): boolean {
    return this.sessions === 0 && !this.#recipient && this.saved;
  }

  /** The store has all of it. */
  get saved(): boolean {
    return this.settled && !this.#saving && !this.#hasProgress;
  }

  /** All that has a place is committed or stored. */
  get settled(): boolean {
    return this.#tail.length === 0 && !this.#committing && this.#firstUncommitted() === this.#window.length;
  }

  /** There is something that the store has not been told. */
  get #hasProgress(): boolean {
    return this.#unsaved !== null || this.#ackedTo > this.#advancedTo;
  }

  usage(sender: number): Usage {
    this.#usages ??= new Map();
    let usage = this.#usages.get(sender);
    if (!usage) {
      usage = { count: 0, bytes: 0 };
      this.#usages.set(sender, usage);
    }
    return usage;
  }

  // --- arriving -----------------------------------------------------------------------------------

  /** Gives the message the next place; delivers it at once if nothing is before it and the peer has room. */
  place(flow: Flow, number: number, source: Buffer, tailStart: number, tailEnd: number): void {
    const position = this.#next++;
    const direct = this.#isDirect(position);
    const prefix = flow.outbox.prefix;
    const room = deliverRoom(prefix, tailEnd - tailStart);
    const chunk = direct ? this.#recipient!.reserve(room) : this.#reserveTail(room);
    const start = chunk.used;
    const { receivedAtMs } = this.#mail;
    chunk.used = writeDeliver(chunk.buffer, start, position, prefix, receivedAtMs, source, tailStart, tailEnd);
    this.#queue(flow, number, position, chunk, start, direct);
  }

  /** As place, for a frame of the center's own: a notice in the place of a message. */
  placeFrame(flow: Flow, number: number, encode: (position: number) => Buffer): void {
    this.#take(flow);
    const position = this.#next++;
    const frame = encode(position);
    const direct = this.#isDirect(position);
    const chunk = direct ? this.#recipient!.reserve(frame.length) : this.#reserveTail(frame.length);
    const start = chunk.used;
    chunk.buffer.set(frame, start);
    chunk.used += frame.length;
    this.#queue(flow, number, position, chunk, start, direct);
  }

  #isDirect(position: number): boolean {
    if (this.#tail.length > 0 || this.#onDiskTo > this.#deliveredTo) return false;
    return position < this.#reservedTo && this.#hasRoom();
  }

  #queue(flow: Flow, number: number, position: number, chunk: Chunk, start: number, direct: boolean): void {
    const bytes = chunk.used - start;
    chunk.refs++;
    const entry: Entry = { position, flow, number, before: flow.placed, bytes, chunk, start };
    flow.placed = number;
    flow.outbox.unresolvedMessages++;
    flow.outbox.unresolvedBytes += bytes;
    this.count++;
    this.bytes += bytes;
    flow.usage ??= this.usage(flow.outbox.sender);
    flow.usage.count++;
    flow.usage.bytes += bytes;
    if (direct) {
      this.#toWindow(entry);
      this.#mail.schedule.commitSoon(this);
    } else {
      this.#tail.push(entry);
      this.#mail.schedule.commitNow(this);
      if (this.#recipient && this.#allowance <= 0) this.#recipient.waiting(this.count);
    }
  }

  #reserveTail(bytes: number): Chunk {
    const chunk = this.#tailChunk;
    if (chunk && chunk.buffer.length - chunk.used >= bytes) return chunk;
    this.#releaseTailChunk();
    this.#tailChunk = this.#mail.pool.take(bytes);
    return this.#tailChunk;
  }

  #releaseTailChunk(): void {
    if (this.#tailChunk) this.#mail.pool.release(this.#tailChunk);
    this.#tailChunk = null;
  }

  // --- delivering ---------------------------------------------------------------------------------

  /** Delivers to this connection from the head on. hold: nothing until fetch. */
  attach(recipient: Recipient, generation: number, hold: boolean): void {
    this.detach();
    this.#recipient = recipient;
    this.setGeneration(generation);
    this.#allowance = hold ? 0 : Number.POSITIVE_INFINITY;
    this.#fill();
  }

  /** The connection is gone: what it had not acknowledged waits for the next one. */
  detach(): void {
    if (!this.#recipient) return;
    this.#recipient = null;
    this.#epoch++;
    const uncommitted: Entry[] = [];
    for (const entry of this.#window) {
      entry.flow.outbox.inWindow--;
      if (entry.chunk) uncommitted.push(entry);
      else this.#onDiskTo = Math.max(this.#onDiskTo, entry.position);
    }
    this.#readAhead = null;
    this.#window.clear();
    this.#windowBytes = 0;
    this.#tail.unshift(uncommitted);
    this.#deliveredTo = this.#ackedTo;
    if (uncommitted.length > 0) this.#mail.schedule.commitNow(this);
    this.reopen();
    this.whenEmpty = null;
  }

  /** A mailbox that drains holds nothing back. */
  setHold(hold: boolean): void {
    this.#allowance = hold && this.state === 'open' ? 0 : Number.POSITIVE_INFINITY;
    this.#fill();
  }

  /** A login or a change of password came: what is stored from now on is stored by that session. */
  setGeneration(generation: number): void {
    this.#generation = Math.max(this.#generation, generation);
  }

  /** How many are neither delivered nor let through; at most limit, unless that is 0. */
  waiting(limit: number): number {
    const letThrough = Number.isFinite(this.#allowance) ? this.#allowance : 0;
    const waiting = Math.max(0, this.count - this.#window.length - letThrough);
    return limit > 0 ? Math.min(limit, waiting) : waiting;
  }

  /** Lets so many more through a hold. */
  fetch(count: number): void {
    this.#allowance += count;
    this.#fill();
  }

  /** Takes no more mail until the connection goes or reopen is called. */
  close(): void {
    if (this.state === 'open') this.state = 'closing';
  }

  reopen(): void {
    if (this.state === 'closing') this.state = 'open';
  }

  /** Stops taking mail and lets everything out; empty is called once when nothing is left anywhere. */
  drain(empty: () => void): void {
    this.close();
    this.whenEmpty = empty;
    this.setHold(false);
    this.#checkEmpty();
  }

  #hasRoom(): boolean {
    const recipient = this.#recipient;
    return (
      recipient !== null &&
      this.#allowance > 0 &&
      this.#window.length < recipient.windowMessages &&
      this.#windowBytes < recipient.windowBytes
    );
  }

  #toWindow(entry: Entry): void {
    this.#window.push(entry);
    this.#windowBytes += entry.bytes;
    entry.flow.outbox.inWindow++;
    this.#deliveredTo = entry.position;
    this.#allowance--;
  }

  /** Copies frames into the connection's output; a chunk may end within one. */
  #write(source: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const chunk = this.#recipient!.reserve(1);
      const size = Math.min(end - at, chunk.buffer.length - chunk.used);
      chunk.buffer.set(source.subarray(at, at + size), chunk.used);
      chunk.used += size;
      at += size;
    }
  }

  #fill(): void {
    while (this.#hasRoom()) {
      if (this.#readAhead) this.#deliverRead(this.#readAhead);
      else if (this.#onDiskTo > this.#deliveredTo) {
        if (!this.#reading) void this.#read();
        return;
      } else {
        const entry = this.#tail.peek();
        // Past the reserved positions a restart could give this one twice: it is committed first.
        if (!entry || entry.position >= this.#reservedTo) return;
        this.#tail.shift();
        this.#write(entry.chunk!.buffer, entry.start, entry.start + entry.bytes);
        this.#toWindow(entry);
        if (entry.position > this.#postedTo) this.#mail.schedule.commitSoon(this);
      }
    }
  }

  /** Looks again for what can be delivered: after the store failed to read. */
  retryRead(): void {
    if (this.state !== 'gone') this.#fill();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    const epoch = this.#epoch;
    const upTo = this.#onDiskTo;
    try {
      const runs = await this.#mail.store.read(this.account, this.#deliveredTo, this.#recipient!.windowBytes);
      if (epoch === this.#epoch) {
        this.#readAhead = runs.length > 0 ? runs : null;
        this.#readAt = 0;
        // Positions of refused messages leave holes: nothing there is also an answer.
        if (runs.length === 0) this.#deliveredTo = upTo;
      }
      this.#reading = false;
      if (this.#recipient) this.#fill();
    } catch (error) {
      this.#reading = false;
      this.#mail.readFailed(this, error);
    }
  }

  /** Delivers from the runs that were read until they end or the window is full. */
  #deliverRead(runs: MailboxRun[]): void {
    const run = runs[0]!;
    const frames = Buffer.from(run.frames.buffer, run.frames.byteOffset, run.frames.byteLength);
    // What lies together goes out together.
    let stretch = this.#readAt;
    while (this.#readAt < frames.length && this.#hasRoom()) {
      const start = this.#readAt;
      const end = start + lengthBytes + frames.readUInt32BE(start);
      this.#readAt = end;
      const view = readDeliver(frames, start + lengthBytes, end);
      if (view.position <= this.#deliveredTo) {
        stretch = end;
        continue;
      }
      if (view.position > this.#onDiskTo) {
        // A commit was overtaken by this read: what it wrote is still in the tail, and delivered from there.
        this.#write(frames, stretch, start);
        this.#readAhead = null;
        this.#readAt = 0;
        this.#deliveredTo = this.#onDiskTo;
        return;
      }
      const flow = this.#mail.flowOf(view.from, frames, view.outboxStart, view.outboxEnd, this.account);
      this.#take(flow);
      const { position, number } = view;
      this.#toWindow({ position, flow, number, before: 0, bytes: end - start, chunk: null, start: 0 });
    }
    this.#write(frames, stretch, this.#readAt);
    if (this.#readAt < frames.length) return;
    this.#deliveredTo = Math.max(this.#deliveredTo, Math.min(run.last, this.#onDiskTo));
    runs.shift();
    if (runs.length === 0) this.#readAhead = null;
    this.#readAt = 0;
  }

  /** The flow may know this account's mailbox as it was in memory before. */
  #take(flow: Flow): void {
    if (flow.mailbox === this) return;
    flow.mailbox = this;
    flow.usage = null;
  }

  // --- acknowledged -------------------------------------------------------------------------------

  /** The peer has stored all up to this position. */
  acknowledge(position: number): void {
    const upTo = Math.min(position, this.#deliveredTo);
    if (upTo <= this.#ackedTo) return;
    const ackedBefore = this.#ackedTo;
    let onDisk = false;
    for (let entry = this.#window.peek(); entry && entry.position <= upTo; entry = this.#window.peek()) {
      this.#window.shift();
      this.#windowBytes -= entry.bytes;
      const flow = entry.flow;
      flow.outbox.inWindow--;
      if (entry.position <= this.#postedTo) {
        onDisk = true;
        this.#mail.storedBytes -= entry.bytes;
      }
      if (entry.number > flow.placed) flow.placed = entry.number;
      if (entry.number > flow.accepted) flow.accepted = entry.number;
      if (entry.number > flow.stored) flow.stored = entry.number;
      if (entry.chunk) {
        this.#mail.resolved(flow, entry.bytes);
        this.#mail.pool.release(entry.chunk);
        entry.chunk = null;
      }
      this.#mail.receipts.tell(flow);
      this.#markUnsaved(flow);
      this.#forget(flow, entry.bytes);
    }
    this.#ackedTo = upTo;
    if (!onDisk && this.#advancedTo === ackedBefore) this.#advancedTo = upTo;
    this.#mail.schedule.saveSoon(this);
    this.#fill();
    this.#checkEmpty();
  }

  #forget(flow: Flow, bytes: number): void {
    this.count--;
    this.bytes -= bytes;
    const usage = flow.usage ?? this.usage(flow.outbox.sender);
    usage.count--;
    usage.bytes -= bytes;
  }

  #checkEmpty(): void {
    if (!this.whenEmpty || this.count > 0 || this.#committing || this.#saving) return;
    if (this.#hasProgress) return;
    const empty = this.whenEmpty;
    this.whenEmpty = null;
    empty();
  }

  // --- committing ---------------------------------------------------------------------------------

  /** Hands what is neither committed nor stored to the store, in queue order. */
  commit(): void {
    this.#commitUpTo(Number.POSITIVE_INFINITY);
  }

  /**
   * Commits what was delivered before the last call: that had time to be acknowledged, what came since has not.
   * False when nothing is left to wait for.
   */
  commitPatiently(): boolean {
    const due = this.#dueTo;
    this.#dueTo = this.#deliveredTo;
    const oldest = this.#window.at(this.#firstUncommitted());
    if (!oldest) return false;
    if (oldest.position <= due) this.#commitUpTo(due);
    return true;
  }

  #commitUpTo(upTo: number): void {
    if (this.state === 'gone') return;
    if (this.#committing) {
      if (upTo === Number.POSITIVE_INFINITY) this.#commitDue = true;
      return;
    }
    const entries: Entry[] = [];
    let bytes = 0;
    const take = (entry: Entry): boolean => {
      if (entry.position <= this.#postedTo) return true;
      if (entry.position > upTo) return false;
      if (entries.length >= maxRunMessages || bytes >= maxRunBytes) return false;
      entries.push(entry);
      bytes += entry.bytes;
      return true;
    };
    let whole = true;
    for (let i = this.#firstUncommitted(); whole && i < this.#window.length; i++) whole = take(this.#window.at(i)!);
    for (let i = 0; whole && i < this.#tail.length; i++) whole = take(this.#tail.at(i)!);
    if (entries.length === 0) return;
    const before = this.#postedTo;
    this.#postedTo = entries.at(-1)!.position;
    this.#committing = true;
    // What is not due yet is not left over.
    this.#commitDue = !whole && upTo === Number.POSITIVE_INFINITY;
    this.#mail.storedBytes += bytes;
    for (const { flow, number } of entries) {
      if (number > flow.marked) flow.marked = number;
      this.#markUnsaved(flow);
    }
    const { frames, held } = gather(entries, bytes);
    const flows = this.#unsaved ?? [];
    const run: AppendRun = {
      first: entries[0]!.position,
      last: this.#postedTo,
      count: entries.length,
      frames,
      marks: this.#takeMarks((flow) => Math.max(flow.marked, flow.accepted)),
      reservedTo: this.#reservation(),
    };
    // An acknowledgement may come before the store has copied the bytes: they are held until it answers.
    if (held) held.refs++;
    this.#mail.store.append(this.account, run).then(
      (result) => {
        if (held) this.#mail.pool.release(held);
        if (result === 'gone') this.vanish();
        else this.#committed(run);
      },
      (error: unknown) => {
        if (held) this.#mail.pool.release(held);
        this.#failed(before, entries, flows, error);
      },
    );
  }

  #firstUncommitted(): number {
    let index = this.#window.length;
    while (index > 0 && this.#window.at(index - 1)!.position > this.#postedTo) index--;
    return index;
  }

  #reservation(): number {
    return this.#reservedTo - this.#next < reserveAt ? this.#next + reserveAhead : this.#reservedTo;
  }

  #takeMarks(accepted: (flow: Flow) => number): Mark[] {
    const flows = this.#unsaved ?? [];
    this.#unsaved = null;
    return flows.map((flow) => {
      flow.unsaved = false;
      return { sender: flow.outbox.sender, outbox: flow.outbox.id, accepted: accepted(flow), stored: flow.stored };
    });
  }

  #committed(run: AppendRun): void {
    this.#committing = false;
    this.#reservedTo = Math.max(this.#reservedTo, run.reservedTo);
    for (const entry of this.#window) if (entry.chunk && entry.position <= run.last) this.#accept(entry);
    for (let entry = this.#tail.peek(); entry && entry.position <= run.last; entry = this.#tail.peek()) {
      this.#tail.shift();
      const behindDisk = this.#onDiskTo > this.#deliveredTo || this.#readAhead !== null;
      if (!behindDisk && this.#hasRoom()) {
        this.#write(entry.chunk!.buffer, entry.start, entry.start + entry.bytes);
        this.#toWindow(entry);
      } else this.#onDiskTo = entry.position;
      this.#accept(entry);
    }
    if (this.#tail.length === 0) this.#releaseTailChunk();
    // All that came meanwhile has waited long enough.
    if (this.#commitDue || this.#tail.length > 0) this.#mail.schedule.commitNow(this);
    if (this.#hasProgress) this.#mail.schedule.saveSoon(this);
    this.#fill();
    this.#checkEmpty();
  }

  #accept(entry: Entry): void {
    const flow = entry.flow;
    this.#mail.pool.release(entry.chunk!);
    entry.chunk = null;
    if (entry.number > flow.accepted) flow.accepted = entry.number;
    this.#mail.resolved(flow, entry.bytes);
    this.#mail.receipts.tell(flow);
  }

  /** Nothing of the run was kept. What nobody has seen is refused; what was delivered may still be stored. */
  #failed(before: number, entries: Entry[], flows: Flow[], error: unknown): void {
    this.#committing = false;
    this.#postedTo = before;
    // Of those stored meanwhile it was taken off then.
    for (const { chunk, bytes } of entries) if (chunk) this.#mail.storedBytes -= bytes;
    for (const flow of flows) {
      flow.marked = flow.accepted;
      this.#markUnsaved(flow);
    }
    this.#mail.storeFailed(error);
    const full = error instanceof StoreError && error.reason === 'full';
    this.#refuseTail(full ? 'store_full' : 'internal');
    if (this.#window.length > 0) this.#mail.schedule.commitLater(this);
  }

  #refuseTail(code: RefusalCode): void {
    for (let entry = this.#tail.shift(); entry; entry = this.#tail.shift()) this.#refuse(entry, code);
    this.#releaseTailChunk();
  }

  #refuse(entry: Entry, code: RefusalCode): void {
    const flow = entry.flow;
    this.#mail.pool.release(entry.chunk!);
    entry.chunk = null;
    if (entry.position <= this.#postedTo) this.#mail.storedBytes -= entry.bytes;
    this.#forget(flow, entry.bytes);
    this.#mail.resolved(flow, entry.bytes);
    const first = flow.refused === 0 || entry.number <= flow.refused;
    if (first) {
      flow.refused = entry.number;
      flow.placed = entry.before;
      flow.marked = Math.min(flow.marked, flow.placed);
    }
    flow.outbox.session?.refused(flow.recipient, entry.number, first ? code : 'earlier_refused');
  }

  /** The account was removed: nobody will ever take what is here. */
  vanish(): void {
    this.#committing = false;
    this.state = 'gone';
    this.#mail.vanished(this);
    for (let entry = this.#window.shift(); entry; entry = this.#window.shift()) {
      entry.flow.outbox.inWindow--;
      if (entry.chunk) this.#refuse(entry, 'unknown_account');
    }
    this.#refuseTail('unknown_account');
    for (const flow of this.#unsaved ?? []) flow.unsaved = false;
    this.#unsaved = null;
  }

  /** Out of memory, all of it being in the store. */
  leaveMemory(): void {
    this.state = 'gone';
    this.#releaseTailChunk();
  }

  // --- saving progress ----------------------------------------------------------------------------

  /** Tells the store what was stored by the peer, and marks of messages that needed no disk. */
  save(): void {
    if (this.#saving || this.state === 'gone') return;
    const position = this.#ackedTo;
    const advance = position > this.#advancedTo;
    const reservation = this.#reservation();
    if (!advance && !this.#unsaved && reservation === this.#reservedTo) return;
    this.#saving = true;
    const flows = this.#unsaved ?? [];
    // Not what is on its way to the store: that may still be refused.
    const marks = this.#takeMarks((flow) => flow.accepted);
    const act = advance
      ? this.#mail.store.advance(this.account, this.#generation, position, marks)
      : this.#mail.store.saveMarks(this.account, marks, reservation);
    act.then(
      (result) => {
        this.#saving = false;
        if (result === 'stale') return this.#unsave(flows);
        if (advance) this.#advancedTo = Math.max(this.#advancedTo, position);
        else this.#reservedTo = Math.max(this.#reservedTo, reservation);
        if (this.#hasProgress) this.#mail.schedule.saveSoon(this);
        this.#checkEmpty();
      },
      (error: unknown) => {
        this.#saving = false;
        this.#mail.storeFailed(error);
        this.#unsave(flows);
      },
    );
  }

  #unsave(flows: Flow[]): void {
    for (const flow of flows) this.#markUnsaved(flow);
    this.#mail.schedule.saveLater(this);
  }

  #markUnsaved(flow: Flow): void {
    if (flow.unsaved) return;
    flow.unsaved = true;
    this.#unsaved ??= [];
    this.#unsaved.push(flow);
  }
}

/** The frames of these entries, one after the other; held is the chunk they lie in where no copy was needed. */
function gather(entries: Entry[], bytes: number): { frames: Uint8Array; held: Chunk | null } {
  const first = entries[0]!;
  const held = first.chunk!;
  if (entries.every((entry) => entry.chunk === held) && contiguous(entries)) {
    return { frames: held.buffer.subarray(first.start, first.start + bytes), held };
  }
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { chunk, start, bytes: size } of entries) at += chunk!.buffer.copy(frames, at, start, start + size);
  return { frames, held: null };
}

function contiguous(entries: Entry[]): boolean {
  for (let i = 1; i < entries.length; i++) {
    if (entries[i]!.start !== entries[i - 1]!.start + entries[i - 1]!.bytes) return false;
  }
  return true;
}
