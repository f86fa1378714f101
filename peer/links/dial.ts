// Trying the addresses of another peer: several at once, each a little later than the one before (RFC 8305).
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { asParleyError, ParleyError } from '../../shared/errors.ts';
import { type Credentials, dialLink, secureLink } from '../socket.ts';
import type { Candidate } from './introduction.ts';
import type { LinkChannel, Route } from './link.ts';

/** RFC 8305, 5: the delay before the next address is tried beside those under way. */
const attemptDelayMs = 250;
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

/** IPv6 and IPv4 in turn, IPv6 first (RFC 8305, 4); what the center verified before what is only likely. */
export function inOrder(candidates: Candidate[]): Candidate[] {
  const rank = ({ kind }: Candidate): number => (kind === 'verified' ? 0 : 1);
  const sorted = candidates.toSorted((a, b) => rank(a) - rank(b));
  const six = sorted.filter(({ address }) => isIPv6(address));
  const four = sorted.filter(({ address }) => !isIPv6(address));
  const ordered: Candidate[] = [];
  for (let i = 0; i < Math.max(six.length, four.length); i++)
    ordered.push(...six.slice(i, i + 1), ...four.slice(i, i + 1));
  return ordered;
}

/** The first address at which the right key answers. Rejects with disconnected where none does, cancelled by the signal. */
export async function dialFirstOf(candidates: Candidate[], options: DialOptions): Promise<LinkChannel> {
  if (candidates.length === 0) throw new ParleyError('disconnected', 'No address of the other side is known.');
  const abort = new AbortController();
  const signal = AbortSignal.any([options.signal, abort.signal]);
  const tries = inOrder(candidates).map(async (candidate, index) => {
    if (index > 0) await wait(index * attemptDelayMs, undefined, { signal });
    const channel = await dialOne(candidate, { ...options, signal });
    if (signal.aborted) {
      channel.stream.destroy();
      throw new ParleyError('cancelled', 'Another address was faster.');
    }
    abort.abort();
    return channel;
  });
  try {
    return await Promise.any(tries);
  } catch {
    if (options.signal.aborted) throw new ParleyError('cancelled', 'Dialling was given up.');
    throw new ParleyError('disconnected', 'No address of the other side answered.');
  }
}

async function dialOne({ address, port }: Candidate, options: DialOptions): Promise<LinkChannel> {
  const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  try {
    const socket = await dialLink({ address, port, timeoutMs: dialTimeoutMs, signal: options.signal });
    return await secureOutgoing(socket, where, options);
  } catch (error) {
    const reason = asParleyError(error);
    if (!options.signal.aborted) options.note({ what: `dialled ${where}`, outcome: reason.message });
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
    throw new ParleyError('bad_signature', `${where} is somebody else: it showed another key.`);
  }
  return { ...secured, isClient: true, route, where };
}
