// The center's part of private links, as dialogues on the wire.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { Center, type CenterOptions } from '../../../center/center.ts';
import { selfSigned } from '../../../shared/certificate.ts';
import { fingerprint, publicDer, tokenKeyProof, verifyProof } from '../../../shared/identity.ts';
import { linkAlpnProtocol } from '../../../shared/version.ts';
import { WirePeer } from '../../helpers/wire.ts';

const kinds = { verified: 1, local: 2 };

describe('links, the center', () => {
  let dataDir: string;
  let center: Center;
  let seas: WirePeer;
  let google: WirePeer;

  async function start(options: Partial<CenterOptions> = {}): Promise<void> {
    center = await Center.start({ host: '127.0.0.1', port: 0, dataDir, bcryptCost: 4, ...options });
  }

  async function join_(name: string, attach = {}): Promise<WirePeer> {
    const peer = await (await WirePeer.connect(center)).register(name);
    await peer.attach(attach);
    return peer;
  }

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'parley-links-'));
    await start();
    seas = await join_('seas');
    google = await join_('google');
  });

  afterEach(async () => {
    for (const peer of [seas, google]) peer.destroy();
    await center.stop();
    rmSync(dataDir, { recursive: true });
  });

  async function consented(): Promise<void> {
    await seas.ask({ getAddress: { name: 'google' } });
    await google.sees('addressRequest');
    expect(await google.ask({ allow: { name: 'seas' } }))
      .to.have.property('done')
      .that.is.an('object');
  }

  it('asks, and introduces both when it is allowed', async () => {
    expect((await seas.ask({ getAddress: { name: 'google' } })).done).to.be.an('object');
    expect(await google.sees('addressRequest')).to.include({ from: seas.account, fromName: 'seas' });
    await google.ask({ allow: { name: 'seas' } });
    const atSeas = await seas.sees('introduction');
    const atGoogle = await google.sees('introduction');
    expect(atSeas).to.include({ account: google.account, name: 'google', fresh: true, dialFirst: true });
    expect(atGoogle).to.include({ account: seas.account, name: 'seas', fresh: true });
    expect(atGoogle.dialFirst).to.not.equal(true);
    expect(atSeas.token).to.equal(atGoogle.token);
    expect(atSeas.key).to.equal(fingerprint(publicDer(google.key)));
  });

  it('signs introductions with the key that its identity vouches for', async () => {
    await consented();
    const { token, expiresAtMs } = await seas.sees('introduction');
    const { centerId, identityKey, tokenKey, tokenKeySignature, timeMs } = seas.hello;
    const proof = tokenKeyProof(centerId!, tokenKey!);
    expect(verifyProof(identityKey!, proof, tokenKeySignature!)).to.equal(true);
    const pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.from(tokenKey!).toString('base64')}\n-----END PUBLIC KEY-----`;
    const payload = jwt.verify(token!, pem, { algorithms: ['ES256'], audience: 'parley-introduction' });
    expect(payload).to.deep.include({
      iss: Buffer.from(centerId!).toString('hex'),
      peers: [seas, google].map(({ account, key }) => ({ account: String(account), key: fingerprint(publicDer(key)) })),
    });
    const day = 24 * 3_600_000;
    expect(expiresAtMs).to.be.within(timeMs! + day - 10_000, timeMs! + day + 10_000);
  });

  it('lets a request wait for the next login, and asks only once', async () => {
    google.destroy();
    for (let i = 0; i < 3; i++) await seas.ask({ getAddress: { name: 'google' } });
    const back = await (await WirePeer.connect(center)).resume(google);
    await back.attach();
    await back.sees('addressRequest');
    await seas.ask({ getAddress: { name: 'google' } });
    await back.fence();
    expect(back.received.filter(({ addressRequest }) => addressRequest)).to.deep.equal([]);
    back.destroy();
  });

  it('tells nobody at the next login of a request by who is in a block with them since', async () => {
    const bing = await join_('bing');
    for (const peer of [seas, bing]) await peer.ask({ getAddress: { name: 'google' } });
    await google.sees('addressRequest');
    await google.ask({ block: { name: 'seas', on: true } });
    await bing.ask({ block: { name: 'google', on: true } });
    google.destroy();
    const back = await (await WirePeer.connect(center)).resume(google);
    await back.attach();
    await back.fence();
    expect(back.received.filter(({ addressRequest }) => addressRequest)).to.deep.equal([]);
    for (const peer of [back, bing]) peer.destroy();
  });

  it('says nothing to either after a deny', async () => {
    await seas.ask({ getAddress: { name: 'google' } });
    await google.sees('addressRequest');
    await google.ask({ deny: { name: 'seas' } });
    expect((await seas.ask({ getAddress: { name: 'google' } })).done).to.be.an('object');
    await google.fence();
    expect(google.received.filter(({ addressRequest }) => addressRequest)).to.deep.equal([]);
  });

  it('refuses between those who are in a block, and a block ends what there was', async () => {
    await consented();
    await seas.ask({ block: { name: 'google', on: true } });
    expect(await google.sees('linkEnd')).to.include({ account: seas.account, code: 'blocked' });
    expect((await google.ask({ getAddress: { name: 'seas' } })).error).to.include({ code: 'blocked' });
    expect((await google.ask({ allow: { name: 'seas' } })).error).to.include({ code: 'blocked' });
    expect((await seas.ask({ allow: { name: 'google' } })).error?.text).to.equal(
      'You have blocked google: unblock google first.',
    );
  });

  it('tells both when a consent is revoked', async () => {
    await consented();
    await seas.ask({ revoke: { name: 'google' } });
    expect(await seas.sees('linkEnd')).to.include({ account: google.account, code: 'revoked' });
    expect(await google.sees('linkEnd')).to.include({ account: seas.account, code: 'revoked' });
    expect((await google.ask({ introduce: { account: seas.account } })).error).to.include({ code: 'no_consent' });
  });

  it('introduces nobody after a revoke, though it was asked for before', async () => {
    await consented();
    const asked = Array.from({ length: 12 }, () => seas.ask({ getAddress: { name: 'google' } }));
    await google.ask({ revoke: { name: 'seas' } });
    await Promise.all(asked);
    for (const peer of [seas, google]) {
      await peer.fence();
      const told = peer.received.filter(({ introduction, linkEnd }) => introduction ?? linkEnd);
      expect(told.at(-1)).to.have.property('linkEnd').that.is.an('object');
    }
  });

  it('tells both when the time of a consent is over, and ends what is relayed', async () => {
    await google.ask({ allow: { name: 'seas', forMs: 2000 } });
    await seas.sees('introduction');
    await seas.ask({ tunnelOpen: { account: google.account } });
    expect(await seas.sees('linkEnd')).to.include({ account: google.account, code: 'revoked' });
    expect(await google.sees('linkEnd')).to.include({ account: seas.account, code: 'revoked' });
    expect(await seas.sees('tunnelClose')).to.include({ code: 'revoked' });
    expect((await seas.ask({ introduce: { account: google.account } })).error).to.include({ code: 'no_consent' });
  });

  it('lets a consent that was prolonged last', async () => {
    await Promise.all([500, 600_000].map((forMs) => google.ask({ allow: { name: 'seas', forMs } })));
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await seas.fence();
    expect(seas.received.filter(({ linkEnd }) => linkEnd)).to.deep.equal([]);
  });

  it('keeps consents over a restart of both sides, and lists them', async () => {
    await consented();
    await center.stop();
    await start();
    const both = [seas, google].map(async (before) => (await WirePeer.connect(center)).resume(before));
    [seas, google] = (await Promise.all(both)) as [WirePeer, WirePeer];
    await seas.attach();
    await google.attach();
    expect(await seas.sees('introduction')).to.include({ account: google.account, fresh: false });
    const { consentPage } = await google.ask({ consents: {} });
    expect(consentPage?.consents?.[0]).to.include({ name: 'seas', given: true });
  });

  it('ends a consent for once at logout', async () => {
    await google.ask({ allow: { name: 'seas', once: true } });
    await seas.sees('introduction');
    await seas.ask({ logout: {} });
    expect(await google.sees('linkEnd')).to.include({ account: seas.account, code: 'logged_out' });
    expect((await google.ask({ consents: {} })).consentPage?.consents ?? []).to.deep.equal([]);
  });

  it('hands out no address before consent, and to nobody else', async () => {
    const other = await join_('yahoo', { listenPort: 6067, localAddresses: ['127.0.0.1', '192.168.7.7', '8.8.8.8'] });
    await other.ask({ allow: { name: 'seas' } });
    const { candidates } = await seas.sees('introduction');
    // The same observed address: what is private may be told, what is public and unproven is not.
    expect(candidates).to.deep.equal([
      { kind: kinds.local, address: '127.0.0.1', port: 6067 },
      { kind: kinds.local, address: '192.168.7.7', port: 6067 },
    ]);
    await google.fence();
    expect(JSON.stringify(google.received)).to.not.include('192.168.7.7');
    other.destroy();
  });

  it('verifies an address by dialling it and looking for the key', async () => {
    const peer = await (await WirePeer.connect(center)).register('yahoo');
    const seen: number[] = [];
    const server = tls.createServer({
      ...(await selfSigned(peer.key)),
      minVersion: 'TLSv1.3',
      ALPNProtocols: [linkAlpnProtocol],
    });
    server.on('secureConnection', (socket) => socket.on('data', (bytes) => seen.push(bytes.length)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await peer.ask({ allow: { name: 'seas' } }).catch(() => undefined);
    await peer.attach({ listenPort: port });
    await peer.ask({ allow: { name: 'seas' } });
    const introduced = await seas.take(
      ({ introduction }) => (introduction?.candidates?.length ?? 0) > 0,
      'a verified candidate',
    );
    expect(introduced.introduction?.candidates).to.deep.equal([{ kind: kinds.verified, address: '127.0.0.1', port }]);
    expect(seen).to.deep.equal([]);
    peer.destroy();
    server.close();
  });

  it('verifies a new address when it may look again, not at once', async () => {
    await center.stop();
    await start({ limits: { probeIntervalMs: 500 } });
    seas = await (await WirePeer.connect(center)).resume(seas);
    google = await (await WirePeer.connect(center)).resume(google);
    await seas.attach();
    const server = tls.createServer({
      ...(await selfSigned(google.key)),
      minVersion: 'TLSv1.3',
      ALPNProtocols: [linkAlpnProtocol],
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    // The first look finds nothing, and the next one has to wait.
    await google.attach({ listenPort: 1024 });
    await google.ask({ allow: { name: 'seas' } });
    google.destroy();
    google = await (await WirePeer.connect(center)).resume(google);
    await google.attach({ listenPort: port });
    const introduced = await seas.take(
      ({ introduction }) => introduction?.candidates?.[0]?.kind === kinds.verified,
      'a verified candidate',
    );
    expect(introduced.introduction?.candidates).to.deep.equal([{ kind: kinds.verified, address: '127.0.0.1', port }]);
    server.close();
  });

  it('passes the bytes of a tunnel on, within the credit', async () => {
    await consented();
    const { tunnelOpened } = await seas.ask({ tunnelOpen: { account: google.account } });
    expect(tunnelOpened).to.include({ account: google.account, creditBytes: 262_144 });
    const { tunnel } = await google.sees('tunnelOpened');
    seas.send({ tunnelData: { tunnel: tunnel!, data: Buffer.from('sealed') } });
    expect(Buffer.from((await google.sees('tunnelData')).data!).toString()).to.equal('sealed');
    google.send({ tunnelCredit: { tunnel: tunnel!, bytes: 6 } });
    expect(await seas.sees('tunnelCredit')).to.include({ bytes: 6 });
    google.send({ tunnelClose: { tunnel: tunnel! } });
    expect(await seas.sees('tunnelClose')).to.include({ tunnel, code: 'closed' });
  });

  it('passes no credit of nothing on', async () => {
    await consented();
    const { tunnelOpened } = await seas.ask({ tunnelOpen: { account: google.account } });
    const tunnel = tunnelOpened!.tunnel!;
    await google.sees('tunnelOpened');
    seas.send({ tunnelData: { tunnel, data: Buffer.from('sealed') } });
    await google.sees('tunnelData');
    for (let i = 0; i < 3; i++) google.send({ tunnelCredit: { tunnel, bytes: 0 } });
    google.send({ tunnelCredit: { tunnel, bytes: 6 } });
    expect(await seas.sees('tunnelCredit')).to.include({ bytes: 6 });
  });

  it('closes a tunnel whose sender goes beyond its credit', async () => {
    await consented();
    const { tunnelOpened } = await seas.ask({ tunnelOpen: { account: google.account } });
    const data = Buffer.alloc(16_384);
    for (let i = 0; i < 17; i++) seas.send({ tunnelData: { tunnel: tunnelOpened!.tunnel!, data } });
    expect(await seas.sees('tunnelClose')).to.include({ code: 'bad_credit' });
  });

  it('refuses tunnels without consent, and more than an account may have', async () => {
    const refused = await seas.ask({ tunnelOpen: { account: google.account } });
    expect(refused.error).to.include({ code: 'no_consent' });
    await consented();
    for (let i = 0; i < 4; i++) await seas.ask({ tunnelOpen: { account: google.account } });
    expect((await seas.ask({ tunnelOpen: { account: google.account } })).error).to.include({ code: 'busy' });
  });

  it('closes tunnels when one side goes away', async () => {
    await consented();
    await seas.ask({ tunnelOpen: { account: google.account } });
    google.destroy();
    expect(await seas.sees('tunnelClose')).to.include({ code: 'away' });
  });
});
