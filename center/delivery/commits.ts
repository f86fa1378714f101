// What a mailbox hands to the store: its messages in queue order, as runs, one of them on its way at a time.
import { type AppendRun, StoreError } from '../store/store.ts';
import type { Backlog } from './backlog.ts';
import { acceptEntry, type Entry } from './entry.ts';
import type { Office } from './office.ts';
import type { Flow, RefusalCode } from './outbox.ts';
import type { Positions } from './positions.ts';
import type { Progress } from './progress.ts';
import type { Scheduled } from './schedule.ts';
import type { Tail } from './tail.ts';
import type { Window } from './window.ts';

/** A run in the store holds at most so much; what is over goes into the next one. */
const maxRunMessages = 8192;
const maxRunBytes = 1_048_576;

/** Whose commits they are: a mailbox. One of these is called when the store has answered. */
export interface CommitsOwner extends Scheduled {
  readonly account: number;
  /** A run is committed, and accepted. */
  committed(): void;
  /** Nothing of the run was kept. */
  failed(code: RefusalCode): void;
  /** The account was removed. */
  vanish(): void;
}

export interface CommitsParts {
  positions: Positions;
  window: Window;
  backlog: Backlog;
  tail: Tail;
  progress: Progress;
  /** All up to here is in the store. */
  postedTo: number;
}

export class Commits {
  readonly #owner: CommitsOwner;
  readonly #office: Office;
  readonly #positions: Positions;
  readonly #window: Window;
  readonly #backlog: Backlog;
  readonly #tail: Tail;
  readonly #progress: Progress;
  /** What is later has not been handed to the store. */
  #postedTo: number;
  /** Delivered before the last look at what is due. */
  #dueTo = 0;
  #onItsWay = false;
  /** More was due while a run was on its way. */
  #again = false;

  constructor(owner: CommitsOwner, office: Office, parts: CommitsParts) {
    this.#owner = owner;
    this.#office = office;
    this.#positions = parts.positions;
    this.#window = parts.window;
    this.#backlog = parts.backlog;
    this.#tail = parts.tail;
    this.#progress = parts.progress;
    this.#postedTo = parts.postedTo;
  }

  get areOnTheirWay(): boolean {
    return this.#onItsWay;
  }

  /** All that has a place is committed or stored. */
  get areDone(): boolean {
    return this.#tail.length === 0 && !this.#onItsWay && this.#firstUnposted() === this.#window.length;
  }

  isPosted(entry: Entry): boolean {
    return entry.position <= this.#postedTo;
  }

  /** This one is stored by the peer, or refused. True where the store has it or is about to. */
  drop(entry: Entry): boolean {
    if (!this.isPosted(entry)) return false;
    this.#office.storedBytes -= entry.bytes;
    return true;
  }

  /** Hands all that is neither committed nor stored to the store. */
  commit(): void {
    this.#commitUpTo(Number.POSITIVE_INFINITY);
  }

  /**
   * Commits what was delivered before the last call: that had time to be acknowledged, what came since has not.
   * False when nothing is left to wait for.
   */
  commitPatiently(): boolean {
    const due = this.#dueTo;
    this.#dueTo = this.#window.deliveredTo;
    const oldest = this.#window.at(this.#firstUnposted());
    if (!oldest) return false;
    if (oldest.position <= due) this.#commitUpTo(due);
    return true;
  }

