// Trying the addresses of another peer: several at once, each a little later than the one before (RFC 8305).
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { asParleyError, ParleyError } from '../../shared/errors.ts';
import { firstOf, interleaved } from '../race.ts';
import { attemptDelayMs, type Credentials, dialLink, secureLink } from '../socket.ts';
import type { Candidate } from './introduction.ts';
import type { LinkChannel, Route } from './link.ts';

const dialTimeoutMs = 4_000;

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
  signal: AbortSignal;
  note(attempt: Attempt): void;
}

/** What the center verified before what is only likely; IPv6 and IPv4 in turn, IPv6 first (RFC 8305, 4). */
export function inOrder(candidates: readonly Candidate[]): Candidate[] {
  const rank = ({ kind, address }: Candidate): number => (kind === 'verified' ? 0 : 2) + (isIPv6(address) ? 0 : 1);
  return interleaved(
    candidates.toSorted((a, b) => rank(a) - rank(b)),
    ({ address }) => isIPv6(address),
  );
}

/** The first address at which the right key answers. Rejects with disconnected where none does, cancelled by the signal. */
export function dialFirstOf(candidates: readonly Candidate[], options: DialOptions): Promise<LinkChannel> {
  return firstOf(inOrder(candidates), {
    attempt: (candidate, signal) => dialOne(candidate, { ...options, signal }),
    discard: ({ stream }) => stream.destroy(),
    delayMs: attemptDelayMs,
    signal: options.signal,
  });
}

async function dialOne({ address, port }: Candidate, options: DialOptions): Promise<LinkChannel> {
  const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  try {
    const socket = await dialLink({ address, port, timeoutMs: dialTimeoutMs, signal: options.signal });
    return await secureOutgoing(socket, where, options);
  } catch (error) {
    const reason = asParleyError(error);
    if (!options.signal.aborted) options.note({ what: 'dialled', outcome: reason.message });
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
    throw new ParleyError(
      'bad_signature',
      `${where || 'The other end of the relay'} is somebody else: it showed another key.`,
    );
  }
  return { ...secured, isClient: true, route, where };
}
