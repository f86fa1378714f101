import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import sinon from 'sinon';
import { Clock } from '../../center/clock.ts';
import { Lockout } from '../../center/lockout.ts';
import {
  changePassword,
  checkOwnPassword,
  type From,
  type LoggedIn,
  type LoginServices,
  login,
  register,
  resume,
} from '../../center/login.ts';
import { Passwords } from '../../center/passwords.ts';
import { newInvite, Registration } from '../../center/registration.ts';
import { openSqliteStore } from '../../center/store/sqlite.ts';
import { type Store, StoreError } from '../../center/store/store.ts';
import { Tokens } from '../../center/tokens.ts';
import { type ErrorCode, ParleyError } from '../../shared/errors.ts';
import { generateKey } from '../../shared/identity.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 10, 21, 9, 14);
const here: From = { address: '127.0.0.1', loopback: true, hasLiveSession: false };
const password = 'summerisover';

describe('login', () => {
  const centerId = Buffer.alloc(16, 7);
  const tokenKey = generateKey();
  const passwords = new Passwords({ cost: 4 });
  let directory: string;
  let store: Store;
  let services: LoginServices;
  let elapsedMs: number;

  async function open(): Promise<void> {
    store = await openSqliteStore({ file: join(directory, 'center.db') });
    const clock = new Clock(
      0,
      () => startMs + elapsedMs,
      () => elapsedMs,
    );
    const save = store.setLockouts.bind(store);
    services = {
      store,
      passwords,
      clock,
      lockout: new Lockout({ clock, saved: await store.lockouts(), save }),
      tokens: new Tokens({ centerId, tokenKey, clock }),
      registration: new Registration({ clock, maxPerHour: 0 }),
    };
  }

  async function restart(): Promise<void> {
    await store.close();
    await open();
  }

  beforeEach(async () => {
    elapsedMs = 0;
    directory = await mkdtemp(join(tmpdir(), 'parley-login-'));
    await open();
  });

  afterEach(async () => {
    sinon.restore();
    await store.close();
    await rm(directory, { recursive: true });
  });

  after(() => passwords.close());

  const registerSeas = (more: { name?: string; key?: string; invite?: string } = {}, from = here) =>
    register(services, { name: 'seas', password, invite: '', key: 'key 1', ...more }, from);
  const loginSeas = (more: { name?: string; password?: string; key?: string } = {}, from = here) =>
    login(services, { name: 'seas', password, key: 'key 1', ...more }, from);
  async function resumeWith(token: string, key = 'key 1', from = here): Promise<LoggedIn> {
    const admission = resume(services, { token, key }, from);
    return admission.enter(await admission.record());
  }

  async function refused(act: Promise<unknown>, code: ErrorCode): Promise<ParleyError> {
    const error = await act.then(
      () => expect.fail(`it was not refused with ${code}`),
      (thrown) => thrown,
    );
    expect(error).to.be.instanceOf(ParleyError);
    expect(error.code).to.equal(code);
    expect(error.message).not.to.include(password);
    return error;
  }

  async function expectLive({ token }: LoggedIn, key = 'key 1'): Promise<LoggedIn> {
    return resumeWith(token, key);
  }

  describe('register', () => {
    it('makes an account and logs it in', async () => {
      const made = await registerSeas({ name: 'Seas' });
      expect(made.account).to.deep.include({ name: 'Seas', state: 'open', createdAtMs: startMs, generation: 1 });
      expect(made.account.id).to.be.within(2 ** 32, 2 ** 48 - 1);
      expect(made.generation).to.equal(1);
      expect(made.tokenExpiresAtMs).to.equal(startMs + 30 * dayMs);
      expect(jwt.decode(made.token.split('~')[0]!)).to.deep.include({ sub: String(made.account.id), jti: made.jti });
      expect(made.account.passwordHash).not.to.include(password);
      await expectLive(made);
      expect((await loginSeas()).account.id).to.equal(made.account.id);
    });

    it('refuses names and passwords that are not valid, without work', async () => {
      const hash = sinon.spy(passwords, 'hash');
      await refused(registerSeas({ name: 'se as' }), 'bad_name');
      await refused(registerSeas({ name: 'message' }), 'bad_name');
      const request = { name: 'seas', password: 'short', invite: '', key: 'key 1' };
      await refused(register(services, request, here), 'bad_password');
      await refused(register(services, { ...request, password: 'x'.repeat(73) }, here), 'bad_password');
      expect(hash.callCount).to.equal(0);
    });

    it('refuses a name that is taken, in any case, and one that is reserved', async () => {
      const { account } = await registerSeas();
      const error = await refused(registerSeas({ name: 'SEAS' }), 'name_taken');
      expect(error.message).to.equal('The name SEAS is taken.');
      await store.removeAccount(account.id);
      await refused(registerSeas(), 'name_taken');
      await store.releaseName('seas');
      expect((await registerSeas()).account.id).not.to.equal(account.id);
    });

    it('gives a name to one of those who ask for it at once', async () => {
      const tries = await Promise.allSettled(['a', 'b', 'c', 'd'].map((key) => registerSeas({ key })));
      expect(tries.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    });

    it('takes another id where one is used', async () => {
      const ids = [5_000_000_000, 5_000_000_000, 5_000_000_000, 6_000_000_000];
      services.newAccountId = () => ids.shift() ?? 0;
      const [one, two] = [await registerSeas(), await registerSeas({ name: 'google' })];
      expect(one.account).to.deep.include({ id: 5_000_000_000, name: 'seas' });
      expect(two.account).to.deep.include({ id: 6_000_000_000, name: 'google' });
    });

    it('needs an invite elsewhere than over loopback, and spends it', async () => {
      const away = { address: '192.0.2.1', loopback: false, hasLiveSession: false };
      await refused(registerSeas({}, away), 'invite_needed');
      const { code, record } = newInvite({ nowMs: startMs });
      await store.createInvite(record);
      await refused(registerSeas({ invite: 'nothing' }, away), 'invite_needed');
      expect((await registerSeas({ invite: code }, away)).generation).to.equal(1);
      await refused(registerSeas({ name: 'google', invite: code }, away), 'invite_needed');
    });

    it('spends a last use of an invite once among those who bring it at once', async () => {
      services.registration = new Registration({ clock: services.clock, mode: 'invite' });
      const { code, record } = newInvite({ nowMs: startMs });
      await store.createInvite(record);
      const tries = await Promise.allSettled(['a', 'b', 'c'].map((name) => registerSeas({ name, invite: code })));
      expect(tries.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    });

    it('is limited for an address, and closed where the operator says so', async () => {
      services.registration = new Registration({ clock: services.clock, maxPerHour: 1 });
      await registerSeas();
      await refused(registerSeas(), 'rate_limited');
      services.registration = new Registration({ clock: services.clock, mode: 'closed' });
      await refused(registerSeas({ name: 'google' }), 'registration_closed');
    });

    it('that failed for its name leaves the limit alone', async () => {
      await registerSeas();
      services.registration = new Registration({ clock: services.clock, maxPerHour: 1 });
      await refused(registerSeas(), 'name_taken');
      await registerSeas({ name: 'google' });
    });

    it('counts all addresses of an IPv6 network as one', async () => {
      services.registration = new Registration({ clock: services.clock, mode: 'open', maxPerHour: 1 });
      const from = (address: string) => ({ address, loopback: false, hasLiveSession: false });
      await registerSeas({}, from('2001:db8::1'));
      await refused(registerSeas({ name: 'google' }, from('2001:db8::2')), 'rate_limited');
      await registerSeas({ name: 'google' }, from('2001:db8:1::2'));
    });
  });

  describe('with a password', () => {
    let first: LoggedIn;

    beforeEach(async () => {
      first = await registerSeas({ name: 'Seas' });
    });

    it('begins a session with a higher generation and ends the one before', async () => {
      const second = await loginSeas({ key: 'key 2' });
      expect(second.generation).to.equal(2);
      expect(second.account).to.deep.include({ id: first.account.id, name: 'Seas', generation: 2 });
      await refused(expectLive(first), 'displaced');
      await expectLive(second, 'key 2');
    });

    it('says the same of a wrong password and of a missing account', async () => {
      const wrong = await refused(loginSeas({ password: 'winter is here' }), 'bad_credentials');
      const missing = await refused(loginSeas({ name: 'nobody' }), 'bad_credentials');
      expect(wrong.message).to.equal('Incorrect username/password. 2 more login attempts.');
      expect(missing.message).to.equal(wrong.message);
      expect(missing.attemptsLeft).to.equal(wrong.attemptsLeft);
      for (const name of ['seas', 'nobody']) {
        await refused(loginSeas({ name, password: 'winter is here' }), 'bad_credentials');
        await refused(loginSeas({ name, password: 'winter is here' }), 'locked');
        elapsedMs += 40_000;
        const suspended = await refused(loginSeas({ name }), 'suspended');
        expect(suspended.message).to.equal(`${name} is suspended for another 20 seconds.`);
        elapsedMs += 20_000;
      }
    });

    it('says so of a removed account, before and after', async () => {
      await store.removeAccount(first.account.id);
      expect((await refused(loginSeas(), 'bad_credentials')).attemptsLeft).to.equal(2);
      await refused(resumeWith(first.token), 'bad_token');
    });

    it('hashes nothing during a lock, which outlives a restart', async () => {
      for (let tries = 0; tries < 3; tries += 1) await loginSeas({ password: 'winter is here' }).catch(() => undefined);
      elapsedMs += 1000;
      await restart();
      const verify = sinon.spy(passwords, 'verify');
      const error = await refused(loginSeas(), 'suspended');
      expect(error.message).to.equal('seas is suspended for another 59 seconds.');
      expect(verify.callCount).to.equal(0);
      await expectLive(first);
    });

    it('keeps the account open for keys and addresses that it knows while others guess', async () => {
      const from = (index: number) => ({ address: `198.51.${index}.1`, loopback: false, hasLiveSession: false });
      for (let index = 0; index < 30; index += 1) {
        await refused(loginSeas({ password: 'winter is here', key: 'evil' }, from(index)), 'bad_credentials');
      }
      await refused(loginSeas({ key: 'key 9' }, from(99)), 'suspended');
      await loginSeas({ key: 'key 9' }, here);
      await loginSeas({ key: 'key 1' }, from(98));
      await resumeWith((await loginSeas()).token, 'key 1', from(97));
      await loginSeas({ key: 'key 8' }, from(97));
    });

    it('is refused to the banned, but only with the right password', async () => {
      await store.setBan(first.account.id, startMs + dayMs, 'spam');
      const error = await refused(loginSeas(), 'banned');
      expect(error.message).to.equal('Seas is banned until 2026-11-22 09:14 UTC: spam');
      expect(error.retryAfterMs).to.equal(dayMs);
      await refused(loginSeas({ password: 'winter is here' }), 'bad_credentials');
      await refused(expectLive(first), 'banned');
      elapsedMs = dayMs;
      expect((await loginSeas()).generation).to.equal(2);
      await refused(expectLive(first), 'bad_token');
    });

    it('is refused for ever where a ban has no end, across a restart', async () => {
      await store.setBan(first.account.id, Number.POSITIVE_INFINITY, '');
      await restart();
      const error = await refused(loginSeas(), 'banned');
      expect(error.message).to.equal('Seas is banned.');
      expect(error.retryAfterMs).to.equal(0);
      await store.setBan(first.account.id, null, '');
      await loginSeas();
    });

    it('reopens an account that was closing', async () => {
      await store.setState(first.account.id, 'closing');
      expect((await loginSeas()).account.state).to.equal('open');
      expect((await store.account(first.account.id))?.state).to.equal('open');
    });

    it('of several at once gives each a generation, and the highest the session', async () => {
      const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
      const logins = await Promise.all(keys.map((key) => loginSeas({ key })));
      const generations = logins.map(({ generation }) => generation).sort((a, b) => a - b);
      expect(generations).to.deep.equal([2, 3, 4, 5, 6, 7]);
      for (const [index, one] of logins.entries()) {
        const resumed = resumeWith(one.token, keys[index]);
        if (one.generation === 7) await resumed;
        else await refused(resumed, 'displaced');
      }
    });

    it('gives up where it is overtaken again and again', async () => {
      const claim = sinon.stub(store, 'claimSession').resolves('conflict');
      expect((await refused(loginSeas(), 'busy')).retryAfterMs).to.be.above(0);
      expect(claim.callCount).to.be.within(2, 20);
    });

    it('is not let in by a password that was changed while it was checked', async () => {
      const passwordHash = await passwords.hash('winter is here');
      const claim = store.claimSession.bind(store);
      sinon.stub(store, 'claimSession').callsFake(async (judged, ...more) => {
        await store.setPassword(judged.id, passwordHash);
        return claim(judged, ...more);
      });
      await refused(loginSeas(), 'password_changed');
      expect((await store.account(first.account.id))?.session).to.equal(null);
    });

    it('is not let in past a ban that came while the password was checked', async () => {
      const claim = store.claimSession.bind(store);
      sinon.stub(store, 'claimSession').callsFake(async (judged, ...more) => {
        await store.setBan(judged.id, Number.POSITIVE_INFINITY, '');
        return claim(judged, ...more);
      });
      await refused(loginSeas(), 'banned');
      expect((await store.account(first.account.id))?.session).to.equal(null);
    });

    it('checks nothing for a connection that is gone, and counts what has begun before it went', async () => {
      let isConnected = false;
      const from = { ...here, isConnected: () => isConnected };
      for (let times = 0; times < 4; times += 1) {
        await refused(loginSeas({ password: 'wrong password' }, from), 'timeout');
        await refused(loginSeas({}, from), 'timeout');
      }
      isConnected = true;
      const verify = sinon.stub(passwords, 'verify').callsFake((typed, hash, isWanted) => {
        const begun = verify.wrappedMethod.call(passwords, typed, hash, isWanted);
        isConnected = false;
        return begun;
      });
      const wrong = await refused(loginSeas({ password: 'wrong password' }, from), 'bad_credentials');
      expect(wrong.attemptsLeft).to.equal(2);
      verify.restore();
      expect((await refused(loginSeas({ password: 'wrong password' }), 'bad_credentials')).attemptsLeft).to.equal(1);
    });

    it('passes on that the store has failed, and counts nothing', async () => {
      const failed = sinon.stub(store, 'claimSession').rejects(new StoreError('failed', 'disk'));
      for (let tries = 0; tries < 4; tries += 1) {
        const error = await loginSeas().catch((thrown) => thrown);
        expect(error).to.be.instanceOf(StoreError);
      }
      failed.restore();
      await loginSeas();
    });
  });

  describe('resume', () => {
    let first: LoggedIn;

    beforeEach(async () => {
      first = await registerSeas();
    });

    it('continues the session, with the same token in the first half of its life', async () => {
      elapsedMs = 15 * dayMs;
      const second = await resumeWith(first.token);
      expect(second.generation).to.equal(1);
      expect(second.account).to.deep.include({ id: first.account.id, name: 'seas' });
      expect(second).to.deep.include({ token: first.token, jti: first.jti, tokenExpiresAtMs: startMs + 30 * dayMs });
    });

    it('continues it with a token for thirty days more after that', async () => {
      elapsedMs = 15 * dayMs + 1000;
      const second = await resumeWith(first.token);
      expect(second.tokenExpiresAtMs).to.equal(startMs + 45 * dayMs + 1000);
      expect(second.jti).not.to.equal(first.jti);
      elapsedMs = 31 * dayMs;
      await refused(resumeWith(first.token), 'bad_token');
      await resumeWith(second.token);
    });

    it('leaves the old token good until the new one is used', async () => {
      elapsedMs = 20 * dayMs;
      const lost = await resumeWith(first.token);
      const second = await resumeWith(first.token);
      await refused(resumeWith(lost.token), 'bad_token');
      await resumeWith(second.token);
      await refused(resumeWith(first.token), 'bad_token');
      expect((await resumeWith(second.token)).token).to.equal(second.token);
    });

    it('needs the key that the token was issued to', async () => {
      await refused(resumeWith(first.token, 'key 2'), 'bad_token');
      await refused(resumeWith('nothing'), 'bad_token');
      await resumeWith(first.token);
    });

    it('works after a restart, and during a lock', async () => {
      for (let tries = 0; tries < 3; tries += 1) await loginSeas({ password: 'winter is here' }).catch(() => undefined);
      await restart();
      await resumeWith(first.token);
    });

    it('is refused for ever after logout, a login elsewhere, a changed password, a ban, removal', async () => {
      const { id } = first.account;
      const elsewhere = () => loginSeas({ key: 'key 2' });
      const ends: (() => Promise<unknown>)[] = [
        () => store.endSession(id, null),
        elsewhere,
        async () => store.setPassword(id, await passwords.hash(password)),
        async () => {
          await store.setBan(id, Number.POSITIVE_INFINITY, '');
          await store.setBan(id, null, '');
        },
        () => store.removeAccount(id),
      ];
      for (const end of ends) {
        const session = await loginSeas();
        elapsedMs += 20 * dayMs;
        const renewed = await resumeWith(session.token);
        expect(renewed.token).not.to.equal(session.token);
        await end();
        const code = end === elsewhere ? 'displaced' : 'bad_token';
        await refused(resumeWith(session.token), code);
        await refused(resumeWith(renewed.token), code);
        await restart();
        await refused(resumeWith(session.token), code);
        await refused(resumeWith(renewed.token), code);
      }
    });

    describe('says displaced', () => {
      it('to every session that logins elsewhere have followed, and whatever was renewed since', async () => {
        const second = await loginSeas({ key: 'key 2' });
        await resumeWith(second.token, 'key 2');
        const third = await loginSeas({ key: 'key 3' });
        elapsedMs = 20 * dayMs;
        await resumeWith((await resumeWith(third.token, 'key 3')).token, 'key 3');
        await refused(resumeWith(first.token), 'displaced');
        await refused(resumeWith(second.token, 'key 2'), 'displaced');
      });

      it('not when the session that displaced it is over, nor when another has begun since', async () => {
        await loginSeas({ key: 'key 2' });
        await store.endSession(first.account.id, null);
        await refused(resumeWith(first.token), 'bad_token');
        await loginSeas({ key: 'key 3' });
        await refused(resumeWith(first.token), 'bad_token');
      });

      it('not where the password was changed, nor of what was before that', async () => {
        const second = await loginSeas({ key: 'key 2' });
        const change = { oldPassword: password, newPassword: 'winter is here', key: 'key 2' };
        const changed = await changePassword(services, first.account.id, change, here);
        await refused(resumeWith(first.token), 'bad_token');
        await refused(resumeWith(second.token, 'key 2'), 'bad_token');
        await loginSeas({ key: 'key 3', password: 'winter is here' });
        await refused(resumeWith(first.token), 'bad_token');
        await refused(resumeWith(changed.token, 'key 2'), 'displaced');
      });

      it('not of a token of the live session that was used up', async () => {
        elapsedMs = 20 * dayMs;
        const renewed = await resumeWith(first.token);
        await resumeWith(renewed.token);
        await refused(resumeWith(first.token), 'bad_token');
      });
    });

    it('reopens an account that was closing', async () => {
      await store.setState(first.account.id, 'closing');
      expect((await resumeWith(first.token)).account.state).to.equal('open');
      expect((await store.account(first.account.id))?.state).to.equal('open');
    });
  });

  describe('changePassword', () => {
    let first: LoggedIn;
    const change = (oldPassword = password, newPassword = 'winter is here') =>
      changePassword(services, first.account.id, { oldPassword, newPassword, key: 'key 1' }, here);

    /** Does this when the password has been judged, right before the store is asked. */
    function precede(act: (judged: { id: number }) => Promise<unknown>): void {
      const changeInStore = store.changePassword.bind(store);
      sinon.stub(store, 'changePassword').callsFake(async (judged, ...more) => {
        await act(judged);
        return changeInStore(judged, ...more);
      });
    }

    beforeEach(async () => {
      first = await registerSeas({ name: 'Seas' });
    });

    it('ends every session, begins one, and lets in with the new password alone', async () => {
      const changed = await change();
      expect(changed.generation).to.equal(2);
      await refused(resumeWith(first.token), 'bad_token');
      await expectLive(changed);
      await refused(loginSeas(), 'bad_credentials');
      await loginSeas({ password: 'winter is here' });
    });

    it('counts the old password for lockout', async () => {
      await refused(change('wrong password'), 'bad_credentials');
      await refused(loginSeas({ password: 'wrong password' }), 'bad_credentials');
      await refused(change('wrong password'), 'locked');
      expect((await refused(change(), 'suspended')).message).to.include('Seas is suspended');
      await expectLive(first);
    });

    it('refuses a new password that is not valid, without counting', async () => {
      for (let tries = 0; tries < 5; tries += 1) await refused(change(password, 'short'), 'bad_password');
      await change();
    });

    it('of an account that was removed is refused', async () => {
      await store.removeAccount(first.account.id);
      await refused(change(), 'account_deleted');
    });

    it('gives no session to an account that was banned meanwhile', async () => {
      precede(({ id }) => store.setBan(id, Number.POSITIVE_INFINITY, ''));
      await refused(change(), 'banned');
      expect((await store.account(first.account.id))?.session).to.equal(null);
    });

    it('does not replace a password that the operator has set meanwhile', async () => {
      const byOperator = await passwords.hash('autumn is here');
      precede(({ id }) => store.setPassword(id, byOperator));
      await refused(change(), 'password_changed');
      expect(await store.account(first.account.id)).to.include({ passwordHash: byOperator, session: null });
    });

    it('changes nothing where somebody has logged in meanwhile', async () => {
      precede(() => loginSeas({ key: 'key 2' }));
      await refused(change(), 'displaced');
      await loginSeas();
    });

    it('changes nothing for whoever is gone', async () => {
      const from = { ...here, isConnected: () => false };
      const asked = { oldPassword: password, newPassword: 'winter is here', key: 'key 1' };
      await refused(changePassword(services, first.account.id, asked, from), 'timeout');
      await expectLive(first);
      await loginSeas();
    });

    it('of two at once leaves one password and one session', async () => {
      const tries = await Promise.allSettled([change(password, 'password one'), change(password, 'password two')]);
      const changed = tries.filter(({ status }) => status === 'fulfilled');
      expect(changed.length).to.be.within(1, 2);
      const logins = await Promise.allSettled(
        ['password one', 'password two'].map((one) => loginSeas({ password: one })),
      );
      expect(logins.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    });
  });

  describe('checkOwnPassword', () => {
    it('returns for the right one and counts the wrong ones', async () => {
      const { account } = await registerSeas();
      const check = (given: string) => checkOwnPassword(services, account.id, { password: given, key: 'key 1' }, here);
      await check(password);
      await refused(check('wrong password'), 'bad_credentials');
      await refused(check('wrong password'), 'bad_credentials');
      await refused(check('wrong password'), 'locked');
      await refused(check(password), 'suspended');
      await store.removeAccount(account.id);
      await refused(check(password), 'account_deleted');
    });
  });
});
