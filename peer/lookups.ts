// From names to account ids, for messages whose recipients are not known yet; what was found holds for one connection.
import { ParleyError } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import type { parley } from '../shared/protocol.js';
import { safeLine } from '../shared/text.ts';
import type { Connection } from './connection.ts';
import { longestTimerMs } from './longest-timer.ts';
import type { Pending } from './outgoing.ts';

const maxOpen = 16;
const maxKnown = 10_000;
const retryMs = 5_000;

interface Entry {
  account: number;
  name: string;
}

interface Options {
  /** In the order in which they were added. */
  found(all: Pending[], entry: Entry): void;
  /** With unknown_account they are given up, with any other they are looked up again later. */
  missing(all: Pending[], error: ParleyError): void;
}

export class Lookups {
  readonly #options: Options;
  readonly #known = new Map<string, Entry>();
  /** By folded name. */
  readonly #waiting = new Map<string, Pending[]>();
  readonly #open = new Set<string>();
  readonly #retries = new Set<NodeJS.Timeout>();
  #connection: Connection | null = null;

  constructor(options: Options) {
    this.#options = options;
  }

  /** What this connection has told of a name; null while any message to it waits, so that none overtakes it. */
  known(name: string): Entry | null {
    const folded = foldName(name);
    return this.#waiting.has(folded) ? null : (this.#known.get(folded) ?? null);
  }

  add(folded: string, pending: Pending): void {
    const waiting = this.#waiting.get(folded);
    if (waiting) waiting.push(pending);
    else this.#waiting.set(folded, [pending]);
    this.#ask();
  }

  remove(pending: Pending): void {
    const folded = foldName(pending.name);
    const waiting = this.#waiting.get(folded)?.filter((one) => one !== pending) ?? [];
    if (waiting.length > 0) this.#waiting.set(folded, waiting);
    else this.#waiting.delete(folded);
  }

  attach(connection: Connection): void {
    this.#connection = connection;
    this.#ask();
  }

  detach(): void {
    this.#connection = null;
    this.#known.clear();
    this.#open.clear();
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
  }

  #ask(): void {
    const connection = this.#connection;
    if (connection === null) return;
    for (const folded of this.#waiting.keys()) {
      if (this.#open.size >= maxOpen) return;
      if (this.#open.has(folded)) continue;
      this.#open.add(folded);
      connection.ask({ lookup: { name: folded } }, (reply) => {
        // The end of a connection is no answer: it is asked again over the next one.
        if (this.#connection === connection && !connection.closed) this.#answered(folded, reply);
      });
    }
  }

  #answered(folded: string, reply: parley.Frame | ParleyError): void {
    const entry = reply instanceof ParleyError ? null : (reply.accountEntry as parley.AccountEntry | null | undefined);
    const all = this.#waiting.get(folded) ?? [];
    if (entry) {
      this.#open.delete(folded);
      this.#waiting.delete(folded);
      if (this.#known.size >= maxKnown) this.#known.clear();
      const found = { account: entry.account, name: safeLine(entry.name) };
      this.#known.set(folded, found);
      this.#options.found(all, found);
    } else {
      const error = reply instanceof ParleyError ? reply : new ParleyError('internal', 'The center gave no answer.');
      if (error.code === 'unknown_account' || error.code === 'bad_name') {
        this.#open.delete(folded);
        this.#waiting.delete(folded);
      } else this.#retryLater(folded, error.retryAfterMs);
      this.#options.missing(all, error);
    }
    this.#ask();
  }

  /** Until then it counts as open. */
  #retryLater(folded: string, retryAfterMs: number): void {
    const retry = setTimeout(
      () => {
        this.#retries.delete(retry);
        this.#open.delete(folded);
        this.#ask();
      },
      Math.min(longestTimerMs, Math.max(retryMs, retryAfterMs)),
    );
    this.#retries.add(retry);
  }
}
