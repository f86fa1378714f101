// What a peer tells whoever runs it: one row of events, taken by listeners at once and by readers at their own speed.
// A message counts as shown when everybody has taken it and it has arrived where it is shown; while that lags, the inbox
// asks the center for no more.
import { type Arrival, Arrivals } from './arrivals.ts';
import type { PeerEvent } from './events.ts';
import { type AnyReader, FeedReader, type Row } from './feed-reader.ts';

/** Events that are no messages and that nobody has taken: more are left out, and a notice says how many. */
const maxOtherEvents = 4096;

interface Entry {
  event: PeerEvent;
  onShown: (() => void) | null;
}

interface Listener {
  /** All before this place are taken. */
  at: number;
  call: (event: PeerEvent) => void;
}

export class Feed implements Row {
  /** Called when entries were taken or shown: there may be room for more messages. */
  onTaken: () => void = () => undefined;
  readonly #arrivals: Arrivals;
  #entries: Entry[] = [];
  /** The place of the first entry. */
  #first = 0;
  #messages = 0;
  #leftOut = 0;
  #isDraining = false;
  #isFinished = false;
  readonly #listeners = new Set<Listener>();
  readonly #readers = new Set<AnyReader>();

  constructor(arrival: Arrival | null = null) {
    this.#arrivals = new Arrivals(arrival);
    this.#arrivals.onArrived = () => this.onTaken();
  }

  /** Messages that not everybody has taken, or that are not shown yet. */
  get waitingMessages(): number {
    return this.#messages + this.#arrivals.waiting;
  }

  /** Resolves when what all have taken is shown or lost; null where that is so now. */
  settled(): Promise<void> | null {
    return this.#arrivals.settled();
  }

  get end(): number {
    return this.#first + this.#entries.length;
  }

  /** Tells everybody. onShown is called once when all have taken it and it has arrived. */
  emit(event: PeerEvent, onShown: (() => void) | null = null): void {
    const others = this.#entries.length - this.#messages;
    if (event.type === 'message') this.#messages += 1;
    else if (event.type !== 'ended' && others >= maxOtherEvents) {
      this.#leftOut += 1;
      return;
    }
    if (this.#leftOut > 0 && others < maxOtherEvents / 2) {
      const text = `${this.#leftOut} events were left out: they were not taken in time.`;
      this.#leftOut = 0;
      this.#entries.push({ event: { type: 'notice', text }, onShown: null });
    }
    this.#entries.push({ event, onShown });
    this.#drain();
    for (const reader of this.#readers) reader.wake();
    this.trim();
  }

  /** The listener gets each event at once. Returns what ends that. */
  on(call: (event: PeerEvent) => void): () => void {
    const listener: Listener = { at: this.#start(), call };
    this.#listeners.add(listener);
    // Not before the caller has what ends it.
    queueMicrotask(() => this.#drain());
    return () => {
      this.#listeners.delete(listener);
      this.trim();
    };
  }

  /** Those events that pick gives something for; what was given counts as taken when the next is asked for. */
  read<T>(pick: (event: PeerEvent) => T | null, signal?: AbortSignal): AsyncIterableIterator<T> {
    const reader = new FeedReader<T>(this, this.#start(), pick, signal);
    if (this.#isFinished) reader.finish([]);
    if (!reader.isDone) this.#readers.add(reader);
    return reader;
  }

  /** It takes no more: what it has not taken is for others. */
  leave(reader: AnyReader): void {
    this.trim();
    this.#readers.delete(reader);
    this.trim();
  }

  /** A session begins. */
  begin(): void {
    this.#isFinished = false;
  }

  /** The session is over: readers end after what there is, the rest comes again with the next session. */
  finish(): void {
    this.#isFinished = true;
    // Perhaps in the midst of a listener's call: it hears of the end all the same.
    this.#tellListeners();
    for (const reader of this.#readers) reader.finish(this.#entries.slice(reader.at - this.#first).map((e) => e.event));
    this.#readers.clear();
    this.#first = this.end;
    this.#entries = [];
    this.#messages = 0;
    this.#leftOut = 0;
    this.#arrivals.forget();
  }

  entryAt(place: number): PeerEvent | undefined {
    return this.#entries[place - this.#first]?.event;
  }

  /** Drops what all have taken. Without anybody to take it, it waits. */
  trim(): void {
    if (this.#listeners.size === 0 && this.#readers.size === 0) return;
    let taken = this.end;
    for (const { at } of this.#listeners) taken = Math.min(taken, at);
    for (const reader of this.#readers) taken = Math.min(taken, reader.taken);
    if (taken === this.#first) return;
    const gone = this.#entries.splice(0, taken - this.#first);
    this.#first = taken;
    for (const { event, onShown } of gone) {
      if (event.type === 'message') this.#messages -= 1;
      if (onShown) this.#arrivals.add(onShown);
    }
    this.onTaken();
  }

  /** Who comes first gets what waits; others begin with what comes next. */
  #start(): number {
    return this.#listeners.size === 0 && this.#readers.size === 0 ? this.#first : this.end;
  }

  #drain(): void {
    // A listener may cause events: the loop that called it goes on with them.
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#tellListeners();
    this.#isDraining = false;
    this.trim();
  }

  #tellListeners(): void {
    for (let wasOne = true; wasOne; ) {
      wasOne = false;
      for (const listener of this.#listeners) {
        const event = this.entryAt(Math.max(listener.at, this.#first));
        if (event === undefined) continue;
        listener.at = Math.max(listener.at, this.#first) + 1;
        wasOne = true;
        callSafely(listener.call, event);
      }
    }
  }
}

function callSafely(call: (event: PeerEvent) => void, event: PeerEvent): void {
  try {
    call(event);
  } catch (error) {
    // A listener's mistake is its program's to see, and must not stop the others.
    queueMicrotask(() => {
      throw error;
    });
  }
}
