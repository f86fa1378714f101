// Which connections there are: counted by address before login and after, and one session for each account.
import { ParleyError } from '../shared/errors.ts';
import type { CenterLimits } from './limits.ts';
import type { Session } from './session.ts';
import type { Ticket } from './tickets.ts';

const minuteMs = 60_000;
/** Addresses whose new connections are remembered; above it the oldest are forgotten. */
const maxAddresses = 50_000;

interface Address {
  unauthenticated: number;
  authenticated: number;
  /** Being judged: they may be authenticated soon. */
  entering: number;
  /** New connections in the minute that began then. */
  recent: number;
  minuteStartMs: number;
}

/** Where a connection comes from, what its TLS is bound to, and as what it is counted. */
export interface Origin {
  readonly address: string;
  /** As counted: an IPv4 address or an IPv6 /64. */
  readonly counted: string;
  /** Of the other side. */
  readonly port: number;
  readonly loopback: boolean;
  /** RFC 9266; empty without TLS, and after login. Derived when it is asked for: whoever shows a ticket signs nothing. */
  exporter: () => Uint8Array;
  /** With which its TLS was opened: both sides have proved themselves by it. */
  ticket: Ticket | null;
  //   free ──connect──▶ waiting ──begin──▶ begun ──login──▶ authenticated;   any ──disconnect──▶ free
  place: 'free' | 'waiting' | 'begun' | 'authenticated';
}

/** Without TLS there is nothing to be bound to. */
export const noExporter = (): Uint8Array => nothing;
const nothing = new Uint8Array();

export class Sessions {
  readonly #limits: CenterLimits;
  readonly #nowMs: () => number;
  readonly #byAccount = new Map<number, Session>();
  readonly #all = new Set<Session>();
  readonly #addresses = new Map<string, Address>();
  /** Waiting or begun. */
  #unauthenticated = 0;
  #begun = 0;
  /** Called when one of those that have begun has logged in or is gone. */
  onRoom: () => void = () => undefined;

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

  /** Gives a new connection a place; false where its address, or the center, has as many as it may. Loopback only counts in the whole. */
  connect(from: Origin): boolean {
    if (this.#unauthenticated >= this.#limits.maxUnauthenticated) return false;
    const { counted, loopback } = from;
    const address = this.#address(counted);
    const { maxUnauthenticatedPerAddress, maxNewPerAddressPerMinute } = this.#limits;
    if (!loopback && address.unauthenticated >= maxUnauthenticatedPerAddress) return false;
    if (!loopback && address.recent >= maxNewPerAddressPerMinute) return false;
    address.recent++;
    address.unauthenticated++;
    this.#unauthenticated++;
    from.place = 'waiting';
    return true;
  }

  /** Handshake and login begin; false where as many as may have begun and are not done. */
  begin(from: Origin): boolean {
    if (from.place !== 'waiting' || this.#begun >= this.#limits.maxLoginsAtOnce) return false;
    from.place = 'begun';
    this.#begun++;
    return true;
  }

  /** The connection is gone. */
  disconnect(from: Origin): void {
    if (from.place === 'authenticated') this.#address(from.counted).authenticated--;
    else this.#leave(from);
    from.place = 'free';
  }

  #leave({ place, counted }: Origin): void {
    if (place !== 'waiting' && place !== 'begun') return;
    this.#unauthenticated--;
    this.#address(counted).unauthenticated--;
    if (place === 'waiting') return;
    this.#begun--;
    this.onRoom();
  }

  add(session: Session): void {
    this.#all.add(session);
  }

  /**
   * A login begins. Throws busy where the address has as many sessions as it may, those included that are being judged:
   * before it ends any other session.
   */
  enter({ counted, loopback }: Origin): void {
    const address = this.#address(counted);
    if (!loopback && address.authenticated + address.entering >= this.#limits.maxSessionsPerAddress) {
      throw new ParleyError('busy', 'Too many sessions from your address.');
    }
    address.entering++;
  }

  /** The login that began is judged. */
  entered({ counted }: Origin): void {
    this.#address(counted).entering--;
  }

  /** The peer has proved a token: it does not count as a new connection of its address. */
  proved({ counted }: Origin): void {
    const address = this.#address(counted);
    if (address.recent > 0) address.recent--;
  }

  /** The connection belongs to an account now. */
  authenticated(session: Session, account: number): void {
    const { from } = session;
    if (from.place === 'waiting' || from.place === 'begun') {
      this.#leave(from);
      this.#address(from.counted).authenticated++;
      from.place = 'authenticated';
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
      address = { unauthenticated: 0, authenticated: 0, entering: 0, recent: 0, minuteStartMs: now };
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
    for (const [key, { unauthenticated, authenticated, entering }] of this.#addresses) {
      if (unauthenticated + authenticated + entering > 0) continue;
      this.#addresses.delete(key);
      return;
    }
  }
}
