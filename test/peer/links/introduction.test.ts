import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { inOrder } from '../../../peer/links/dial.ts';
import { type Candidate, IntroductionJudge, readIntroduction } from '../../../peer/links/introduction.ts';
import { fingerprint, generateKey, publicDer, signProof, tokenKeyProof } from '../../../shared/identity.ts';
import { codeOf } from '../../helpers/peers.ts';

const identity = generateKey();
const tokenKey = generateKey();
const centerId = randomBytes(16);
const claim = {
  centerId,
  identityKey: publicDer(identity),
  tokenKey: publicDer(tokenKey),
  tokenKeySignature: signProof(identity, tokenKeyProof(centerId, publicDer(tokenKey))),
};
const self = { account: 2 ** 40, key: fingerprint(publicDer(generateKey())) };
const other = { account: 2 ** 41, key: fingerprint(publicDer(generateKey())) };
const nowMs = 1_800_000_000_000;
const now = nowMs / 1000;

function token(claims: object = {}, header: object = {}, key = tokenKey): string {
  const payload = {
    ...{ iss: centerId.toString('hex'), aud: 'parley-introduction', iat: now, exp: now + 3600 },
    peers: [self, other].map(({ account, key }) => ({ account: String(account), key })),
    ...claims,
  };
  return jwt.sign(payload, key, {
    algorithm: 'ES256',
    header: { alg: 'ES256', typ: 'parley-introduction+jwt', ...header },
  });
}

describe('an introduction', () => {
  const judge = new IntroductionJudge(self, claim, () => nowMs);
  const verdict = (text: string): Promise<string> => codeOf((async () => judge.other(text))());

  it('names the other side, whichever of the two asked', () => {
    expect(judge.other(token())).to.deep.equal(other);
    const theirs = new IntroductionJudge(other, claim, () => nowMs);
    expect(theirs.other(token())).to.deep.equal(self);
  });

  it('is good for a minute longer, as clocks differ, and no more', async () => {
    expect(judge.other(token({ exp: now - 59 }))).to.deep.equal(other);
    expect(await verdict(token({ exp: now - 61 }))).to.equal('bad_token');
  });

  it('is for this account and this key', async () => {
    const peers = (one: object, two: object): object => ({ peers: [one, two] });
    const mine = { account: String(self.account), key: self.key };
    const theirs = { account: String(other.account), key: other.key };
    expect(await verdict(token(peers({ ...mine, key: other.key }, theirs)))).to.equal('bad_token');
    expect(await verdict(token(peers({ ...mine, account: '7' }, theirs)))).to.equal('bad_token');
    expect(await verdict(token(peers(mine, mine)))).to.equal('bad_token');
    expect(await verdict(token({ peers: [mine] }))).to.equal('bad_token');
    expect(await verdict(token({ peers: 'both' }))).to.equal('bad_token');
    expect(await verdict(token({ peers: [mine, theirs, theirs] }))).to.equal('bad_token');
  });

  it('has an end, an issuer, an audience, a type, and one algorithm', async () => {
    const payload = { iss: centerId.toString('hex'), aud: 'parley-introduction', peers: [] };
    const endless = jwt.sign(payload, tokenKey, {
      algorithm: 'ES256',
      noTimestamp: true,
      header: { alg: 'ES256', typ: 'parley-introduction+jwt' },
    });
    expect(await verdict(endless)).to.equal('bad_token');
    expect(await verdict(token({ iss: 'f'.repeat(32) }))).to.equal('bad_token');
    expect(await verdict(token({ aud: 'parley-session' }))).to.equal('bad_token');
    expect(await verdict(token({}, { typ: 'parley-session+jwt' }))).to.equal('bad_token');
    expect(await verdict(token({}, {}, generateKey()))).to.equal('bad_token');
    const [head = '', body = ''] = token().split('.');
    const none = Buffer.from('{"alg":"none","typ":"parley-introduction+jwt"}').toString('base64url');
    for (const bad of [`${none}.${body}.`, `${head}.${body}.`, '', 'x', 'a'.repeat(5000)]) {
      expect(await verdict(bad), bad).to.equal('bad_token');
    }
  });

  it('is not judged with a key that the center’s identity does not vouch for', async () => {
    const forged = { ...claim, tokenKey: publicDer(generateKey()) };
    expect(await codeOf((async () => new IntroductionJudge(self, forged, () => nowMs))())).to.equal('bad_signature');
    const elsewhere = { ...claim, centerId: randomBytes(16) };
    expect(await codeOf((async () => new IntroductionJudge(self, elsewhere, () => nowMs))())).to.equal('bad_signature');
  });

  it('is read with sixteen candidates at most, and a name that is safe to show', () => {
    const candidates = Array.from({ length: 40 }, (_, i) => ({ kind: 2, address: `192.0.2.${i}`, port: 6067 }));
    const read = readIntroduction({ account: 1, name: 'a\u001b[31mb\n', candidates });
    expect(read.candidates).to.have.length(16);
    expect(read.candidates[0]).to.deep.equal({ kind: 'local', address: '192.0.2.0', port: 6067 });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
    expect(read.name).to.not.match(/[\u0000-\u001f]/);
  });
});

describe('the order of addresses', () => {
  const at = (address: string, kind: Candidate['kind'] = 'verified'): Candidate => ({ kind, address, port: 6067 });

  it('is what the center verified first, IPv6 and IPv4 in turn', () => {
    const given = [
      at('192.168.1.2', 'local'),
      at('192.0.2.1'),
      at('fd00::1', 'local'),
      at('2001:db8::1'),
      at('192.0.2.2'),
    ];
    expect(inOrder(given).map(({ address }) => address)).to.deep.equal([
      '2001:db8::1',
      '192.0.2.1',
      'fd00::1',
      '192.0.2.2',
      '192.168.1.2',
    ]);
  });

  it('of one family is as given', () => {
    expect(inOrder([at('192.0.2.2'), at('192.0.2.1')]).map(({ address }) => address)).to.deep.equal([
      '192.0.2.2',
      '192.0.2.1',
    ]);
    expect(inOrder([])).to.deep.equal([]);
  });
});
