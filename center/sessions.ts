// Which connections there are: counted by address before login and after, and one session for each account.
import { ParleyError } from '../shared/errors.ts';
import type { CenterLimits } from './limits.ts';
import type { Session } from './session.ts';

const minuteMs = 60_000;
/** Addresses whose new connections are remembered; above it the oldest are forgotten. */
const maxAddresses = 50_000;

interface Address {
  unauthenticated: number;
  authenticated: number;
  /** New connections in the minute that began then. */
  recent: number;
  minuteStartMs: number;
}

/** What a connection takes up. */
export interface Place {
  readonly address: string;
  readonly loopback: boolean;
  state: 'unauthenticated' | 'authenticated' | 'free';
}

export class Sessions {
  readonly #limits: CenterLimits;
  readonly #nowMs: () => number;
  readonly #byAccount = new Map<number, Session>();
  readonly #all = new Set<Session>();
  readonly #addresses = new Map<string, Address>();
  #unauthenticated = 0;

  constructor(limits: CenterLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Every open connection. */
  all(): Iterable<Session> {
    return this.#all;
  }

  get count(): number {
    return this.#all.size;
  }

  of(account: number): Session | undefined {
    return this.#byAccount.get(account);
  }

  /** A place for a new connection; null where its address, or the center, has as many as it may. Loopback only counts in the whole. */
  connect(counted: string, loopback: boolean): Place | null {
    if (this.#unauthenticated >= this.#limits.maxUnauthenticated) return null;
    const address = this.#address(counted);
    const { maxUnauthenticatedPerAddress, maxNewPerAddressPerMinute } = this.#limits;
    if (!loopback && address.unauthenticated >= maxUnauthenticatedPerAddress) return null;
    if (!loopback && address.recent >= maxNewPerAddressPerMinute) return null;
    address.recent++;
    address.unauthenticated++;
    this.#unauthenticated++;
    return { address: counted, loopback, state: 'unauthenticated' };
  }

  /** The connection is gone. */
  disconnect(place: Place): void {
    const address = this.#address(place.address);
    if (place.state === 'unauthenticated') {
      this.#unauthenticated--;
      address.unauthenticated--;
    } else if (place.state === 'authenticated') address.authenticated--;
    place.state = 'free';
  }

  add(session: Session): void {
    this.#all.add(session);
  }

  /** Throws busy where the address has as many sessions as it may. To be asked before a login ends any other session. */
  admit({ address, loopback }: Place): void {
    if (!loopback && this.#address(address).authenticated >= this.#limits.maxSessionsPerAddress) {
      throw new ParleyError('busy', 'Too many sessions from your address.');
    }
  }

  /** The peer has proved a token: it does not count as a new connection of its address. */
  proved({ address }: Place): void {
    const counted = this.#address(address);
    if (counted.recent > 0) counted.recent--;
  }

  /** The connection belongs to an account now. */
  authenticated(session: Session, account: number, place: Place): void {
    const address = this.#address(place.address);
    if (place.state === 'unauthenticated') {
      this.#unauthenticated--;
      address.unauthenticated--;
      address.authenticated++;
      place.state = 'authenticated';
    }
    this.#byAccount.set(account, session);
  }

  /** account: null for a connection that never logged in. */
  remove(session: Session, account: number | null): void {
    this.#all.delete(session);
    if (account !== null && this.#byAccount.get(account) === session) this.#byAccount.delete(account);
  }

  hasLiveSession(address: string): boolean {
    return (this.#addresses.get(address)?.authenticated ?? 0) > 0;
  }

  #address(key: string): Address {
    const now = this.#nowMs();
    let address = this.#addresses.get(key);
    if (!address) {
      this.#forgetOldest();
      address = { unauthenticated: 0, authenticated: 0, recent: 0, minuteStartMs: now };
      this.#addresses.set(key, address);
    }
    if (now - address.minuteStartMs >= minuteMs) {
      address.recent = 0;
      address.minuteStartMs = now;
    }
    return address;
  }

  #forgetOldest(): void {
    if (this.#addresses.size < maxAddresses) return;
    for (const [key, { unauthenticated, authenticated }] of this.#addresses) {
      if (unauthenticated + authenticated > 0) continue;
      this.#addresses.delete(key);
      return;
    }
  }
}
