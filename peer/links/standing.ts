// Where one other account stands: whether it may be linked with, by which key, and until when.
import { longestTimerMs } from '../longest-timer.ts';
import { type Ending, endingOf } from './ending.ts';
import type { Introduction } from './introduction.ts';
import type { KnownKey } from './private-store.ts';

/** An introduction that has run out is asked for so often. */
const askAgainMs = 10_000;

type State =
  | { kind: 'unknown' }
  | { kind: 'introduced'; introduction: Introduction }
  /** Its key is none of those known: nothing is linked until the user says so. */
  | { kind: 'new key'; introduction: Introduction }
  /** With what was said of it last. by: the user here, the other side (or the time), or the center. */
  | { kind: 'ended'; ending: Ending; by: EndedBy; introduction: Introduction | null };

export type EndedBy = 'user' | 'other' | 'center';

export interface StandingOptions {
  account: number;
  /** The keys that accounts are known by. Where none was ever known, the first is taken. */
  keys: {
    keys(account: number): KnownKey[];
    trust(account: number, key: string, verified: boolean): void;
    untrust(account: number): void;
  };
  /** The center's time. */
  nowMs(): number;
  /** The time of the consent is over, or of what proves it. */
  onExpired(what: 'consent' | 'introduction'): void;
}

export class Standing {
  readonly #options: StandingOptions;
  #state: State = { kind: 'unknown' };
  /** Since when there is the consent, as far as is known here. */
  #sinceMs = 0;
  #expiry: NodeJS.Timeout | null = null;

  constructor(options: StandingOptions) {
    this.#options = options;
  }

  get kind(): State['kind'] {
    return this.#state.kind;
  }

  /** null while nothing may be linked. */
  get introduction(): Introduction | null {
    return this.#state.kind === 'introduced' ? this.#state.introduction : null;
  }

  /** How long the consent is known. */
  get ageMs(): number {
    return performance.now() - this.#sinceMs;
  }

  /** How it ended; null where it did not. */
  get ending(): Ending | null {
    return this.#state.kind === 'ended' ? this.#state.ending : null;
  }

  /** Whether this is the consent that one of the two has ended, and the center has yet to hear of it. */
  isOver({ fresh, consentUntilMs }: Introduction): boolean {
    if (this.#state.kind !== 'ended' || this.#state.by === 'center' || fresh) return false;
    const { ending, introduction } = this.#state;
    return ending.away === null && introduction?.consentUntilMs === consentUntilMs;
  }

  /** The center introduces it. Returns whether its key is a known one, or new, or the new one of before. */
  meet(introduction: Introduction): 'known' | 'new key' | 'same new key' {
    const { account, keys } = this.#options;
    const known = keys.keys(account);
    if (known.length === 0) keys.trust(account, introduction.key, false);
    else if (!known.some(({ key }) => key === introduction.key)) return this.#doubt(introduction);
    if (introduction.fresh || this.#state.kind !== 'introduced') this.#sinceMs = performance.now();
    this.#state = { kind: 'introduced', introduction };
    this.#watchExpiry(introduction);
    return 'known';
  }

  #doubt(introduction: Introduction): 'new key' | 'same new key' {
    const isSame = this.#state.kind === 'new key' && this.#state.introduction.key === introduction.key;
    this.#state = { kind: 'new key', introduction };
    return isSame ? 'same new key' : 'new key';
  }

  /** The user vouches for the key that was doubted. Returns the introduction that says it; null where none does. */
  trust(): Introduction | null {
    if (this.#state.kind !== 'new key') return null;
    const { introduction } = this.#state;
    this.#options.keys.trust(this.#options.account, introduction.key, false);
    return introduction;
  }

  /** Forgets all its keys: the next one is doubted, whichever it is. */
  untrust(): void {
    this.#options.keys.untrust(this.#options.account);
    if (this.introduction) this.#state = { kind: 'new key', introduction: this.introduction };
  }

  isVerified(key: string): boolean {
    return this.#options.keys.keys(this.#options.account).some((known) => known.key === key && known.verified);
  }

  /** The user has compared it. */
  verified(key: string): void {
    this.#options.keys.trust(this.#options.account, key, true);
  }

  /** Until the next introduction nothing may be linked. */
  end(name: string, code: string, by: EndedBy): Ending {
    const introduction = this.#state.kind === 'unknown' ? null : this.#state.introduction;
    const before = this.#state;
    if (before.kind === 'ended' && before.by !== 'center' && by === 'center' && before.ending.code === code) {
      // It has heard of it now. Who has ended it is known here, and not by what the center says.
      this.#state = { ...before, by };
      return before.ending;
    }
    const ending = endingOf({ name, code, own: by === 'user', introduction, nowMs: this.#options.nowMs() });
    this.#state = { kind: 'ended', ending, by, introduction };
    this.#stopWatching();
    return ending;
  }

  forget(): void {
    this.#state = { kind: 'unknown' };
    this.#stopWatching();
  }

  #watchExpiry({ consentUntilMs, expiresAtMs }: Introduction): void {
    this.#stopWatching();
    const untilMs = Math.min(consentUntilMs, expiresAtMs);
    this.#lookIn(Math.min(Math.max(0, untilMs - this.#options.nowMs()), longestTimerMs));
  }

  #lookIn(delayMs: number): void {
    this.#expiry = setTimeout(() => this.#lookAtExpiry(), delayMs);
    this.#expiry.unref();
  }

  #lookAtExpiry(): void {
    const { introduction } = this;
    if (!introduction) return;
    const now = this.#options.nowMs();
    if (introduction.consentUntilMs <= now) this.#options.onExpired('consent');
    else if (introduction.expiresAtMs > now) this.#watchExpiry(introduction);
    else {
      this.#options.onExpired('introduction');
      // Until there is another, or none: the center may never answer, and may go.
      if (this.introduction === introduction) this.#lookIn(Math.min(askAgainMs, introduction.consentUntilMs - now));
    }
  }

  #stopWatching(): void {
    if (this.#expiry) clearTimeout(this.#expiry);
    this.#expiry = null;
  }
}
