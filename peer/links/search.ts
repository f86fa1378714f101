// Finding a way to one other account: its addresses are dialled, it dials back, both NATs are opened at one moment, and at
// last the center relays. Without a link, and with a relayed one, it is tried again, ever more rarely.
import { setTimeout as wait } from 'node:timers/promises';
import { asParleyError } from '../../shared/errors.ts';
import { endpoint } from '../addresses.ts';
import type { Credentials } from '../socket.ts';
import { type Attempt, type DialBudget, dialFirstOf, mayBePeer, placeOf } from './dial.ts';
import type { Candidate, Introduction } from './introduction.ts';
import type { LinkChannel } from './link.ts';

/** The side that asked dials at once; the other gives it this start. */
const dialBackAfterMs = 300;
const punchAfterMs = 800;
const relayAfterMs = { dialFirst: 1_200, other: 6_000 };
/** Without a link: from the first to the last. With a relayed one, for a better one. */
const retryMs = { unlinked: { first: 1_000, last: 60_000 }, relayed: { first: 30_000, last: 600_000 } };
/** Between two punches, whatever the center says: each sends a few SYNs to an address that is not proven. */
const punchEveryMs = 9_000;
const maxPunchInMs = 5_000;
/** Said by the center in the ordinary course of things: nothing that `why` should tell. */
const untold: readonly string[] = ['rate_limited', 'unsupported', 'cancelled'];

/** What a search needs of the peer. */
export interface SearchHost {
  readonly budget: DialBudget;
  credentials(): Credentials;
  /** The center's time. */
  nowMs(): number;
  isCenterThere(): boolean;
  /** The center is reached over loopback: only then may others be there too. */
  isOverLoopback(): boolean;
  /** Throws where the center says no. */
  askPunch(account: number): Promise<void>;
  askIntroduction(account: number): Promise<void>;
  openTunnel(account: number): Promise<LinkChannel['stream']>;
  /** Secures a stream as the TLS client and checks the key. */
  secure(stream: LinkChannel['stream'], introduction: Introduction): Promise<LinkChannel>;
  punch(introduction: Introduction, to: { address: string; port: number }, signal: AbortSignal): Promise<LinkChannel>;
}

/** The pairing that a search is for. */
export interface Searcher {
  readonly account: number;
  /** null while nothing may be linked. */
  readonly introduction: Introduction | null;
  /** What there is by now; what is silent does not count. */
  readonly linked: 'no' | 'relayed' | 'direct';
  found(channel: LinkChannel): void;
  note(attempt: Attempt): void;
}

interface Cycle {
  abort: AbortController;
  /** Addresses that it has dialled. */
  dialled: Set<string>;
  /** Steps that are not done. */
  underWay: number;
}

export class Search {
  readonly #host: SearchHost;
  readonly #searcher: Searcher;
  #cycle: Cycle | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retries = 0;
  #punch: { atMs: number; abort: AbortController } | null = null;

  constructor(host: SearchHost, searcher: Searcher) {
    this.#host = host;
    this.#searcher = searcher;
  }

  /** True while something is under way or will be. */
  get isOn(): boolean {
    return this.#cycle !== null || this.#retry !== null;
  }

  /** Tries all ways; where that is under way, only the addresses that are new. */
  begin(): void {
    const { introduction, linked } = this.#searcher;
    if (linked === 'direct' || !introduction || introduction.expiresAtMs <= this.#host.nowMs()) return;
    const running = this.#cycle;
    if (running) return this.#step(running, 'dial', 0, () => this.#dial(running));
    this.#clearRetry();
    const cycle = { abort: new AbortController(), dialled: new Set<string>(), underWay: 0 };
    this.#cycle = cycle;
    const { dialFirst } = introduction;
    this.#step(cycle, 'dial', dialFirst ? 0 : dialBackAfterMs, () => this.#dial(cycle));
    if (dialFirst) this.#step(cycle, 'punch', punchAfterMs, () => this.#askPunch());
    this.#step(cycle, 'relay', dialFirst ? relayAfterMs.dialFirst : relayAfterMs.other, () => this.#relay(cycle));
  }

  /** What was tried in vain may be tried soon again: something is new. */
  encourage(): void {
    this.#retries = 0;
  }

  /** Nothing more is tried. */
  stop(): void {
    this.#cycle?.abort.abort();
    this.#cycle = null;
    this.#punch?.abort.abort();
    this.#clearRetry();
  }

  #clearRetry(): void {
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
  }

