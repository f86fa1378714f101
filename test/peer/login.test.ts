import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { CenterFiles } from '../../peer/account-files.ts';
import { generateKey, publicDer } from '../../shared/identity.ts';
import { certificates } from '../helpers/certificates.ts';
import { codeOf, password, Town } from '../helpers/peers.ts';

describe('getting in', () => {
  let town: Town;

  beforeEach(async () => {
    town = await Town.open();
  });

  afterEach(() => town.close());

  it('registers, pins the center, and says welcome', async () => {
    const seas = await town.registered('seas');
    expect((await seas.sees('pinned')).fingerprint).to.equal(town.center.fingerprint);
    expect(await seas.sees('welcome')).to.include({ name: 'seas' });
    expect([seas.state, seas.name]).to.deep.equal(['online', 'seas']);
  });

  it('keeps key and token for its owner only, filed under the ids of center and account', async () => {
    const seas = await town.registered('seas');
    const { account } = await seas.sees('welcome');
    const center = join(town.dataDir, 'centers', town.center.centerId);
    expect(JSON.parse(readFileSync(join(center, 'names.json'), 'utf8'))).to.deep.equal({ seas: account });
    for (const file of ['key', 'token', 'history.db']) {
      expect(statSync(join(center, 'accounts', String(account), file)).mode & 0o777).to.equal(0o600);
    }
  });

  it('tells how many attempts are left, and can be asked again', async () => {
    await town.registered('seas');
    const peer = town.peer();
    const error = await peer.login('seas', 'not the password').catch((error) => error);
    expect(error).to.include({ code: 'bad_credentials', attemptsLeft: 2 });
    expect(peer.state).to.equal('offline');
    await peer.login('SEAS', password);
    expect(peer.name).to.equal('seas');
  });

  it('refuses what cannot be a name or a new password before anything is sent', async () => {
    const nowhere = town.peer({ port: 1 });
    expect(await codeOf(nowhere.login('help', password))).to.equal('bad_name');
    expect(await codeOf(nowhere.register('seas', 'short'))).to.equal('bad_password');
    expect(await codeOf(nowhere.login('seas', password))).to.equal('disconnected');
  });

  it('resumes with the token that it kept, and not after logout', async () => {
    const first = await town.registered('seas');
    await first.close();
    const second = town.peer();
    await second.resume('seas');
    expect(second.name).to.equal('seas');
    await second.logout();
    expect(second.state).to.equal('ended');
    expect(await codeOf(town.peer().resume('seas'))).to.equal('bad_token');
  });

  it('can log in again after it has ended', async () => {
    const seas = await town.registered('seas');
    await seas.logout();
    await seas.login('seas', password);
    expect((await seas.send('seas', 'to myself', { until: 'stored' })).state).to.equal('stored');
  });

  it('binds its own address, and says so when another has it', async () => {
    const seas = await town.registered('seas', { listen: { host: '127.0.0.1', port: 0 } });
    expect(seas.port).to.be.greaterThan(0);
    const other = town.peer({ listen: { host: '127.0.0.1', port: seas.port } });
    const error = await other.register('google', password).catch((error) => error);
    expect(error.code).to.equal('bad_address');
    expect(error.message).to.match(/in use.*another port/);
    expect(await seas.logout().then(() => seas.port)).to.equal(0);
  });

  it('refuses a center whose fingerprint is not the one asked for', async () => {
    const wrong = 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    const error = await town
      .peer({ fingerprint: wrong })
      .register('seas', password)
      .catch((error) => error);
    expect(error.code).to.equal('center_changed');
    expect(error.message).to.contain(wrong).and.contain(town.center.fingerprint);
    await town.peer({ fingerprint: town.center.fingerprint }).register('seas', password);
  });

  it('displaces the peer of the same account and directory, and takes over its files', async () => {
    const first = await town.registered('seas');
    const second = await town.loggedIn('seas');
    expect(await first.sees('ended')).to.include({ code: 'displaced', text: 'Logged on different location!' });
    expect([first.state, second.state]).to.deep.equal(['ended', 'online']);
    expect(await codeOf(first.send('seas', 'from the displaced one'))).to.equal('wrong_state');
  });

  it('displaces a peer on another machine, whose token is worth nothing then', async () => {
    const first = await town.registered('seas');
    const second = await town.loggedIn('seas', { dataDir: join(town.path, 'elsewhere') });
    await first.sees('ended');
    expect(await codeOf(town.peer().resume('seas'))).to.equal('bad_token');
    await second.send('seas', 'still here', { until: 'stored' });
  });

  it('never shows the key of one account for another that has its name now', async () => {
    const seas = await town.registered('seas');
    const { account } = await seas.sees('welcome');
    await seas.close();
    const files = new CenterFiles(town.dataDir, Buffer.from(town.center.centerId, 'hex'));
    const earlier = files.account(7);
    earlier.make();
    const key = generateKey();
    earlier.saveKey(key);
    await files.saveName('seas', 7);
    await town.loggedIn('seas');
    expect(files.accountNamed('seas')).to.equal(account);
    expect(publicDer(files.account(account).key()!)).not.to.deep.equal(publicDer(key));
    expect(publicDer(earlier.key()!)).to.deep.equal(publicDer(key));
  });

  it('works without TLS on loopback', async () => {
    const plain = await Town.open({ plain: true });
    try {
      const seas = await plain.registered('seas');
      await seas.send('seas', 'hello', { until: 'stored' });
    } finally {
      await plain.close();
    }
  });

  it('says what to do where the center speaks TLS and the peer does not', async () => {
    const failure = await town
      .peer({ plain: true })
      .login('seas', password)
      .catch((error: unknown) => error);
    expect(failure).to.have.property('message').that.contains('If it was not started with --plain, leave that out');
  });

  it('gives up a login at close', async () => {
    const peer = town.peer();
    const login = codeOf(peer.register('seas', password));
    await peer.close();
    expect([await login, peer.state]).to.deep.equal(['cancelled', 'ended']);
  });

  it('gives up a login at close while the center does not answer Hello', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    try {
      await once(silent, 'listening');
      const peer = town.peer({ port: (silent.address() as AddressInfo).port, plain: true });
      const login = codeOf(peer.login('seas', password));
      const [socket] = (await once(silent, 'connection')) as [Socket];
      await once(socket, 'data');
      await peer.close();
      expect(await login).to.equal('cancelled');
    } finally {
      silent.close();
    }
  });

  it('checks the certificate too where an authority is given, and pins the identity all the same', async () => {
    const { authority, key, cert } = await certificates('127.0.0.1');
    const certified = await Town.open({ cert: { key, cert } });
    try {
      const seas = await certified.registered('seas', { ca: authority });
      expect((await seas.sees('pinned')).fingerprint).to.equal(certified.center.fingerprint);
      await certified.center.stop();
      await certified.start();
      await seas.sees('reconnected');
      await seas.send('seas', 'hello', { until: 'stored' });
      const other = (await certificates('127.0.0.1')).authority;
      const wrong = certified.peer({ ca: other }).register('google', password);
      const error = await wrong.catch((error) => error);
      expect(error.code).to.equal('disconnected');
      expect(error.message).to.contain('certificate authority');
      // The identity key is not the certificate's: without the authority nothing vouches for the connection.
      expect(await codeOf(certified.peer().register('google', password))).to.equal('bad_signature');
    } finally {
      await certified.close();
    }
  });

  it('lets several accounts begin at once in one directory', async () => {
    const names = ['seas', 'google', 'lycos', 'altavista', 'excite'];
    await Promise.all(names.map((name) => town.registered(name)));
    const files = new CenterFiles(town.dataDir, Buffer.from(town.center.centerId, 'hex'));
    expect(names.map((name) => files.accountNamed(name))).not.to.include(null);
    await codeOf(town.peer({ fingerprint: 'SHA256:A' }).login('seas', password));
  });
});
