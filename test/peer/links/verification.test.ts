import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Link } from '../../../peer/links/link.ts';
import { Verification, verificationDigits } from '../../../peer/links/verification.ts';
import { codeOf } from '../../helpers/peers.ts';

const key = (byte: number): string => `SHA256:${Buffer.alloc(32, byte).toString('base64').replace(/=+$/, '')}`;
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const one = { account: 1, key: key(1), nonce: Buffer.alloc(32, 3) };
const two = { account: 2, key: key(2), nonce: Buffer.alloc(32, 4) };
const exporter = Buffer.alloc(32, 5);

describe('the digits of a verification', () => {
  it('are these, as docs/protocol.md says', () => {
    const parts = ['parley verify 1\0', one.nonce, two.nonce, Buffer.alloc(32, 1), Buffer.alloc(32, 2), exporter];
    const hash = sha256(Buffer.concat(parts.map((part) => Buffer.from(part as Buffer))));
    const expected = String(hash.readUIntBE(0, 6) % 1_000_000).padStart(6, '0');
    expect(verificationDigits(one, two, exporter)).to.equal(expected);
    expect(verificationDigits(one, two, exporter)).to.match(/^\d{6}$/);
  });

  it('are the same seen from either side', () => {
    expect(verificationDigits(two, one, exporter)).to.equal(verificationDigits(one, two, exporter));
  });

  it('change with every nonce, key and TLS session', () => {
    const all = [
      verificationDigits(one, two, exporter),
      verificationDigits({ ...one, nonce: Buffer.alloc(32, 9) }, two, exporter),
      verificationDigits(one, { ...two, nonce: Buffer.alloc(32, 9) }, exporter),
      verificationDigits({ ...one, key: key(9) }, two, exporter),
      verificationDigits(one, { ...two, key: key(9) }, exporter),
      verificationDigits(one, two, Buffer.alloc(32, 9)),
    ];
    expect(new Set(all).size).to.equal(all.length);
  });

  it('keep their leading zeros', () => {
    const zero = Array.from({ length: 200 }, (_, i) => verificationDigits(one, two, Buffer.alloc(32, i))).filter((d) =>
      d.startsWith('0'),
    );
    expect(zero).to.not.deep.equal([]);
    for (const digits of zero) expect(digits).to.have.length(6);
  });
});

describe('a verification', () => {
  /** What it says, in order. */
  function begun() {
    const said: [string, Uint8Array][] = [];
    const digits: string[] = [];
    const untaken: (() => void)[] = [];
    const link = {
      channel: { exporter },
      commit: (hash: Uint8Array) => said.push(['commit', hash]),
      reveal: (nonce: Uint8Array) => said.push(['reveal', nonce]),
      onceTaken: (call: () => void) => untaken.push(call),
    } as unknown as Link;
    return { verification: new Verification(link, one, two, (found) => digits.push(found)), said, digits, untaken };
  }

  it('shows its nonce only to somebody who has committed', () => {
    const { verification, said } = begun();
    verification.start();
    expect(said.map(([what]) => what)).to.deep.equal(['commit']);
    verification.take({ commit: sha256(two.nonce) });
    expect(said.map(([what]) => what)).to.deep.equal(['commit', 'reveal']);
    expect(sha256(said[1]![1])).to.deep.equal(said[0]![1]);
  });

  it('answers a commit with its own, and then its nonce', () => {
    const { verification, said, digits } = begun();
    verification.take({ commit: sha256(two.nonce) });
    expect(said.map(([what]) => what)).to.deep.equal(['commit', 'reveal']);
    verification.take({ reveal: two.nonce });
    expect(digits).to.deep.equal([verificationDigits({ ...one, nonce: said[1]![1] }, two, exporter)]);
  });

  it('shows the digits to whoever asked for them when the other side has all that it takes to show them', () => {
    const { verification, said, digits, untaken } = begun();
    verification.start();
    verification.take({ commit: sha256(two.nonce) });
    verification.take({ reveal: two.nonce });
    expect(said.map(([what]) => what)).to.deep.equal(['commit', 'reveal']);
    expect(digits).to.deep.equal([]);
    for (const call of untaken) call();
    expect(digits).to.deep.equal([verificationDigits({ ...one, nonce: said[1]![1] }, two, exporter)]);
  });

  it('refuses a nonce that is not the one committed to, or before any commit', async () => {
    const { verification } = begun();
    expect(await codeOf((async () => verification.take({ reveal: two.nonce }))())).to.equal('bad_signature');
    verification.take({ commit: sha256(two.nonce) });
    expect(await codeOf((async () => verification.take({ reveal: one.nonce }))())).to.equal('bad_signature');
  });
});
