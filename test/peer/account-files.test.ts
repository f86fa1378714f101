import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CenterFiles } from '../../peer/account-files.ts';
import { generateKey, publicDer } from '../../shared/identity.ts';

describe('account files', () => {
  let path: string;
  let center: CenterFiles;

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'parley-files-'));
    center = new CenterFiles(path, Buffer.alloc(16, 0xab));
  });

  afterEach(() => rmSync(path, { recursive: true }));

  it('are filed under the center and the account', () => {
    expect(center.account(7).path).to.equal(join(path, 'centers', 'ab'.repeat(16), 'accounts', '7'));
  });

  it('know names without regard to case', async () => {
    expect(center.accountNamed('seas')).to.equal(null);
    await center.saveName('Seas', 7);
    await center.saveName('google', 8);
    expect(new CenterFiles(path, Buffer.alloc(16, 0xab)).accountNamed('sEAS')).to.equal(7);
    await center.removeName('seas', 8);
    expect(center.accountNamed('seas')).to.equal(7);
    await center.removeName('seas', 7);
    expect(center.accountNamed('seas')).to.equal(null);
    expect(center.accountNamed('google')).to.equal(8);
  });

  it('keep key and token, for their owner only', () => {
    const files = center.account(7);
    files.make();
    expect([files.key(), files.token()]).to.deep.equal([null, null]);
    const key = generateKey();
    files.saveKey(key);
    files.saveToken('one');
    files.saveToken('two');
    expect(publicDer(files.key()!)).to.deep.equal(publicDer(key));
    expect(files.token()).to.equal('two');
    expect(readFileSync(join(files.path, 'key'), 'utf8')).to.match(/^-----BEGIN PRIVATE KEY-----/);
    for (const file of ['key', 'token']) expect(statSync(join(files.path, file)).mode & 0o777).to.equal(0o600);
    expect(statSync(files.path).mode & 0o777).to.equal(0o700);
    files.removeToken();
    files.removeToken();
    expect(files.token()).to.equal(null);
    // Nothing half-written is left behind.
    expect(readdirSync(files.path)).to.deep.equal(['key']);
  });

  it('are not written again with the token that they hold', () => {
    const files = center.account(7);
    files.make();
    const written = () => statSync(join(files.path, 'token')).ino;
    files.saveToken('one');
    const first = written();
    files.saveToken('one');
    expect(written()).to.equal(first);
    files.saveToken('two');
    expect(written()).not.to.equal(first);
    files.removeToken();
    files.saveToken('two');
    expect(files.token()).to.equal('two');
  });

  it('say which file is damaged, and not what is in it', () => {
    const files = center.account(7);
    files.make();
    writeFileSync(join(files.path, 'key'), 'secret');
    expect(() => files.key())
      .to.throw(join(files.path, 'key'))
      .with.property('code', 'bad_data');
    expect(() => files.key()).not.to.throw('secret');
    writeFileSync(join(center.path, 'names.json'), '{"seas": "7"}');
    expect(() => center.accountNamed('seas'))
      .to.throw('names.json')
      .with.property('code', 'bad_data');
  });
});
