// Introductions as the peer holds them: whom it may link with, by which key, where to look, and until when.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { ParleyError } from '../../shared/errors.ts';
import { tokenKeyProof, verifyProof } from '../../shared/identity.ts';
import { jwt } from '../../shared/jwt.ts';
import type { parley } from '../../shared/protocol.js';
import { safeLine } from '../../shared/text.ts';

const maxTokenLength = 2048;
const leewaySeconds = 60;

export interface Candidate {
  kind: 'verified' | 'local';
  address: string;
  port: number;
}

/** One side, as a token names it. */
export interface Introduced {
  account: number;
  /** Fingerprint. */
  key: string;
}

export interface Introduction extends Introduced {
  name: string;
  token: string;
  /** By the center's time, as are all here. */
  expiresAtMs: number;
  consentUntilMs: number;
  /** Until either logs out or quits. */
  once: boolean;
  /** This side tries first. */
  dialFirst: boolean;
  fresh: boolean;
  candidates: Candidate[];
}

const maxCandidates = 16;

export function readIntroduction(frame: parley.Introduction.$Properties): Introduction {
  const candidates = (frame.candidates ?? []).slice(0, maxCandidates).map(
    ({ kind, address, port }): Candidate => ({
      kind: kind === 1 ? 'verified' : 'local',
      address: address ?? '',
      port: port ?? 0,
    }),
  );
  return {
    account: frame.account ?? 0,
    name: safeLine(frame.name ?? ''),
    key: frame.key ?? '',
    token: frame.token ?? '',
    expiresAtMs: frame.expiresAtMs ?? 0,
    consentUntilMs: frame.consentUntilMs ?? 0,
    once: frame.once ?? false,
    dialFirst: frame.dialFirst ?? false,
    fresh: frame.fresh ?? false,
    candidates,
  };
}

/** What the center's Hello says of the key that signs introductions. */
export interface TokenKeyClaim {
  centerId: Uint8Array;
  identityKey: Uint8Array;
  tokenKey: Uint8Array;
  tokenKeySignature: Uint8Array;
}

/** Judges introductions without asking the center. */
export class IntroductionJudge {
  readonly #self: Introduced;
  readonly #issuer: string;
  readonly #key: KeyObject;
  readonly #nowMs: () => number;

  /** nowMs: the center's time. Throws bad_signature where the center's identity does not vouch for the key. */
  constructor(self: Introduced, claim: TokenKeyClaim, nowMs: () => number) {
    const { centerId, identityKey, tokenKey, tokenKeySignature } = claim;
    if (!verifyProof(identityKey, tokenKeyProof(centerId, tokenKey), tokenKeySignature)) {
      throw new ParleyError('bad_signature', 'The key that signs introductions is not the center’s.');
    }
    this.#self = self;
    this.#issuer = Buffer.from(centerId).toString('hex');
    this.#key = createPublicKey({ key: Buffer.from(tokenKey), format: 'der', type: 'spki' });
    this.#nowMs = nowMs;
  }

  /** The other side that a token names. Throws bad_token for one that is expired, altered, of another center or for others. */
  other(token: string): Introduced {
    const peers = this.#peers(token);
    const mine = peers.findIndex(({ account, key }) => account === this.#self.account && key === this.#self.key);
    const other = peers[1 - mine];
    if (mine < 0 || !other || other.account === this.#self.account) {
      throw new ParleyError('bad_token', 'The introduction is for somebody else.');
    }
    return other;
  }

  #peers(token: string): Introduced[] {
    if (token.length > maxTokenLength) throw new ParleyError('bad_token', 'The introduction is too long.');
    let payload: unknown;
    try {
      const { header, payload: claims } = jwt().verify(token, this.#key, {
        algorithms: ['ES256'],
        issuer: this.#issuer,
        audience: 'parley-introduction',
        clockTimestamp: Math.floor(this.#nowMs() / 1000),
        clockTolerance: leewaySeconds,
        complete: true,
      });
      if (header.typ !== 'parley-introduction+jwt') throw new Error('a token of another kind');
      if (typeof claims === 'string' || claims.exp === undefined) throw new Error('a token without an end');
      payload = claims;
    } catch {
      throw new ParleyError('bad_token', 'The introduction is expired, altered or not from this center.');
    }
    const peers = (payload as { peers?: unknown }).peers;
    if (!Array.isArray(peers) || peers.length !== 2)
      throw new ParleyError('bad_token', 'The introduction names nobody.');
    return peers.map((peer: { account?: unknown; key?: unknown }) => ({
      account: Number(peer.account),
      key: String(peer.key),
    }));
  }
}
