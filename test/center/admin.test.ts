import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ActName, type Admin, type AdminAct, AdminError, type AdminResults } from '../../center/acts.ts';
import { maxReasonLength, runAdmin } from '../../center/admin.ts';
import { Center } from '../../center/center.ts';
import { type OpenAdmin, openAdmin } from '../../center/operate.ts';
import type { Store } from '../../center/store/store.ts';
import { WirePeer } from '../helpers/wire.ts';

const password = 'summerisover';
const hourMs = 3_600_000;

/** A way to reach a center's data, with the directory it is in. */
interface Place {
  admin: Admin;
  close(): Promise<void>;
}

async function stopped(dataDir: string): Promise<Place> {
  const open: OpenAdmin = await openAdmin({ dataDir, create: true, bcryptCost: 4, userId: null });
  return { admin: open.admin, close: () => open.close() };
}

async function running(dataDir: string): Promise<Place> {
  const center = await Center.start({ host: '127.0.0.1', port: 0, dataDir, plain: true, bcryptCost: 4 });
  const services = center.adminServices();
  return { admin: (act) => runAdmin(act, services), close: () => center.stop() };
}

async function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => expect.fail('it was done'),
    (error: unknown) => {
      expect(error).to.be.instanceOf(AdminError);
      return (error as AdminError).message;
    },
  );
}

for (const [kind, open] of Object.entries({ stopped, running })) {
  describe(`admin, the center ${kind}`, () => {
    let dataDir: string;
    let place: Place;
    let admin: Admin;

    beforeEach(async () => {
      dataDir = await mkdtemp(join(tmpdir(), 'parley-admin-'));
      place = await open(dataDir);
      admin = place.admin;
    });

    afterEach(async () => {
      await place.close();
      await rm(dataDir, { recursive: true });
    });

    function add(name: string): Promise<AdminResults['add']> {
      return admin({ act: 'add', name, password });
    }

    async function list(all = false): Promise<string[]> {
      const names: string[] = [];
      for (let after: string | null = ''; after !== null; ) {
        const page: AdminResults['list'] = await admin({ act: 'list', after, limit: 2, all });
        names.push(...page.accounts.map(({ name }) => name));
        after = page.next;
      }
      return names;
    }

    it('adds accounts and lists them by name, page by page', async () => {
      for (const name of ['seas', 'Google', 'al', 'yahoo']) expect(await add(name)).to.deep.equal({ added: true });
      expect(await list()).to.deep.equal(['al', 'Google', 'seas', 'yahoo']);
      const account = await admin({ act: 'find', name: 'SEAS' });
      expect(account).to.include({ name: 'seas', waiting: 0, banned: null, state: 'open' });
      expect(account!.online).to.equal(kind === 'running' ? false : null);
      expect(Date.now() - account!.createdAtMs).to.be.within(-1000, 60_000);
    });

    it('leaves an account of that name as it is, and refuses what cannot be one', async () => {
      await add('seas');
      expect(await add('SEAS')).to.deep.equal({ added: false });
      expect(await refusal(add('-x'))).to.include('begins with');
      expect(await refusal(add('quit'))).to.include('is a command');
      expect(await refusal(admin({ act: 'add', name: 'google', password: 'tiny' }))).to.include('too short');
      expect(await list()).to.deep.equal(['seas']);
    });

    it('says that there is no such account', async () => {
      const acts: AdminAct[] = [
        { act: 'unlock', name: 'seas' },
        { act: 'passwd', name: 'seas', password },
        { act: 'ban', name: 'seas', forMs: null, reason: '' },
        { act: 'unban', name: 'seas' },
        { act: 'remove', name: 'seas', discard: true },
      ];
      for (const act of acts)
        expect(await refusal(admin(act as Extract<AdminAct, { act: ActName }>))).to.include('seas');
      expect(await admin({ act: 'find', name: 'seas' })).to.equal(null);
    });

    it('bans for a time, for ever, and no more', async () => {
      await add('seas');
      const { untilMs } = await admin({ act: 'ban', name: 'seas', forMs: hourMs, reason: 'calm\u001b[31m down\n' });
      expect(untilMs! - Date.now()).to.be.within(hourMs - 60_000, hourMs + 60_000);
      expect((await admin({ act: 'find', name: 'seas' }))?.banned).to.deep.equal({ untilMs, reason: 'calm down' });
      expect(await admin({ act: 'ban', name: 'seas', forMs: null, reason: '' })).to.deep.equal({ untilMs: null });
      expect((await admin({ act: 'find', name: 'seas' }))?.banned).to.deep.equal({ untilMs: null, reason: '' });
      expect(await admin({ act: 'unban', name: 'seas' })).to.deep.equal({ wasBanned: true });
      expect(await admin({ act: 'unban', name: 'seas' })).to.deep.equal({ wasBanned: false });
      expect((await admin({ act: 'find', name: 'seas' }))?.banned).to.equal(null);
      const long = 'x'.repeat(maxReasonLength + 1);
      expect(await refusal(admin({ act: 'ban', name: 'seas', forMs: null, reason: long }))).to.include('too long');
      expect(await refusal(admin({ act: 'ban', name: 'seas', forMs: 0, reason: '' }))).to.include('1s');
    });

    it('removes an account, keeps its name, and gives it back when told to', async () => {
      await add('seas');
      expect(await admin({ act: 'remove', name: 'seas', discard: false })).to.deep.equal({ discarded: 0 });
      expect(await list()).to.deep.equal([]);
      expect(await list(true)).to.deep.equal(['seas']);
      expect(await refusal(add('seas'))).to.include('center user release seas');
      expect(await admin({ act: 'release', name: 'Seas' })).to.deep.equal({ released: true });
      expect(await admin({ act: 'release', name: 'seas' })).to.deep.equal({ released: false });
      expect(await add('seas')).to.deep.equal({ added: true });
      expect(await refusal(admin({ act: 'release', name: 'seas' }))).to.include('remove it first');
    });

    it('makes invites and lists those that are good, without their codes', async () => {
      const { code, usesLeft } = await admin({ act: 'invite', uses: 3, forMs: hourMs });
      expect(usesLeft).to.equal(3);
      const invites = await admin({ act: 'invites' });
      expect(invites).to.have.length(1);
      expect(invites[0]).to.include({ usesLeft: 3 });
      expect(JSON.stringify(invites)).to.not.include(code.slice(0, 9));
      expect(await refusal(admin({ act: 'invite', uses: 0, forMs: hourMs }))).to.include('1 to');
      expect(await refusal(admin({ act: 'invite', uses: 1, forMs: -1 }))).to.include('1s');
    });

    it('unlocks without complaint where nothing is locked', async () => {
      await add('seas');
      expect(await admin({ act: 'unlock', name: 'seas' })).to.deep.equal({});
    });
  });
}

