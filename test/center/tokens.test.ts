import { createHmac, type KeyObject, randomBytes, sign } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import jwt from 'jsonwebtoken';
import sinon from 'sinon';
import { Clock } from '../../center/clock.ts';
import { maxTokenLength, Tokens } from '../../center/tokens.ts';
import { ParleyError } from '../../shared/errors.ts';
import { generateKey, publicDer } from '../../shared/identity.ts';

const startMs = Date.UTC(2026, 10, 21);
const dayMs = 86_400_000;
const key = 'SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0';

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** Any header and payload, properly signed. */
function forge(tokenKey: KeyObject, header: object, payload: unknown): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: tokenKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

describe('Tokens', () => {
  const centerId = randomBytes(16);
  const tokenKey = generateKey();
  let nowMs: number;
  let tokens: Tokens;
  const header = { alg: 'ES256', typ: 'parley-session+jwt' };
  const payload = {
    iss: centerId.toString('hex'),
    aud: 'parley-session',
    sub: '4294967296',
    jti: 'session-1',
    iat: startMs / 1000,
    exp: startMs / 1000 + 60,
    cnf: { kid: key },
  };

  afterEach(() => sinon.restore());

  beforeEach(() => {
    nowMs = startMs;
    const clock = new Clock(
      0,
      () => startMs,
      () => nowMs - startMs,
    );
    tokens = new Tokens({ centerId, tokenKey, clock });
  });

  const issue = () => tokens.issue({ account: 2 ** 32, jti: 'session-1', key, expiresAtMs: startMs + 30 * dayMs });

  function expectRefused(token: string, withKey = key, isTicketed = false): void {
    let thrown: unknown;
    try {
      tokens.verify(token, withKey, isTicketed);
    } catch (error) {
      thrown = error;
    }
    expect(thrown, token.slice(0, 200)).to.be.instanceOf(ParleyError);
    expect((thrown as ParleyError).code).to.equal('bad_token');
    expect((thrown as ParleyError).message).to.equal('The token is not valid. Please log in again.');
  }

  it('say whose they are and which session they name', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.base64String({ minLength: 1 }),
        (account, jti) => {
          const token = tokens.issue({ account, jti, key, expiresAtMs: startMs + dayMs });
          expect(tokens.verify(token, key)).to.deep.equal({ account, jti, key, expiresAtMs: startMs + dayMs });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('carry the claims of RFC 7519 and 7800 and no more', () => {
    const decoded = jwt.decode(issue(), { complete: true });
    expect(decoded?.header).to.deep.equal(header);
    expect(decoded?.payload).to.deep.equal({ ...payload, exp: startMs / 1000 + 30 * 86_400 });
  });

  it('are well under the length that is read', () => {
    const account = 2 ** 53 - 1;
    const jti = 'x'.repeat(36);
    const token = tokens.issue({ account, jti, key, expiresAtMs: startMs + dayMs });
    expect(token.length).to.be.below(600);
    expectRefused(token + 'x'.repeat(maxTokenLength));
    expectRefused('x'.repeat(10_000_000));
  });

  it('end at their time by the clock of the center', () => {
    const token = tokens.issue({ account: 5, jti: 'a', key, expiresAtMs: startMs + 60_000 });
    nowMs = startMs + 59_999;
    expect(tokens.verify(token, key).account).to.equal(5);
    nowMs = startMs + 60_000;
    expectRefused(token);
  });

  it('are good only with the key they were issued to', () => {
    expectRefused(issue(), 'SHA256:another');
    expectRefused(issue(), '');
  });

  it('of another center, or signed by another key, are refused', () => {
    const clock = new Clock(startMs);
    const token = { account: 5, jti: 'a', key, expiresAtMs: startMs + dayMs };
    const ofAnotherKey = new Tokens({ centerId, tokenKey: generateKey(), clock }).issue(token);
    expectRefused(ofAnotherKey);
    const ofAnotherCenter = new Tokens({ centerId: randomBytes(16), tokenKey, clock }).issue(token);
    expectRefused(ofAnotherCenter);
  });

  it('that a ticket vouches for are good without looking at the signature, and end as others do', () => {
    const verify = sinon.spy(jwt, 'verify');
    const token = issue();
    expect(tokens.verify(token, key, true).jti).to.equal('session-1');
    expect(verify.callCount).to.equal(0);
    expectRefused(token, 'SHA256:another', true);
    nowMs = startMs + 30 * dayMs;
    expectRefused(token, key, true);
    expect(verify.callCount).to.equal(0);
  });

  it('are refused for any wrong claim, properly signed as they may be', () => {
    expect(tokens.verify(forge(tokenKey, header, payload), key).jti).to.equal('session-1');
    const wrong: object[] = [
      { aud: 'parley-script' },
      { aud: undefined },
      { iss: 'other' },
      { iss: undefined },
      { exp: undefined },
      { exp: 'never' },
      { exp: startMs / 1000 },
      { nbf: startMs / 1000 + 10 },
      { jti: undefined },
      { jti: '' },
      { jti: 7 },
      { sub: undefined },
      { sub: '' },
      { sub: '0' },
      { sub: '-1' },
      { sub: '1e3' },
      { sub: '01' },
      { sub: '9999999999999999' },
      { sub: 4294967296 },
      { cnf: undefined },
      { cnf: null },
      { cnf: {} },
      { cnf: { kid: [key] } },
      { cnf: key },
    ];
    for (const change of wrong) expectRefused(forge(tokenKey, header, { ...payload, ...change }));
  });

  it('are refused for another type, so that no other kind of token passes', () => {
    for (const typ of ['JWT', 'parley-introduction+jwt', '', undefined, 'PARLEY-SESSION+JWT']) {
      expectRefused(forge(tokenKey, { ...header, typ }, payload));
    }
  });

  it('are refused for every other algorithm', () => {
    const none = `${encode({ ...header, alg: 'none' })}.${encode(payload)}.`;
    expectRefused(none);
    expectRefused(`${encode({ ...header, alg: 'None' })}.${encode(payload)}.AAAA`);
    // The classic: the public key taken for a secret.
    const pem = Buffer.from(
      `-----BEGIN PUBLIC KEY-----\n${publicDer(tokenKey).toString('base64')}\n-----END PUBLIC KEY-----\n`,
    );
    const signed = `${encode({ ...header, alg: 'HS256' })}.${encode(payload)}`;
    for (const secret of [pem, publicDer(tokenKey)]) {
      expectRefused(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`);
    }
    expectRefused(forge(tokenKey, { ...header, alg: 'ES384' }, payload));
    expectRefused(forge(tokenKey, { ...header, alg: undefined }, payload));
  });

  it('altered anywhere are refused', () => {
    const token = issue();
    const { length } = token;
    fc.assert(
      // The last character of the signature has bits that mean nothing.
      fc.property(fc.nat({ max: length - 2 }), fc.constantFrom(...'ABCDabcd0189-_.=~ \n'), (index, character) => {
        fc.pre(token[index] !== character);
        const altered = token.slice(0, index) + character + token.slice(index + 1);
        expectRefused(altered);
      }),
      { numRuns: 300 },
    );
    for (let kept = 0; kept < length - 1; kept += 7) {
      expectRefused(token.slice(0, kept));
    }
  });

  it('that are no tokens are refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.base64String()).map((parts) => parts.join('.')),
        ),
        (text) => {
          expectRefused(text);
        },
      ),
    );
    expectRefused(forge(tokenKey, header, 'text'));
    expectRefused(forge(tokenKey, header, null));
    expectRefused(forge(tokenKey, header, [payload]));
  });

  it('work at the beginning of time', () => {
    const early = new Tokens({
      centerId,
      tokenKey,
      clock: new Clock(
        0,
        () => 0,
        () => 0,
      ),
    });
    const token = early.issue({ account: 5, jti: 'a', key, expiresAtMs: 60_000 });
    expect(early.verify(token, key)).to.deep.equal({ account: 5, jti: 'a', key, expiresAtMs: 60_000 });
  });
});
