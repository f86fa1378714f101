import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { KnownCenters } from '../../peer/known-centers.ts';
import { fingerprint, generateKey, publicDer } from '../../shared/identity.ts';

describe('known centers', () => {
  const center = { centerId: Buffer.alloc(16, 1), identityKey: publicDer(generateKey()) };
  const other = { centerId: Buffer.alloc(16, 2), identityKey: publicDer(generateKey()) };
  let path: string;
  let file: string;
  let known: KnownCenters;

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'parley-known-'));
    file = join(path, 'known_centers');
    known = new KnownCenters(path);
  });

  afterEach(() => rmSync(path, { recursive: true }));

  it('pins at first contact, one line an address', () => {
    expect(known.check('Localhost', 6066, center)).to.equal('first');
    expect(known.check('localhost', 6066, center)).to.equal('known');
    expect(known.check('::1', 6066, other)).to.equal('first');
    expect(readFileSync(file, 'utf8')).to.equal(
      `localhost:6066 ${'01'.repeat(16)} ${fingerprint(center.identityKey)}\n` +
        `[::1]:6066 ${'02'.repeat(16)} ${fingerprint(other.identityKey)}\n`,
    );
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it('refuses another key, with both fingerprints and the line to remove', () => {
    appendFileSync(file, '# mine\n');
    known.check('localhost', 6066, center);
    const changed = { ...center, identityKey: other.identityKey };
    expect(() => known.check('localhost', 6066, changed))
      .to.throw(fingerprint(center.identityKey))
      .with.property('code', 'center_changed');
    expect(() => known.check('localhost', 6066, changed)).to.throw(fingerprint(other.identityKey));
    expect(() => known.check('localhost', 6066, changed)).to.throw(`remove line 2 of ${file}`);
  });

  it('refuses another id with the same key', () => {
    known.check('localhost', 6066, center);
    expect(() => known.check('localhost', 6066, { ...center, centerId: other.centerId })).to.throw('another id');
  });

  it('takes a fingerprint in advance, with or without its prefix', () => {
    const print = fingerprint(center.identityKey);
    expect(known.check('localhost', 6066, center, print.slice('SHA256:'.length))).to.equal('first');
    expect(() => known.check('localhost', 6067, other, print))
      .to.throw('Asked for')
      .with.property('code', 'center_changed');
    expect(readFileSync(file, 'utf8')).not.to.contain('6067');
  });

  it('trusts nobody while a line cannot be read', () => {
    writeFileSync(file, 'localhost:6066 something\n');
    expect(() => known.check('localhost', 6066, center))
      .to.throw('Line 1')
      .with.property('code', 'bad_data');
  });

  it('adds a line after one that has no end', () => {
    writeFileSync(file, `a:1 00 ${fingerprint(center.identityKey)}`);
    known.check('b', 1, center);
    expect(readFileSync(file, 'utf8').split('\n')).to.have.length(3);
  });
});