describe('admin, with people logged in', () => {
  let dataDir: string;
  let center: Center;
  let admin: Admin;
  const peers: WirePeer[] = [];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-admin-'));
    center = await Center.start({
      host: '127.0.0.1',
      port: 0,
      dataDir,
      plain: true,
      bcryptCost: 4,
      limits: { graceMs: 300 },
    });
    const services = center.adminServices();
    admin = (act) => runAdmin(act, services);
  });

  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.destroy();
    await center.stop();
    await rm(dataDir, { recursive: true });
  });

  async function peer(): Promise<WirePeer> {
    const connected = await WirePeer.connect(center, { plain: true });
    peers.push(connected);
    return connected;
  }

  async function registered(name: string): Promise<WirePeer> {
    const one = await (await peer()).register(name, password);
    await one.attach();
    return one;
  }

  async function loginError(name: string, given = password): Promise<string> {
    return (await peer()).login(name, given).then(
      () => expect.fail('it logged in'),
      (error: Error) => error.message,
    );
  }

  it('shows who is online', async () => {
    await registered('seas');
    await admin({ act: 'add', name: 'google', password });
    const { accounts } = await admin({ act: 'list', after: '', limit: 10, all: false });
    expect(accounts.map(({ name, online }) => [name, online])).to.deep.equal([
      ['google', false],
      ['seas', true],
    ]);
  });

  it('ban ends the session and its token at once, and lets nobody in until unban', async () => {
    const seas = await registered('seas');
    await admin({ act: 'ban', name: 'seas', forMs: hourMs, reason: 'Please calm down.' });
    const { code, text } = await seas.sees('error');
    expect(code).to.equal('banned');
    expect(text).to.include('Please calm down.').and.to.include('1 hour');
    await seas.ends();
    expect(await loginError('seas')).to.match(/^banned:/);
    const resumed = await (await peer()).resume(seas).catch((error: Error) => error.message);
    expect(resumed).to.match(/^banned:/);
    await admin({ act: 'unban', name: 'seas' });
    expect(await (await peer()).resume(seas).catch((error: Error) => error.message)).to.match(/^bad_token:/);
    await (await peer()).login('seas', password);
  });

  it('passwd ends the session and its token at once', async () => {
    const seas = await registered('seas');
    await admin({ act: 'passwd', name: 'seas', password: 'winteriscoming' });
    expect((await seas.sees('error')).code).to.equal('password_changed');
    await seas.ends();
    expect(await (await peer()).resume(seas).catch((error: Error) => error.message)).to.match(/^bad_token:/);
    expect(await loginError('seas')).to.match(/^bad_credentials:/);
    await (await peer()).login('seas', 'winteriscoming');
  });

  it('remove ends the session at once and takes the account away', async () => {
    const seas = await registered('seas');
    await admin({ act: 'remove', name: 'seas', discard: false });
    expect((await seas.sees('error')).code).to.equal('account_deleted');
    await seas.ends();
    expect(await loginError('seas')).to.match(/^bad_credentials:/);
  });

  it('unlock lets the right password in again', async () => {
    await registered('seas');
    for (let tries = 0; tries < 3; tries++) await loginError('seas', 'wrong password');
    expect(await loginError('seas')).to.match(/^suspended:/);
    await admin({ act: 'unlock', name: 'seas' });
    await (await peer()).login('seas', password);
  });

  describe('where mail waits', () => {
    let seas: WirePeer;
    let google: WirePeer;
    let googleId: number;

    beforeEach(async () => {
      seas = await registered('seas');
      await admin({ act: 'add', name: 'google', password });
      google = await (await peer()).login('google', password);
      await google.attach();
      googleId = google.account;
      // One that google stores, and two that it does not.
      seas.message(googleId, 1, 'one');
      google.ack((await google.sees('deliver')).position!);
      await seas.take(({ stored }) => stored?.number === 1, 'stored 1');
      // What is stored leaves the disk a moment later.
      while ((await admin({ act: 'find', name: 'google' }))?.waiting !== 0);
      seas.message(googleId, 2, 'two');
      seas.message(googleId, 3, 'three');
      await seas.take(({ accepted }) => accepted?.number === 3, 'accepted 3');
    });

    it('remove refuses and says how much there is', async () => {
      expect(await refusal(admin({ act: 'remove', name: 'google', discard: false }))).to.match(/^2 messages wait/);
      expect((await admin({ act: 'find', name: 'google' }))?.waiting).to.equal(2);
      expect((await admin({ act: 'find', name: 'google' }))?.state).to.equal('open');
      await google.fence();
    });

    it('remove --discard tells each sender, online or not, of what was not stored', async () => {
      const yahoo = await registered('yahoo');
      yahoo.message(googleId, 1, 'from yahoo');
      await yahoo.take(({ accepted }) => accepted?.number === 1, 'accepted 1');
      await yahoo.ask({ logout: {} });
      await yahoo.ends();
      expect(await admin({ act: 'remove', name: 'google', discard: true })).to.deep.equal({ discarded: 3 });
      expect((await google.sees('error')).code).to.equal('account_deleted');
      for (const number of [2, 3]) {
        const { undeliverable, from } = await seas.sees('deliver');
        expect(from).to.equal(0);
        expect(undeliverable).to.include({ to: googleId, toName: 'google', number, code: 'undeliverable' });
        expect(Buffer.from(undeliverable!.outbox!)).to.deep.equal(Buffer.from(seas.outbox));
      }
      const later = await (await peer()).login('yahoo', password);
      await later.attach();
      expect((await later.sees('deliver')).undeliverable).to.include({ to: googleId, number: 1 });
      seas.message(googleId, 4, 'four');
      expect((await seas.sees('refused')).error?.code).to.equal('unknown_account');
      expect(await loginError('google')).to.match(/^bad_credentials:/);
    });

    it('remove --discard tells a sender who is being deleted, and then is not', async () => {
      google.message(seas.account, 1, 'do not go');
      await google.take(({ accepted }) => accepted?.to === seas.account, 'accepted');
      expect(await seas.ask({ deleteAccount: { password } })).to.have.property('done');
      expect(await admin({ act: 'remove', name: 'google', discard: true })).to.deep.equal({ discarded: 2 });
      seas.destroy();
      const again = await (await peer()).resume(seas);
      await again.attach();
      expect(await again.reads()).to.equal('<google>: do not go');
      for (const number of [2, 3]) {
        const { undeliverable, position } = await again.sees('deliver');
        expect(undeliverable).to.include({ to: googleId, number });
        again.ack(position!);
      }
    });

    it('remove --discard goes on where it failed, and tells nobody twice', async () => {
      const services = center.adminServices();
      const failing: Store = new Proxy(services.store, {
        get: (store, name) => {
          const act: unknown = Reflect.get(store, name);
          if (name === 'discard') return () => Promise.reject(new Error('the power failed'));
          return typeof act === 'function' ? act.bind(store) : act;
        },
      });
      await runAdmin({ act: 'remove', name: 'google', discard: true }, { ...services, store: failing }).then(
        () => expect.fail('it was done'),
        (error: Error) => expect(error.message).to.equal('the power failed'),
      );
      expect(await loginError('google')).to.match(/^banned:/);
      expect(await admin({ act: 'remove', name: 'google', discard: true })).to.deep.equal({ discarded: 2 });
      await seas.sees('deliver');
      await seas.sees('deliver');
      await seas.fence();
      expect(seas.received.filter(({ deliver }) => deliver)).to.deep.equal([]);
      expect(await admin({ act: 'find', name: 'google' })).to.include({ state: 'removed' });
    });

    it('remove --discard works where the center does not run', async () => {
      await center.stop();
      const open = await openAdmin({ dataDir, create: false, userId: null });
      expect(await refusal(open.admin({ act: 'remove', name: 'google', discard: false }))).to.match(/^2 messages wait/);
      expect(await open.admin({ act: 'remove', name: 'google', discard: true })).to.deep.equal({ discarded: 2 });
      await open.close();
      center = await Center.start({ host: '127.0.0.1', port: 0, dataDir, plain: true, bcryptCost: 4 });
      const later = await (await peer()).resume(seas);
      await later.attach();
      for (const number of [2, 3]) {
        expect((await later.sees('deliver')).undeliverable).to.include({ to: googleId, number });
      }
    });
  });
});
