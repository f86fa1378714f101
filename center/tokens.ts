// Session tokens: ES256 JWTs (RFC 7519) bound to the key of the peer they were issued to (cnf, RFC 7800).
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JwtPayload } from 'jsonwebtoken';
import { ParleyError } from '../shared/errors.ts';
import { jwt } from '../shared/jwt.ts';
import type { Clock } from './clock.ts';

const algorithm = 'ES256';
/** Tokens of other kinds have their own: none can be taken for another (RFC 8725, 3.11 and 3.12). */
const type = 'parley-session+jwt';
const audience = 'parley-session';
/** What is issued is under 500. */
export const maxTokenLength = 1024;
const accountShape = /^[1-9][0-9]{0,15}$/;

export interface IssuedToken {
  account: number;
  /** Names the session in the account's record. */
  jti: string;
  /** Fingerprint of the peer's key. */
  key: string;
  /** Judged in whole seconds, rounded down. */
  expiresAtMs: number;
}

export class Tokens {
  readonly #issuer: string;
  readonly #clock: Clock;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;

  /** tokenKey: the center's private P-256 key for tokens. */
  constructor(options: { centerId: Uint8Array; tokenKey: KeyObject; clock: Clock }) {
    this.#issuer = Buffer.from(options.centerId).toString('hex');
    this.#clock = options.clock;
    this.#privateKey = options.tokenKey;
    this.#publicKey = createPublicKey(options.tokenKey);
  }

  issue(token: IssuedToken): string {
    const payload = {
      iss: this.#issuer,
      aud: audience,
      sub: String(token.account),
      jti: token.jti,
      iat: this.#seconds(),
      exp: Math.floor(token.expiresAtMs / 1000),
      cnf: { kid: token.key },
    };
    return jwt().sign(payload, this.#privateKey, { algorithm, header: { alg: algorithm, typ: type } });
  }

  /**
   * Whose token it is and which session it names; whether that session still lives, the account's record says.
   * key: fingerprint of the key that the peer has proved. isTicketed: a ticket of this center says that it has issued this
   * token. Throws bad_token, the same for whatever is wrong.
   */
  verify(token: string, key: string, isTicketed = false): IssuedToken {
    const claims = this.#read(token, isTicketed);
    if (claims === null || claims.key !== key) {
      throw new ParleyError('bad_token', 'The token is not valid. Please log in again.');
    }
    return claims;
  }

  #read(token: string, isTicketed: boolean): IssuedToken | null {
    if (token.length > maxTokenLength) return null;
    // Where all come back at once, verifying what this center has signed itself would be a quarter of what each costs.
    const payload = isTicketed ? payloadOf(token) : this.#verified(token);
    if (payload === null) return null;
    const { sub, jti, exp, cnf } = payload;
    // jsonwebtoken lets a token without exp live for ever.
    if (typeof exp !== 'number' || exp <= this.#seconds() || typeof jti !== 'string' || jti === '') return null;
    if (typeof sub !== 'string' || !accountShape.test(sub) || !Number.isSafeInteger(Number(sub))) return null;
    if (typeof cnf?.kid !== 'string') return null;
    return { account: Number(sub), jti, key: cnf.kid, expiresAtMs: exp * 1000 };
  }

  #verified(token: string): JwtPayload | null {
    try {
      const { header, payload } = jwt().verify(token, this.#publicKey, {
        algorithms: [algorithm],
        audience,
        issuer: this.#issuer,
        clockTimestamp: this.#seconds(),
        complete: true,
      });
      return header.typ === type && typeof payload !== 'string' ? payload : null;
    } catch {
      return null;
    }
  }

  #seconds(): number {
    // jsonwebtoken takes 0 for "not given" and would use the wall clock.
    return Math.max(1, Math.floor(this.#clock.now() / 1000));
  }
}

/** What a token says, unverified: a ticket vouches for it. null where it says nothing. */
function payloadOf(token: string): JwtPayload | null {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as JwtPayload;
  } catch {
    return null;
  }
}