  #step(cycle: Cycle, what: string, afterMs: number, act: () => Promise<void>): void {
    cycle.underWay++;
    void this.#try(what, afterMs, cycle.abort.signal, act).finally(() => {
      cycle.underWay--;
      if (cycle.underWay > 0 || this.#cycle !== cycle) return;
      this.#cycle = null;
      if (this.#searcher.linked !== 'direct') this.again();
    });
  }

  async #try(what: string, afterMs: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
    try {
      await wait(afterMs, undefined, { signal });
      if (this.#searcher.linked !== 'direct') await act();
    } catch (error) {
      const { code, message } = asParleyError(error);
      if (!signal.aborted && !untold.includes(code)) this.#searcher.note({ what, outcome: message });
    }
  }

  async #dial(cycle: Cycle): Promise<void> {
    const { introduction } = this.#searcher;
    if (!introduction) return;
    const { abort, dialled } = cycle;
    const overLoopback = this.#host.isOverLoopback();
    const isNew = (candidate: Candidate): boolean => !dialled.has(placeOf(candidate));
    const candidates = introduction.candidates.filter(
      (candidate) => isNew(candidate) && mayBePeer(candidate, overLoopback),
    );
    if (candidates.length === 0) return;
    for (const candidate of candidates) dialled.add(placeOf(candidate));
    // Each address that failed has been noted by itself.
    const channel = await dialFirstOf(candidates, {
      key: introduction.key,
      credentials: this.#host.credentials(),
      budget: this.#host.budget,
      route: introduction.dialFirst ? 'direct' : 'dialled back',
      signal: abort.signal,
      note: (attempt) => this.#searcher.note(attempt),
    }).catch(() => null);
    if (channel) this.#searcher.found(channel);
  }

  async #askPunch(): Promise<void> {
    if (this.#host.isCenterThere()) await this.#host.askPunch(this.#searcher.account);
  }

  async #relay({ abort }: Cycle): Promise<void> {
    const { introduction, linked } = this.#searcher;
    if (!introduction || linked !== 'no' || !this.#host.isCenterThere()) return;
    const stream = await this.#host.openTunnel(this.#searcher.account);
    const channel = await this.#host.secure(stream, introduction);
    // A direct way may have been found meanwhile.
    if (abort.signal.aborted || this.#searcher.linked !== 'no') channel.stream.destroy();
    else this.#searcher.found(channel);
  }

  /** The center tells both sides to dial each other now. */
  async punch(to: { address: string; port: number }, inMs: number): Promise<void> {
    const now = performance.now();
    const { introduction, linked } = this.#searcher;
    if (!introduction || linked === 'direct' || !mayBePeer(to, false)) return;
    if (this.#punch && now - this.#punch.atMs < punchEveryMs) return;
    const abort = new AbortController();
    this.#punch = { atMs: now, abort };
    const what = `opening the NATs towards ${endpoint(to.address, to.port)}`;
    await this.#try(what, Math.min(inMs, maxPunchInMs), abort.signal, async () => {
      const channel = await this.#host.punch(introduction, to, abort.signal);
      if (abort.signal.aborted) channel.stream.destroy();
      else this.#searcher.found(channel);
    });
  }

  /** Tries later, and asks the center for where the other is then. */
  again(): void {
    this.#clearRetry();
    const { first, last } = this.#searcher.linked === 'relayed' ? retryMs.relayed : retryMs.unlinked;
    const delayMs = Math.min(last, first * 2 ** Math.min(this.#retries++, 16)) * (0.8 + 0.4 * Math.random());
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.refresh();
      this.begin();
    }, delayMs);
    this.#retry.unref();
  }

  /** Addresses may have changed; the introduction that comes says so. */
  refresh(): void {
    if (this.#host.isCenterThere()) void this.#host.askIntroduction(this.#searcher.account).catch(() => undefined);
  }
}
