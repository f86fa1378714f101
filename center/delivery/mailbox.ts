// One account's queue, in memory: every message takes its place at the end and leaves from the head.
//
//   stored ─▶ window ─▶ backlog ─▶ tail
//
// window: delivered, not acknowledged. backlog: committed, not delivered; it stays on disk and is read back. tail: arrived,
// not delivered, not yet committed. Nothing is delivered from the tail while there is a backlog.
import { AccountSet } from '../account-set.ts';
import type { Chunk } from '../chunks.ts';
import type { MailboxState } from '../store/store.ts';
import { Backlog, type BacklogOwner } from './backlog.ts';
import { deliverRoom, writeDeliver } from './codec.ts';
import { Commits, type CommitsOwner } from './commits.ts';
import { Contents } from './contents.ts';
import { Entry, refuseEntry, storeEntry } from './entry.ts';
import type { Office } from './office.ts';
import type { Flow, RefusalCode } from './outbox.ts';
import { Positions } from './positions.ts';
import { Progress, type ProgressOwner } from './progress.ts';
import { Tail } from './tail.ts';
import { type Recipient, Window } from './window.ts';

export class Mailbox implements BacklogOwner, CommitsOwner, ProgressOwner {
  readonly account: number;
  readonly blocks: AccountSet;
  readonly contents: Contents;
  /** open: takes mail. closing: the account is being deleted, it drains. gone: forgotten, or taken out of memory. */
  state: 'open' | 'closing' | 'gone' = 'open';
  /** When something last happened, by the wheel. */
  usedAtMs = 0;
  commitsNow = false;
  commitsSoon = false;
  savesSoon = false;
  /** Connections that are logged in to the account: it stays in memory for them. */
  sessions = 0;
  #whenEmpty: (() => void) | null = null;
  readonly #office: Office;
  readonly #positions: Positions;
  readonly #window: Window;
  readonly #backlog: Backlog;
  readonly #tail: Tail;
  readonly #commits: Commits;
  readonly #progress: Progress;

