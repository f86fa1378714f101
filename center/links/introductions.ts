// Introductions: tokens with which two peers recognise each other without the center, and where each may be found.
import { randomBytes } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import { isLoopback } from '../../shared/address.ts';
import { jwt } from '../../shared/jwt.ts';
import type { Clock } from '../clock.ts';
import type { CenterIdentity } from '../identity.ts';

// RFC 8725, 3.11: a token of one kind is never taken for another.
const algorithm = 'ES256';
const type = 'parley-introduction+jwt';
const audience = 'parley-introduction';
const dayMs = 24 * 3_600_000;
const jtiBytes = 16;

/** One side of an introduction. */
export interface Introduced {
  account: number;
  /** Fingerprint of its key. */
  key: string;
}

/** An ES256 JWT that names both; good for a day, or as long as the consent if that is shorter. */
export function issueIntroduction(
  { identity, clock }: { identity: CenterIdentity; clock: Clock },
  asker: Introduced,
  giver: Introduced,
  consentUntilMs: number,
): { token: string; expiresAtMs: number } {
  const now = clock.now();
  const expiresAtMs = Math.min(consentUntilMs, now + dayMs);
  const peers = [asker, giver].map(({ account, key }) => ({ account: String(account), key }));
  const payload = { peers, iat: Math.floor(now / 1000), exp: Math.floor(expiresAtMs / 1000) };
  const token = jwt().sign(payload, identity.tokenKey, {
    algorithm,
    header: { alg: algorithm, typ: type },
    issuer: identity.centerId.toString('hex'),
    audience,
    jwtid: randomBytes(jtiBytes).toString('base64url'),
  });
  return { token, expiresAtMs };
}

/** What is known of where an attached peer can be reached. */
export interface Reach {
  /** As the center sees its connection. */
  address: string;
  counted: string;
  loopback: boolean;
  /** The peer's own port; 0: none. */
  listenPort: number;
  /** Private addresses that the peer told. */
  local: readonly string[];
  /** The center found the peer's key at its address and port. */
  verified: boolean;
}

export interface Candidate {
  kind: 'verified' | 'local';
  address: string;
  port: number;
}

const maxLocal = 8;

/** 10/8, 172.16/12, 192.168/16, 169.254/16, fc00::/7, fe80::/10. */
function isPrivate(address: string): boolean {
  if (isIPv6(address)) return /^f[cd]|^fe[89ab]/i.test(address);
  return /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address);
}

/** Of what a peer tells, what may be handed out at all. */
export function admissibleLocal(addresses: string[]): string[] {
  const good = addresses.filter((address) => isIP(address) > 0 && (isPrivate(address) || isLoopback(address)));
  return [...new Set(good)].slice(0, maxLocal);
}

/** Where `of` can be reached, as far as `by` may know: no other address is ever handed out. */
export function candidatesOf(of: Reach, by: Reach): Candidate[] {
  if (of.listenPort === 0) return [];
  const found: Candidate[] = [];
  if (of.verified && (!of.loopback || by.loopback)) {
    found.push({ kind: 'verified', address: of.address, port: of.listenPort });
  }
  if (of.counted === by.counted || (of.loopback && by.loopback)) {
    for (const address of of.local) {
      // Loopback is the same machine only where both reach the center over it.
      if (isLoopback(address) && !(of.loopback && by.loopback)) continue;
      found.push({ kind: 'local', address, port: of.listenPort });
    }
  }
  return found;
}
