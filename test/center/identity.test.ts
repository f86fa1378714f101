import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { expect } from 'chai';
import { IdentityError, identityFile, openIdentity } from '../../center/identity.ts';
import { fingerprint, generateKey, publicDer, tokenKeyProof, verifyProof } from '../../shared/identity.ts';

async function rejection(act: Promise<unknown>): Promise<Error> {
  try {
    await act;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not reject');
}

describe('openIdentity', () => {
  let dataDir: string;
  let path: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-identity-'));
    path = join(dataDir, identityFile);
  });

  afterEach(async () => {
    await rm(dataDir, { recursive: true });
  });

  async function alter(change: Record<string, unknown>): Promise<Error> {
    const file = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...file, ...change }));
    return rejection(openIdentity(dataDir));
  }

  it('makes an identity once and reads it ever after', async () => {
    const made = await openIdentity(dataDir);
    const read = await openIdentity(dataDir, { create: false });
    expect(made.centerId).to.have.length(16);
    expect(read.centerId.equals(made.centerId)).to.equal(true);
    expect(read.key.equals(made.key)).to.equal(true);
    expect(read.tokenKey.equals(made.tokenKey)).to.equal(true);
    expect(read.tls).to.deep.equal(made.tls);
    expect(read.fingerprint).to.equal(fingerprint(made.publicDer));
  });

  it('makes another one in another directory', async () => {
    const other = join(dataDir, 'other');
    await mkdir(other);
    const [one, two] = [await openIdentity(dataDir), await openIdentity(other)];
    expect(one.centerId.equals(two.centerId)).to.equal(false);
    expect(one.fingerprint).not.to.equal(two.fingerprint);
    expect(one.tokenKeyDer.equals(two.tokenKeyDer)).to.equal(false);
  });

  it('vouches for the token key with the identity key', async () => {
    const identity = await openIdentity(dataDir);
    const proof = tokenKeyProof(identity.centerId, identity.tokenKeyDer);
    expect(verifyProof(identity.publicDer, proof, identity.tokenKeySignature)).to.equal(true);
    expect(identity.tokenKeyDer.equals(identity.publicDer)).to.equal(false);
  });

  it('keeps one file that only its owner can read, and nothing else', async () => {
    await openIdentity(dataDir);
    expect(await readdir(dataDir)).to.deep.equal([identityFile]);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
  });

  it('closes a file that others could read', async () => {
    await openIdentity(dataDir);
    await chmod(path, 0o644);
    await openIdentity(dataDir);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
  });

  it('starts anew where a first start was cut off while writing', async () => {
    await writeFile(`${path}.new`, '{"version":1,"cent');
    const identity = await openIdentity(dataDir);
    expect((await openIdentity(dataDir)).fingerprint).to.equal(identity.fingerprint);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
  });

  it('has a certificate of the identity key, signed by it, for TLS 1.3', async () => {
    const { tls, publicDer: keyDer } = await openIdentity(dataDir);
    const certificate = new X509Certificate(tls.cert);
    expect(certificate.verify(certificate.publicKey)).to.equal(true);
    expect(new Date(certificate.validTo).getUTCFullYear()).to.equal(9999);

    const server = createServer({ ...tls, minVersion: 'TLSv1.3' }, (socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ host: '127.0.0.1', port, ca: tls.cert, checkServerIdentity: () => undefined });
    await once(client, 'secureConnect');
    expect(client.authorized).to.equal(true);
    const shown = client.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
    expect(shown?.equals(keyDer)).to.equal(true);
    client.destroy();
    server.close();
    await once(server, 'close');
  });

  it('refuses a missing identity where there must be one', async () => {
    const error = await rejection(openIdentity(dataDir, { create: false }));
    expect(error).to.be.instanceOf(IdentityError);
    expect(error.message).to.include(path).and.include('missing');
    expect(await readdir(dataDir)).to.deep.equal([]);
  });

  it('names what is damaged and never makes a new identity over it', async () => {
    await openIdentity(dataDir);
    const good = await readFile(path, 'utf8');
    const otherKey = generateKey().export({ type: 'pkcs8', format: 'pem' });
    const damages: [string, Record<string, unknown>][] = [
      ['version', { version: 'one' }],
      ['center id', { centerId: 'abcd' }],
      ['center id', { centerId: 7 }],
      ['identity key', { identityKey: 'nothing' }],
      ['identity key', { identityKey: undefined }],
      ['signature of the token key', { identityKey: otherKey }],
      ['signature of the token key', { tokenKey: otherKey }],
      ['signature of the token key', { centerId: '00'.repeat(16) }],
      ['token key', { tokenKey: null }],
      ['certificate', { certificate: 'nothing' }],
    ];
    for (const [named, damage] of damages) {
      await writeFile(path, good);
      const error = await alter(damage);
      expect(error, named).to.be.instanceOf(IdentityError);
      expect(error.message).to.include(path).and.include(named);
      expect(error.message).not.to.include('PRIVATE KEY');
    }
    for (const text of ['', '{', 'null', '[]', '"x"', good.slice(0, 200)]) {
      await writeFile(path, text);
      expect(await rejection(openIdentity(dataDir))).to.be.instanceOf(IdentityError);
      expect(await readFile(path, 'utf8')).to.equal(text);
    }
  });

  it('refuses the certificate of another key', async () => {
    const other = join(dataDir, 'other');
    await mkdir(other);
    await openIdentity(dataDir);
    const error = await alter({ certificate: (await openIdentity(other)).tls.cert });
    expect(error.message).to.include('certificate');
  });

  it('refuses a file of a newer version', async () => {
    await openIdentity(dataDir);
    expect((await alter({ version: 2 })).message).to.include('newer version');
  });

  it('says why it cannot read or write', async () => {
    await mkdir(path);
    expect((await rejection(openIdentity(dataDir))).message).to.include('it is a directory');
    const missing = join(dataDir, 'missing');
    expect((await rejection(openIdentity(missing))).message).to.include('cannot be written');
  });

  it('keys of the file are as they are in memory', async () => {
    const { key, publicDer: der } = await openIdentity(dataDir);
    expect(publicDer(key).equals(der)).to.equal(true);
  });
});
