// One reader of a feed, as an async iterator: it takes events at its own speed.
import type { IncomingMessage, PeerEvent } from './events.ts';

/** A reader, whatever it picks. */
export interface AnyReader {
  readonly at: number;
  readonly taken: number;
  wake(): void;
  finish(rest: PeerEvent[]): void;
}

/** The row of events that a reader reads from. */
export interface Row {
  /** Undefined: not yet there. */
  entryAt(place: number): PeerEvent | undefined;
  /** Drops what all have taken. */
  trim(): void;
  leave(reader: AnyReader): void;
}

/** What messages() picks. */
export function pickMessage(event: PeerEvent): IncomingMessage | null {
  return event.type === 'message' ? event.message : null;
}

export class FeedReader<T> implements AsyncIterableIterator<T>, AnyReader {
  /** The next place to look at. */
  at: number;
  /** All before this are taken. */
  taken: number;
  readonly #row: Row;
  readonly #pick: (event: PeerEvent) => T | null;
  readonly #signal: AbortSignal | undefined;
  /** Once it reads from the row no more: what is still to be read. */
  #rest: PeerEvent[] | null = null;
  readonly #asked: ((result: IteratorResult<T>) => void)[] = [];

  /** Begins at this place; gives what pick does not give null for. */
  constructor(row: Row, at: number, pick: (event: PeerEvent) => T | null, signal: AbortSignal | undefined) {
    this.at = at;
    this.taken = at;
    this.#row = row;
    this.#pick = pick;
    this.#signal = signal;
    if (signal?.aborted) this.#rest = [];
    else signal?.addEventListener('abort', this.#leave, { once: true });
  }

  get isDone(): boolean {
    return this.#rest !== null;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    this.taken = this.at;
    const result = this.#take();
    if (!this.isDone) this.#row.trim();
    if (result !== null) return Promise.resolve(result);
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this.taken = this.at;
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** There may be something to read. */
  wake(): void {
    while (this.#asked.length > 0) {
      const result = this.#take();
      if (result === null) return;
      this.#asked.shift()!(result);
    }
  }

  /** Ends after these. */
  finish(rest: PeerEvent[]): void {
    this.#signal?.removeEventListener('abort', this.#leave);
    this.#rest ??= rest;
    this.wake();
  }

  readonly #leave = (): void => {
    if (!this.isDone) this.#row.leave(this);
    this.#rest = [];
    this.finish([]);
  };

  /** Null: nothing yet. */
  #take(): IteratorResult<T> | null {
    for (;;) {
      const event = this.#rest === null ? this.#row.entryAt(this.at) : this.#rest.shift();
      if (event === undefined) return this.#rest === null ? null : { done: true, value: undefined };
      const value = this.#pick(event);
      if (this.#rest === null) {
        this.at += 1;
        // What it does not want is taken at once, unless it holds something before that.
        if (value === null && this.taken === this.at - 1) this.taken = this.at;
      }
      if (value !== null) return { done: false, value };
    }
  }
}