  #commitUpTo(upTo: number): void {
    if (this.#onItsWay) {
      if (upTo === Number.POSITIVE_INFINITY) this.#again = true;
      return;
    }
    const { entries, bytes, areAll } = this.#unposted(upTo);
    if (entries.length === 0) return;
    const before = this.#postedTo;
    const last = entries.at(-1)!.position;
    this.#postedTo = last;
    this.#onItsWay = true;
    // What is not due yet is not left over.
    this.#again = !areAll && upTo === Number.POSITIVE_INFINITY;
    this.#office.storedBytes += bytes;
    for (const { flow, number } of entries) {
      if (number > flow.marked) flow.marked = number;
      this.#progress.mark(flow);
    }
    const frames = gather(entries, bytes);
    const { flows, marks } = this.#progress.takeMarks((flow) => Math.max(flow.marked, flow.accepted));
    const reservedTo = this.#positions.wanted;
    const run: AppendRun = { first: entries[0]!.position, last, count: entries.length, frames, marks, reservedTo };
    this.#office.store.append(this.#owner.account, run).then(
      (result) => {
        this.#onItsWay = false;
        if (result === 'gone') return this.#owner.vanish();
        this.#positions.reserved(reservedTo);
        this.#accept(last);
      },
      (error: unknown) => {
        this.#onItsWay = false;
        this.#postedTo = before;
        this.#takeBack(entries, flows);
        this.#office.storeFailed(error);
        this.#owner.failed(error instanceof StoreError && error.reason === 'full' ? 'store_full' : 'internal');
      },
    );
  }

  /** What the next run is made of; areAll: nothing had to be left for another one. */
  #unposted(upTo: number): { entries: Entry[]; bytes: number; areAll: boolean } {
    const window = this.#window;
    const tail = this.#tail;
    const entries: Entry[] = [];
    let bytes = 0;
    const take = (entry: Entry): boolean => {
      if (this.isPosted(entry)) return true;
      if (entry.position > upTo) return false;
      if (entries.length >= maxRunMessages || bytes >= maxRunBytes) return false;
      entries.push(entry);
      bytes += entry.bytes;
      return true;
    };
    let areAll = true;
    for (let i = this.#firstUnposted(); areAll && i < window.length; i++) areAll = take(window.at(i)!);
    for (let i = 0; areAll && i < tail.length; i++) areAll = take(tail.at(i)!);
    return { entries, bytes, areAll };
  }

  /** Its index in the window. */
  #firstUnposted(): number {
    let index = this.#window.length;
    while (index > 0 && !this.isPosted(this.#window.at(index - 1)!)) index--;
    return index;
  }

  /** All up to this position is committed. What was not delivered is now, or is left to the disk. */
  #accept(upTo: number): void {
    const window = this.#window;
    const tail = this.#tail;
    for (let i = 0; i < window.length; i++) {
      const entry = window.at(i)!;
      if (entry.position > upTo) break;
      if (entry.chunk) acceptEntry(entry, this.#office);
    }
    for (let entry = tail.peek(); entry && entry.position <= upTo; entry = tail.peek()) {
      tail.shift();
      if (!this.#backlog.waits && window.hasRoom) window.deliver(entry);
      else this.#backlog.add(entry.position);
      acceptEntry(entry, this.#office);
    }
    const { schedule } = this.#office;
    // All that came meanwhile has waited long enough.
    if (this.#again || tail.length > 0) schedule.commitNow(this.#owner);
    if (this.#progress.isToSave) schedule.saveSoon(this.#owner);
    this.#owner.committed();
  }

  #takeBack(entries: Entry[], flows: Flow[]): void {
    // Of those stored meanwhile it was taken off then.
    for (const { chunk, bytes } of entries) if (chunk) this.#office.storedBytes -= bytes;
    for (const flow of flows) {
      flow.marked = flow.accepted;
      this.#progress.mark(flow);
    }
  }
}

/** The frames of these entries, one after the other: as they lie where that is so, for the store copies them at once. */
function gather(entries: Entry[], bytes: number): Uint8Array {
  const { chunk: shared, start } = entries[0]!;
  if (entries.every(({ chunk }) => chunk === shared) && contiguous(entries)) {
    return shared!.buffer.subarray(start, start + bytes);
  }
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { chunk, start, bytes: size } of entries) at += chunk!.buffer.copy(frames, at, start, start + size);
  return frames;
}

function contiguous(entries: Entry[]): boolean {
  for (let i = 1; i < entries.length; i++) {
    if (entries[i]!.start !== entries[i - 1]!.start + entries[i - 1]!.bytes) return false;
  }
  return true;
}
