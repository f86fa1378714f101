// Who may register from where, how often, and with which invite.
import { createHash, randomInt } from 'node:crypto';
import { ParleyError } from '../shared/errors.ts';
import type { Clock } from './clock.ts';
import type { InviteRecord } from './store/store.ts';

export type RegistrationMode = 'open' | 'invite' | 'closed';

const hourMs = 3_600_000;
const defaultMaxPerHour = 5;
/** Addresses whose registrations are remembered; above it the oldest are forgotten. */
const defaultMaxAddresses = 50_000;

/** Crockford's: none of its letters can be taken for a digit or another letter. */
const letters = '0123456789abcdefghjkmnpqrstvwxyz';
const groups = 7;
const groupLength = 4;
const defaultInviteLifetimeMs = 7 * 24 * hourMs;

export interface RegistrationOptions {
  clock: Clock;
  /** For every address; unless given: open over loopback, else by invite. */
  mode?: RegistrationMode;
  /** Accounts registered in an hour from an address; 0: no limit. */
  maxPerHour?: number;
  /** Addresses remembered. */
  maxAddresses?: number;
}

export class Registration {
  readonly #clock: Clock;
  readonly #mode: RegistrationMode | undefined;
  readonly #maxPerHour: number;
  readonly #maxAddresses: number;
  /** When each address registered, in the last hour; the longest silent address first. */
  readonly #timesMs = new Map<string, number[]>();

  constructor(options: RegistrationOptions) {
    this.#clock = options.clock;
    this.#mode = options.mode;
    this.#maxPerHour = options.maxPerHour ?? defaultMaxPerHour;
    this.#maxAddresses = options.maxAddresses ?? defaultMaxAddresses;
  }

  modeFor(from: { loopback: boolean }): RegistrationMode {
    return this.#mode ?? (from.loopback ? 'open' : 'invite');
  }

  /**
   * The hash of the invite that registering will use up, undefined where none is needed.
   * invites: those of the store. Throws registration_closed or invite_needed.
   */
  admit(from: { loopback: boolean }, invite: string, invites: InviteRecord[]): string | undefined {
    const mode = this.modeFor(from);
    if (mode === 'open') return undefined;
    if (mode === 'closed') {
      throw new ParleyError('registration_closed', 'Accounts are made by the operator of this center.');
    }
    if (invite === '') throw new ParleyError('invite_needed', 'An invite from the operator is needed to register.');
    const code = inviteHash(invite);
    const now = this.#clock.now();
    const good = invites.some((one) => one.code === code && one.usesLeft > 0 && one.expiresAtMs > now);
    if (!good) throw new ParleyError('invite_needed', 'The invite is not valid, used up or expired.');
    return code;
  }

  /**
   * Runs act as one of the address's registrations in this hour; one that fails is not counted.
   * address: as counted. Throws rate_limited.
   */
  async count<T>(address: string, act: () => Promise<T>): Promise<T> {
    const timeMs = this.#take(address);
    try {
      return await act();
    } catch (error) {
      this.#giveBack(address, timeMs);
      throw error;
    }
  }

  // Counted before the act, so that many at once cannot pass together.
  #take(address: string): number {
    const now = this.#clock.now();
    const recent = (this.#timesMs.get(address) ?? []).filter((timeMs) => timeMs > now - hourMs);
    const oldest = recent[0];
    if (this.#maxPerHour > 0 && recent.length >= this.#maxPerHour && oldest !== undefined) {
      throw new ParleyError('rate_limited', 'Too many accounts were registered from your address. Please try later.', {
        retryAfterMs: oldest + hourMs - now,
      });
    }
    if (this.#maxPerHour > 0) recent.push(now);
    this.#timesMs.delete(address);
    this.#timesMs.set(address, recent);
    for (const other of this.#timesMs.keys()) {
      if (this.#timesMs.size <= this.#maxAddresses) break;
      this.#timesMs.delete(other);
    }
    return now;
  }

  #giveBack(address: string, timeMs: number): void {
    const times = this.#timesMs.get(address) ?? [];
    const index = times.indexOf(timeMs);
    if (index >= 0) times.splice(index, 1);
    if (times.length === 0) this.#timesMs.delete(address);
  }
}

/** A new invite: the code to hand out (140 random bits, shown once), and the record to store, which has only its hash. */
export function newInvite(options: { nowMs: number; lifetimeMs?: number; uses?: number }): {
  code: string;
  record: InviteRecord;
} {
  const group = () => Array.from({ length: groupLength }, () => letters[randomInt(letters.length)]).join('');
  const code = Array.from({ length: groups }, group).join('-');
  const expiresAtMs = options.nowMs + (options.lifetimeMs ?? defaultInviteLifetimeMs);
  const record = { code: inviteHash(code), createdAtMs: options.nowMs, expiresAtMs, usesLeft: options.uses ?? 1 };
  return { code, record };
}

/** SHA-256, hex, of the code as it was meant: without regard to case, hyphens, spaces and letters taken for digits. */
export function inviteHash(code: string): string {
  const meant = code
    .toLowerCase()
    .replace(/[\s-]+/g, '')
    .replaceAll('o', '0')
    .replace(/[il]/g, '1');
  return createHash('sha256').update(meant).digest('hex');
}