  constructor(account: number, saved: MailboxState, office: Office) {
    this.account = account;
    this.blocks = new AccountSet(saved.blocks);
    this.#office = office;
    this.contents = new Contents(saved);
    this.#positions = new Positions(saved);
    this.#window = new Window(saved.ackedTo);
    this.#tail = new Tail(office.pool);
    const last = saved.next - 1;
    this.#backlog = new Backlog(this, office, this.#window, saved.count > 0 ? last : saved.ackedTo);
    this.#progress = new Progress(this, office, this.#positions, this.#window, saved.generation);
    const parts = { positions: this.#positions, window: this.#window, backlog: this.#backlog, tail: this.#tail };
    this.#commits = new Commits(this, office, { ...parts, progress: this.#progress, postedTo: last });
  }

  /** How many messages it holds, in memory and on disk. */
  get count(): number {
    return this.contents.count;
  }

  /** Nothing here is needed in memory. */
  get idle(): boolean {
    return this.sessions === 0 && !this.#window.recipient && this.isSaved;
  }

  /** The store has all of it. */
  get isSaved(): boolean {
    return this.settled && this.#progress.isSaved;
  }

  /** All that has a place is committed or stored. */
  get settled(): boolean {
    return this.#commits.areDone;
  }

  // --- arriving -----------------------------------------------------------------------------------

  /** Gives the message the next place; delivers it at once if nothing is before it and the peer has room. */
  place(flow: Flow, number: number, source: Buffer, tailStart: number, tailEnd: number): void {
    const position = this.#positions.take();
    const to = this.#isDirect(position) ? this.#window : this.#tail;
    const prefix = flow.outbox.prefix;
    const chunk = to.reserve(deliverRoom(prefix, tailEnd - tailStart));
    const start = chunk.used;
    const { receivedAtMs } = this.#office;
    chunk.used = writeDeliver(chunk.buffer, start, position, prefix, receivedAtMs, source, tailStart, tailEnd);
    this.#queue(flow, number, position, chunk, start, to);
  }

  /** As place, for a frame of the center's own: a notice in the place of a message. */
  placeFrame(flow: Flow, number: number, encode: (position: number) => Buffer): void {
    this.adopt(flow);
    const position = this.#positions.take();
    const frame = encode(position);
    const to = this.#isDirect(position) ? this.#window : this.#tail;
    const chunk = to.reserve(frame.length);
    const start = chunk.used;
    chunk.buffer.set(frame, start);
    chunk.used += frame.length;
    this.#queue(flow, number, position, chunk, start, to);
  }

  /** The flow is on its way to this mailbox, as it is in memory now. */
  adopt(flow: Flow): void {
    if (flow.mailbox === this) return;
    flow.mailbox = this;
    flow.usage = null;
    this.#office.adopted(flow);
  }

  #isDirect(position: number): boolean {
    if (this.#tail.length > 0 || this.#backlog.waits) return false;
    return this.#positions.isReserved(position) && this.#window.hasRoom;
  }

  #queue(flow: Flow, number: number, position: number, chunk: Chunk, start: number, to: Window | Tail): void {
    const bytes = chunk.used - start;
    chunk.refs++;
    const entry = new Entry(position, flow, number, flow.placed, bytes, chunk, start);
    flow.placed = number;
    flow.outbox.took(bytes);
    this.contents.add(flow, bytes);
    to.push(entry);
    if (to === this.#window) this.#office.schedule.commitSoon(this);
    else {
      this.#office.schedule.commitNow(this);
      if (this.#window.isHeld) this.#window.recipient?.waiting(this.count);
    }
  }

  // --- delivering ---------------------------------------------------------------------------------

  /** Delivers to this connection from the head on. hold: nothing until fetch. */
  attach(recipient: Recipient, generation: number, hold: boolean): void {
    this.detach();
    this.setGeneration(generation);
    this.#window.attach(recipient, hold);
    if (this.#positions.wantsMore) this.#office.schedule.reserveSoon(this);
    this.fill();
  }

  /** The connection is gone: what it had not acknowledged waits for the next one. */
  detach(): void {
    if (!this.#window.recipient) return;
    const uncommitted: Entry[] = [];
    for (const entry of this.#window.detach()) {
      if (entry.chunk) uncommitted.push(entry);
      else this.#backlog.add(entry.position);
    }
    this.#backlog.drop();
    this.#tail.unshift(uncommitted);
    if (uncommitted.length > 0) this.#office.schedule.commitNow(this);
    this.reopen();
    this.#whenEmpty = null;
  }

  /** A mailbox that drains holds nothing back. */
  setHold(hold: boolean): void {
    this.#window.hold(hold && this.state === 'open');
    this.fill();
  }

  /** A login or a change of password came: what is stored from now on is stored by that session. */
  setGeneration(generation: number): void {
    this.#progress.setGeneration(generation);
  }

  /** How many are neither delivered nor let through; at most limit, unless that is 0. */
  waiting(limit: number): number {
    const waiting = Math.max(0, this.count - this.#window.length - this.#window.letThrough);
    return limit > 0 ? Math.min(limit, waiting) : waiting;
  }

  /** Lets so many more through a hold. */
  fetch(count: number): void {
    this.#window.allow(count);
    this.fill();
  }

  /** Delivers from the head what there is room for. */
  fill(): void {
    while (this.#window.hasRoom) {
      if (this.#backlog.waits) {
        if (!this.#backlog.deliver()) return;
        continue;
      }
      const entry = this.#tail.peek();
      if (!entry || !this.#positions.isReserved(entry.position)) return;
      this.#tail.shift();
      this.#window.deliver(entry);
      if (!this.#commits.isPosted(entry)) this.#office.schedule.commitSoon(this);
    }
  }

  /** The peer has stored all up to this position. */
  acknowledge(position: number): void {
    const window = this.#window;
    const upTo = Math.min(position, window.deliveredTo);
    if (upTo <= window.ackedTo) return;
    let isOnDisk = false;
    for (let entry = window.shift(upTo); entry; entry = window.shift(upTo)) {
      if (this.#commits.drop(entry)) isOnDisk = true;
      storeEntry(entry, this.#office);
      this.#progress.mark(entry.flow);
      this.contents.remove(entry.flow, entry.bytes);
    }
    const before = window.ackedTo;
    window.ackedTo = upTo;
    if (!isOnDisk) this.#progress.skipDisk(before);
    this.#office.schedule.saveSoon(this);
    this.fill();
    this.#checkEmpty();
  }

  // --- committing and saving ------------------------------------------------------------------------

  /** Hands what is neither committed nor stored to the store, in queue order. */
  commit(): void {
    if (this.state !== 'gone') this.#commits.commit();
  }

  /** Commits what had time to be acknowledged. False when nothing is left to wait for. */
  commitPatiently(): boolean {
    return this.#commits.commitPatiently();
  }

  /** Tells the store what was stored by the peer, and marks of messages that needed no disk. */
  save(): void {
    if (this.state !== 'gone') this.#progress.save();
  }

  committed(): void {
    this.fill();
    this.#checkEmpty();
  }

  /** What nobody has seen is refused; what was delivered may still be stored. */
  failed(code: RefusalCode): void {
    this.#refuseTail(code);
    if (this.#window.length > 0) this.#office.schedule.commitLater(this);
  }

  saved(): void {
    this.#checkEmpty();
  }

  #refuseTail(code: RefusalCode): void {
    for (let entry = this.#tail.shift(); entry; entry = this.#tail.shift()) this.#refuse(entry, code);
  }

  #refuse(entry: Entry, code: RefusalCode): void {
    this.#commits.drop(entry);
    this.contents.remove(entry.flow, entry.bytes);
    refuseEntry(entry, code, this.#office);
  }

  // --- the end --------------------------------------------------------------------------------------

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
    this.#whenEmpty = empty;
    this.setHold(false);
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (!this.#whenEmpty || this.count > 0 || this.#commits.areOnTheirWay || !this.#progress.isSaved) return;
    const empty = this.#whenEmpty;
    this.#whenEmpty = null;
    empty();
  }

  /** The account was removed: nobody will ever take what is here. */
  vanish(): void {
    this.state = 'gone';
    this.#whenEmpty = null;
    this.#office.vanished(this);
    for (const entry of this.#window.detach()) if (entry.chunk) this.#refuse(entry, 'unknown_account');
    this.#refuseTail('unknown_account');
    this.#progress.forget();
  }

  /** Out of memory, all of it being in the store. */
  leaveMemory(): void {
    this.state = 'gone';
  }
}
