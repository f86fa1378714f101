// Trying the addresses of another peer: several at once, each a little later than the one before (RFC 8305), and none so
// often that it could harm whoever is there.
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { isLoopback, plainAddress } from '../../shared/address.ts';
import { asParleyError, ParleyError } from '../../shared/errors.ts';
import { endpoint } from '../addresses.ts';
import { firstOf, interleaved } from '../race.ts';
import { attemptDelayMs, type Credentials, dialLink, secureLink } from '../socket.ts';
import type { Candidate } from './introduction.ts';
import type { LinkChannel, Route } from './link.ts';

const dialTimeoutMs = 4_000;
/** Below are other services than peers. */
const leastPort = 1024;

/** What became of one try, for `why`. */
export interface Attempt {
  what: string;
  outcome: string;
}

export interface DialOptions {
  /** Fingerprint that the other side must prove. */
  key: string;
  credentials: Credentials;
  route: Route;
  budget: DialBudget;
  signal: AbortSignal;
  note(attempt: Attempt): void;
}

/** A candidate as one word. */
export function placeOf({ address, port }: Candidate): string {
  return endpoint(address, port);
}

/** What the center verified before what is only likely; IPv6 and IPv4 in turn, IPv6 first (RFC 8305, 4). */
export function inOrder(candidates: readonly Candidate[]): Candidate[] {
  const rank = ({ kind, address }: Candidate): number => (kind === 'verified' ? 0 : 2) + (isIPv6(address) ? 0 : 1);
  return interleaved(
    candidates.toSorted((a, b) => rank(a) - rank(b)),
    ({ address }) => isIPv6(address),
  );
}

/** False for what no peer's port can be: nobody is to be made to knock at other services, or at those of this machine. */
export function mayBePeer({ address, port }: { address: string; port: number }, overLoopback: boolean): boolean {
  return port >= leastPort && (overLoopback || !isLoopback(address));
}

const targetBurst = 5;
const targetEveryMs = 15_000;
const allBurst = 60;
const allEveryMs = 1_000;
const wrongForMs = 600_000;
const maxTargets = 1000;

interface Bucket {
  left: number;
  atMs: number;
}

/** How often which address may be dialled: what the center says is not always true. */
export class DialBudget {
  readonly #all: Bucket = { left: allBurst, atMs: 0 };
  readonly #targets = new Map<string, Bucket>();
  readonly #wrong = new Map<string, number>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#all.atMs = nowMs();
  }

  /** True if it may be dialled now, which then counts. */
  take(candidate: Candidate): boolean {
    const place = placeOf(candidate);
    const now = this.#nowMs();
    const wrongAtMs = this.#wrong.get(place);
    if (wrongAtMs !== undefined && now - wrongAtMs < wrongForMs) return false;
    let target = this.#targets.get(place);
    if (!target) {
      target = { left: targetBurst, atMs: now };
      remember(this.#targets, place, target);
    }
    refill(target, targetBurst, targetEveryMs, now);
    refill(this.#all, allBurst, allEveryMs, now);
    if (target.left < 1 || this.#all.left < 1) return false;
    target.left--;
    this.#all.left--;
    return true;
  }

  /** Somebody else is there. */
  wrong(candidate: Candidate): void {
    remember(this.#wrong, placeOf(candidate), this.#nowMs());
  }
}

function refill(bucket: Bucket, burst: number, everyMs: number, now: number): void {
  bucket.left = Math.min(burst, bucket.left + (now - bucket.atMs) / everyMs);
  bucket.atMs = now;
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > maxTargets && oldest !== undefined) map.delete(oldest);
}

/** The first address at which the right key answers. Rejects with disconnected where none does, cancelled by the signal. */
export async function dialFirstOf(candidates: readonly Candidate[], options: DialOptions): Promise<LinkChannel> {
  const due = inOrder(candidates).filter((candidate) => options.budget.take(candidate));
  if (due.length === 0) throw new ParleyError('rate_limited', 'Its addresses were dialled too often of late.');
  return firstOf(due, {
    attempt: (candidate, signal) => dialOne(candidate, { ...options, signal }),
    discard: ({ stream }) => stream.destroy(),
    delayMs: attemptDelayMs,
    signal: options.signal,
  });
}

async function dialOne(candidate: Candidate, options: DialOptions): Promise<LinkChannel> {
  const { address, port } = candidate;
  const { signal } = options;
  try {
    const socket = await dialLink({ address, port, timeoutMs: dialTimeoutMs, signal });
    const localAddress = plainAddress(socket.localAddress ?? '');
    return { ...(await secureOutgoing(socket, placeOf(candidate), options)), localAddress };
  } catch (error) {
    const reason = asParleyError(error);
    if (reason.code === 'bad_signature') options.budget.wrong(candidate);
    if (!signal.aborted) options.note({ what: 'dialled', outcome: reason.message });
    throw reason;
  }
}

/** TLS as the client, and the right key at the other end. */
export async function secureOutgoing(
  stream: Duplex,
  where: string,
  { key, credentials, route }: Pick<DialOptions, 'key' | 'credentials' | 'route'>,
): Promise<LinkChannel> {
  const secured = await secureLink(stream, 'client', credentials);
  if (secured.key !== key) {
    secured.stream.destroy();
    const who = where || 'The other end of the relay';
    throw new ParleyError('bad_signature', `${who} is somebody else: it showed another key.`);
  }
  return { ...secured, isClient: true, route, where, localAddress: '' };
}
