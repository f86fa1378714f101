// What a mailbox has on disk and has not delivered: read back a stretch at a time, and delivered as there is room.
import { lengthBytes } from '../../shared/frames.ts';
import type { MailboxRun } from '../store/store.ts';
import { readDeliver } from './codec.ts';
import { Entry } from './entry.ts';
import type { Office } from './office.ts';
import type { Flow } from './outbox.ts';
import type { Window } from './window.ts';

/** Whose backlog it is: a mailbox. */
export interface BacklogOwner {
  readonly account: number;
  /** A flow of a message of this mailbox. */
  adopt(flow: Flow): void;
  /** Delivers what can be delivered: something was read. */
  fill(): void;
}

export class Backlog {
  readonly #owner: BacklogOwner;
  readonly #office: Office;
  readonly #window: Window;
  /** The last one that is on disk and was not delivered from memory. */
  #onDiskTo: number;
  /** Runs read and not yet delivered; the place in the first. */
  #runs: MailboxRun[] | null = null;
  #readAt = 0;
  /** failed: tried again after a moment, and not for each message that comes until then. */
  #reading: 'not' | 'now' | 'failed' = 'not';
  /** Rises when a recipient goes: what was read for that one is not for the next. */
  #epoch = 0;

  constructor(owner: BacklogOwner, office: Office, window: Window, onDiskTo: number) {
    this.#owner = owner;
    this.#office = office;
    this.#window = window;
    this.#onDiskTo = onDiskTo;
  }

  /** There is something, or was when it was read: all that comes is behind it. */
  get waits(): boolean {
    return this.#onDiskTo > this.#window.deliveredTo || this.#runs !== null;
  }

  /** This one is committed and leaves memory undelivered. */
  add(position: number): void {
    if (position > this.#onDiskTo) this.#onDiskTo = position;
  }

  /** The recipient is gone. */
  drop(): void {
    this.#epoch++;
    this.#runs = null;
  }

  /** Delivers some of it into a window that has room; false if it must be read first, and the owner fills then. */
  deliver(): boolean {
    if (this.#runs) this.#deliverRead(this.#runs);
    else {
      if (this.#reading === 'not') void this.#read();
      return false;
    }
    return true;
  }

  async #read(): Promise<void> {
    const { store } = this.#office;
    const { account } = this.#owner;
    const window = this.#window;
    this.#reading = 'now';
    const epoch = this.#epoch;
    const upTo = this.#onDiskTo;
    try {
      const runs = await store.read(account, window.deliveredTo, window.recipient!.windowBytes);
      if (epoch === this.#epoch) {
        this.#runs = runs.length > 0 ? runs : null;
        this.#readAt = 0;
        // Positions of refused messages leave holes: nothing there is also an answer.
        if (runs.length === 0) window.deliveredTo = upTo;
      }
      this.#reading = 'not';
      this.#owner.fill();
    } catch (error) {
      this.#reading = 'failed';
      this.#office.readFailed(account, error, () => {
        this.#reading = 'not';
        this.#owner.fill();
      });
    }
  }

  /** Delivers from the runs that were read until the first of them ends or the window is full. */
  #deliverRead(runs: MailboxRun[]): void {
    const window = this.#window;
    const run = runs[0]!;
    const frames = Buffer.from(run.frames.buffer, run.frames.byteOffset, run.frames.byteLength);
    // What lies together goes out together.
    let stretch = this.#readAt;
    while (this.#readAt < frames.length && window.hasRoom) {
      const start = this.#readAt;
      const end = start + lengthBytes + frames.readUInt32BE(start);
      this.#readAt = end;
      const view = readDeliver(frames, start + lengthBytes, end);
      if (view.position <= window.deliveredTo) {
        stretch = end;
        continue;
      }
      if (view.position > this.#onDiskTo) {
        // A commit was overtaken by this read: what it wrote is still in the tail, and delivered from there.
        window.write(frames, stretch, start);
        this.#runs = null;
        this.#readAt = 0;
        window.deliveredTo = this.#onDiskTo;
        return;
      }
      const { position, number } = view;
      const flow = this.#office.flowOf(view.from, frames, view.outboxStart, view.outboxEnd, this.#owner.account);
      this.#owner.adopt(flow);
      window.push(new Entry(position, flow, number, 0, end - start, null, 0));
    }
    window.write(frames, stretch, this.#readAt);
    if (this.#readAt < frames.length) return;
    window.deliveredTo = Math.max(window.deliveredTo, Math.min(run.last, this.#onDiskTo));
    runs.shift();
    if (runs.length === 0) this.#runs = null;
    this.#readAt = 0;
  }
}
