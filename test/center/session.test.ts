import { createHash } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import { expect } from 'chai';
import { runAdmin } from '../../center/admin.ts';
import { ParleyError } from '../../shared/errors.ts';
import { TestCenter } from '../helpers/center.ts';
import { overriding, Room } from '../helpers/room.ts';
import type { WirePeer } from '../helpers/wire.ts';

describe('session', () => {
  let center: TestCenter;

  beforeEach(async () => {
    center = await TestCenter.start({ plain: false });
  });

  afterEach(() => center.stop());

  async function refusesToken(before: WirePeer, code = 'bad_token'): Promise<void> {
    const peer = await center.connect();
    peer.key = before.key;
    await peer.greet();
    const error = await peer.refused({ resume: { token: before.token, ...peer.proof() } });
    expect(error.code).to.equal(code);
  }

  describe('hello', () => {
    it('tells who the center is, what it allows, and proves it', async () => {
      const peer = await center.connect();
      await peer.greet();
      const { version, centerId, identityKey, limits, registration, nonce } = peer.hello;
      expect(version).to.equal(1);
      expect(Buffer.from(centerId!).toString('hex')).to.equal(center.center.centerId);
      const sha = createHash('sha256').update(identityKey!).digest('base64').replace(/=+$/, '');
      expect(`SHA256:${sha}`).to.equal(center.center.fingerprint);
      expect(nonce).to.have.length(32);
      expect(registration).to.equal(1);
      expect(limits).to.deep.include({ maxFrameBytes: 4096, maxSessionFrameBytes: 65_536, maxBodyBytes: 16_384 });
    });
  });

  describe('register', () => {
    it('makes an account and logs it in', async () => {
      const peer = await center.connect();
      await peer.greet();
      const { welcome } = await peer.ask({ register: { name: 'Seas', password: 'summerisover', ...peer.proof() } });
      expect(welcome).to.deep.include({ name: 'Seas', generation: 1 });
      expect(welcome!.tokenExpiresAtMs).to.be.greaterThan(Date.now());
    });

    it('says what is wrong, and can be tried again on the same connection', async () => {
      await center.register('seas');
      const peer = await center.connect();
      await peer.greet();
      const tries = [
        ['SEAS', 'summerisover', 'name_taken'],
        ['message', 'summerisover', 'bad_name'],
        ['google', 'x1y2z', 'bad_password'],
      ];
      for (const [name, password, code] of tries) {
        const error = await peer.refused({ register: { name: name!, password: password!, ...peer.proof() } });
        expect(error.code).to.equal(code);
        expect(error.text).not.to.include(password);
      }
      await peer.register('google');
      expect((await peer.ask({ lookup: { name: 'SEAS' } })).accountEntry?.name).to.equal('seas');
    });
  });

  describe('login', () => {
    it('counts wrong passwords down, then locks', async () => {
      await center.register('seas');
      const peer = await center.connect();
      await peer.greet();
      const attempt = { login: { name: 'seas', password: 'wrong one', ...peer.proof() } };
      expect(await peer.refused(attempt)).to.deep.include({ code: 'bad_credentials', attemptsLeft: 2 });
      expect(await peer.refused(attempt)).to.deep.include({ code: 'bad_credentials', attemptsLeft: 1 });
      expect(await peer.refused(attempt)).to.deep.include({ code: 'locked', retryAfterMs: 60_000 });
      const error = await peer.refused({ login: { ...attempt.login, password: 'summerisover' } });
      expect(error.code).to.equal('suspended');
      expect(error.text).to.match(/^seas is suspended for another \d+ seconds\.$/);
    });

    it('needs a proof of the key that is bound to this very connection', async () => {
      await center.register('seas');
      const [one, two] = [await center.connect(), await center.connect()];
      await one.greet();
      await two.greet();
      const login = { name: 'seas', password: 'summerisover' };
      expect((await two.refused({ login: { ...login, ...one.proof() } })).code).to.equal('bad_signature');
      expect((await two.refused({ login })).code).to.equal('bad_signature');
      await two.login('seas');
    });

    it('elsewhere ends the earlier session', async () => {
      const seas = await center.join('seas');
      const elsewhere = await center.login('seas');
      expect(await seas.isClosed()).to.deep.include({ code: 'displaced', text: 'Logged on different location!' });
      await refusesToken(seas, 'displaced');
      await elsewhere.attach();
    });

    it('twice at once leaves one of the two', async () => {
      await center.register('seas');
      const peers = [await center.connect(), await center.connect(), await center.connect()];
      const tries = await Promise.allSettled(peers.map((peer) => peer.login('seas')));
      const alive: WirePeer[] = [];
      for (const [index, peer] of peers.entries()) {
        if (tries[index]?.status === 'rejected') continue;
        const frame = await peer.ask({ online: {} }).catch(() => null);
        if (frame?.accountPage) alive.push(peer);
      }
      expect(alive).to.have.length(1);
      const { sessions } = { sessions: center.query('SELECT generation, jti FROM accounts') };
      expect(sessions[0]).to.deep.include({ generation: 4 });
      await center.resume(alive[0]!);
    });

    it('while the connection goes leaves nobody online', async () => {
      // So that the password is still being checked when the connection goes.
      await center.restart({ bcryptCost: 10 });
      const google = await center.register('google');
      await (await center.register('seas')).ask({ logout: {} });
      const account = "SELECT generation, online FROM accounts WHERE name = 'seas'";
      const hasBegun = () => center.query(account)[0]?.generation !== 1;
      while (!hasBegun()) {
        const seas = await center.connect();
        await seas.greet();
        seas.send({ request: 1, login: { name: 'seas', password: 'summerisover', ...seas.proof() } });
        await google.fence();
        seas.destroy();
        // A check that had not begun is dropped with its connection.
        for (let fences = 0; fences < 1000 && !hasBegun(); fences++) await google.fence();
      }
      while (center.query(account)[0]?.online === 1) await google.fence();
      expect((await google.ask({ online: {} })).accountPage?.accounts).to.deep.equal([]);
      await google.hasNot(({ presence }) => presence?.changes?.some(({ online }) => !online) ?? false);
    });
  });

  it('a ban that comes while a login is on its way ends that login', async () => {
    let gate: PromiseWithResolvers<void> | null = null;
    const room = await Room.open({
      wrap: (store) =>
        overriding(store, (store) => ({
          claimSession: async (...asked) => {
            const claimed = await store.claimSession(...asked);
            await gate?.promise;
            return claimed;
          },
        })),
    });
    try {
      const first = await room.register('seas');
      gate = Promise.withResolvers();
      const peer = room.connect();
      await peer.greet();
      const refused = peer.refused({ login: { name: 'seas', password: 'summerisover', ...peer.proof() } });
      const { store, sessions } = room.services;
      while ((await store.account(first.account))?.generation === 1);
      await store.setBan(first.account, Number.POSITIVE_INFINITY, '');
      sessions.of(first.account)?.end(new ParleyError('banned', 'The account is banned.'), 'now');
      gate.resolve();
      expect((await refused).code).to.equal('logged_out');
      expect(sessions.of(first.account)).to.equal(undefined);
    } finally {
      await room.close();
    }
  });

  describe('resume', () => {
    it('goes on without a password, and closes the older connection', async () => {
      const seas = await center.join('seas');
      const again = await center.resume(seas);
      expect(await seas.isClosed()).to.deep.include({ code: 'displaced' });
      expect(again.account).to.equal(seas.account);
      await again.attach();
    });

    it('attaches with the same request', async () => {
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      seas.message(google.account, 7, 'Hello');
      await seas.sees('accepted');
      seas.destroy();
      google.message(seas.account, 1, 'Hi');
      await google.sees('accepted');
      const again = await center.connect();
      Object.assign(again, { key: seas.key, outbox: seas.outbox });
      await again.greet();
      const attach = { outbox: again.outbox, hold: true };
      const { welcome } = await again.ask({ resume: { token: seas.token, ...again.proof(), attach } });
      expect(welcome).to.deep.include({ account: seas.account, attached: { highestNumber: 7, waiting: 1 } });
      // Held, as was said.
      await again.hasNot(({ deliver }) => deliver != null);
      expect((await again.refused({ attach })).code).to.equal('wrong_state');
      again.message(google.account, 8, 'Here I am');
      await again.sees('accepted');
    });

    it('attaches the outbox that was named, whatever others send meanwhile', async () => {
      // Over TLS each has its bytes for itself.
      await center.stop();
      center = await TestCenter.start({ plain: true });
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      seas.message(google.account, 7, 'Hello');
      await seas.sees('accepted');
      const again = await center.connect();
      Object.assign(again, { key: seas.key, outbox: seas.outbox });
      await again.greet();
      const proof = again.proof();
      let isBack = false;
      const back = again.enter({ resume: { token: seas.token, ...proof, attach: { outbox: seas.outbox } } });
      const came = back.finally(() => {
        isBack = true;
      });
      // The center reads all plain connections into one buffer.
      for (let number = 1; !isBack; number++) {
        google.message(seas.account, number, 'x'.repeat(2000));
        await immediate();
      }
      expect((await came).attached?.highestNumber).to.equal(7);
    });

    it('goes on where it cannot attach, and says why when asked', async () => {
      const seas = await center.join('seas');
      const again = await center.connect();
      Object.assign(again, { key: seas.key });
      await again.greet();
      const attach = { outbox: new Uint8Array(3) };
      const { welcome } = await again.ask({ resume: { token: seas.token, ...again.proof(), attach } });
      expect(welcome?.account).to.equal(seas.account);
      expect(welcome?.attached ?? null).to.equal(null);
      expect((await again.refused({ attach })).code).to.equal('bad_frame');
      await again.attach();
    });

    it('gives the next token after half of its life, and takes the old one until that was used', async () => {
      const seas = await center.register('seas');
      const same = await center.resume(seas);
      expect(same.token).to.equal(seas.token);
      await center.restart({}, { daysLater: 16 });
      const lost = await center.resume(seas);
      const second = await center.resume(seas);
      expect(second.token).not.to.equal(seas.token);
      await refusesToken(lost);
      const third = await center.resume(second);
      await refusesToken(seas);
      await third.attach();
    });

    it('is refused to another key', async () => {
      const seas = await center.register('seas');
      const thief = await center.connect();
      await thief.greet();
      const error = await thief.refused({ resume: { token: seas.token, ...thief.proof() } });
      expect(error.code).to.equal('bad_token');
    });

    it('works after the center was restarted', async () => {
      const seas = await center.register('seas');
      await center.restart();
      await center.resume(seas);
    });
  });

  describe('an old token is refused, also after a restart of the center,', () => {
    const ends: Record<string, (seas: WirePeer) => Promise<unknown>> = {
      'after logout': async (seas) => {
        expect(await seas.ask({ logout: {} })).to.have.property('done');
        await seas.ends();
      },
      'after a login elsewhere': () => center.login('seas'),
      'after passwd': (seas) => seas.ask({ passwd: { oldPassword: 'summerisover', newPassword: 'winteriscoming' } }),
      'after a ban': async (seas) => {
        const services = center.center.adminServices();
        await runAdmin({ act: 'ban', name: 'seas', forMs: null, reason: 'spam' }, services);
        expect(await seas.isClosed()).to.deep.include({ code: 'banned' });
      },
      'after delete-account': async (seas) => {
        await seas.attach();
        expect(await seas.ask({ deleteAccount: { password: 'summerisover' } })).to.have.property('done');
        expect(await seas.isClosed()).to.deep.include({ code: 'account_deleted' });
      },
      'after a new password of the operator': async (seas) => {
        const services = center.center.adminServices();
        await runAdmin({ act: 'passwd', name: 'seas', password: 'winteriscoming' }, services);
        expect(await seas.isClosed()).to.deep.include({ code: 'password_changed' });
      },
    };

    for (const [when, end] of Object.entries(ends)) {
      it(when, async () => {
        const seas = await center.register('seas');
        await end(seas);
        const codes: Record<string, string> = { 'after a ban': 'banned', 'after a login elsewhere': 'displaced' };
        const code = codes[when] ?? 'bad_token';
        await refusesToken(seas, code);
        await center.restart();
        await refusesToken(seas, code);
      });
    }
  });

  describe('logout', () => {
    it('that keeps the token goes offline and comes back by it', async () => {
      const google = await center.register('google');
      const seas = await center.register('seas');
      await google.sees('presence');
      expect(await seas.ask({ logout: { keepToken: true } })).to.have.property('done');
      await seas.ends();
      expect((await google.sees('presence')).changes?.[0]).to.deep.include({ name: 'seas', online: false });
      await center.restart();
      await center.resume(seas);
    });
  });

  describe('passwd', () => {
    it('asks for the old password, and answers with a new token', async () => {
      const seas = await center.register('seas');
      const wrong = await seas.refused({ passwd: { oldPassword: 'not this one', newPassword: 'winteriscoming' } });
      expect(wrong).to.deep.include({ code: 'bad_credentials', attemptsLeft: 2 });
      const bad = await seas.refused({ passwd: { oldPassword: 'summerisover', newPassword: 'x' } });
      expect(bad.code).to.equal('bad_password');
      const { welcome } = await seas.ask({ passwd: { oldPassword: 'summerisover', newPassword: 'winteriscoming' } });
      expect(welcome?.generation).to.equal(2);
      seas.token = welcome!.token!;
      await center.resume(seas);
      await center.login('seas', 'winteriscoming');
    });

    it('leaves what is stored from then on to this session', async () => {
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      const { welcome } = await seas.ask({ passwd: { oldPassword: 'summerisover', newPassword: 'winteriscoming' } });
      google.message(seas.account, 1, 'before the restart');
      expect(await seas.reads()).to.equal('<google>: before the restart');
      await google.isStored(seas.account, 1);
      await center.restart();
      seas.token = welcome!.token!;
      const again = await center.resume(seas);
      expect((await again.attach()).waiting).to.equal(0);
    });
  });

  describe('delete-account', () => {
    it('delivers what waits, even under hold, then the account goes', async () => {
      const google = await center.join('google');
      const seas = await center.join('seas', { hold: true });
      google.message(seas.account, 1, 'one');
      google.message(seas.account, 2, 'two');
      await google.isAccepted(seas.account, 2);
      expect(await seas.ask({ deleteAccount: { password: 'summerisover' } })).to.have.property('done');
      seas.send({ request: 77, hold: { on: true } });
      expect((await google.refused({ lookup: { name: 'seas' } })).code).to.equal('unknown_account');
      google.message(seas.account, 3, 'too late');
      const { error } = await google.sees('refused');
      expect(error?.code).to.equal('unknown_account');
      expect(await seas.reads()).to.equal('<google>: one');
      expect(await seas.reads()).to.equal('<google>: two');
      expect(await seas.isClosed()).to.deep.include({ code: 'account_deleted' });
      await google.isStored(seas.account, 2);
      const peer = await center.connect();
      await peer.greet();
      const taken = await peer.refused({ register: { name: 'seas', password: 'summerisover', ...peer.proof() } });
      expect(taken.code).to.equal('name_taken');
      expect(center.waiting()).to.equal(0);
    });

    it('keeps what was on its way when it was asked for', async () => {
      const google = await center.join('google');
      const seas = await center.join('seas');
      for (let number = 1; number <= 200; number++) google.message(seas.account, number, `text ${number}`);
      const deleted = seas.ask({ deleteAccount: { password: 'summerisover' } });
      for (let number = 201; number <= 400; number++) google.message(seas.account, number, `text ${number}`);
      expect(await deleted).to.have.property('done');
      await google.fence();
      const refused = google.received.filter((frame) => frame.refused).map((frame) => Number(frame.refused?.number));
      const first = Math.min(...refused, 401);
      for (let number = 1; number < first; number++) expect(await seas.reads()).to.equal(`<google>: text ${number}`);
      expect(await seas.isClosed()).to.deep.include({ code: 'account_deleted' });
      expect(seas.received.filter((frame) => frame.deliver)).to.deep.equal([]);
      if (first > 1) await google.isStored(seas.account, first - 1);
    });

    it('opens the account again where the connection goes first', async () => {
      const google = await center.join('google');
      const seas = await center.join('seas');
      google.message(seas.account, 1, 'wait for me');
      await google.isAccepted(seas.account, 1);
      expect(await seas.ask({ deleteAccount: { password: 'summerisover' } })).to.have.property('done');
      seas.destroy();
      while (!(await google.ask({ lookup: { name: 'seas' } })).accountEntry);
      google.message(seas.account, 2, 'and for me');
      await google.isAccepted(seas.account, 2);
      const again = await center.resume(seas);
      await again.attach();
      expect(await again.reads()).to.equal('<google>: wait for me');
      expect(await again.reads()).to.equal('<google>: and for me');
    });

    it('needs the password, Attach, and to be asked once', async () => {
      const seas = await center.register('seas');
      const request = { deleteAccount: { password: 'summerisover' } };
      expect((await seas.refused(request)).code).to.equal('wrong_state');
      await seas.attach();
      expect((await seas.refused({ deleteAccount: { password: 'wrong one' } })).code).to.equal('bad_credentials');
      const google = await center.join('google');
      google.message(seas.account, 1, 'still here');
      await google.isAccepted(seas.account, 1);
      expect(await seas.ask(request)).to.have.property('done');
      expect((await seas.refused(request)).code).to.equal('wrong_state');
    });
  });

  describe('people', () => {
    it('are looked up by name, in any case', async () => {
      const seas = await center.register('seas');
      await center.register('Google');
      const { accountEntry } = await seas.ask({ lookup: { name: 'gOOGLE' } });
      expect(accountEntry).to.deep.include({ name: 'Google', online: true });
      const error = await seas.refused({ lookup: { name: 'no\u001bbody' } });
      expect(error).to.deep.include({ code: 'unknown_account', text: 'There is no account named no\\u001bbody.' });
    });

    it('who are online are listed by name, without oneself', async () => {
      const seas = await center.register('seas');
      for (const name of ['google', 'Bing', 'yahoo']) await center.register(name);
      const { accountPage } = await seas.ask({ online: {} });
      expect(accountPage?.accounts?.map(({ name }) => name)).to.deep.equal(['Bing', 'google', 'yahoo']);
      const after = await seas.ask({ online: { after: 'BING' } });
      expect(after.accountPage?.accounts?.map(({ name }) => name)).to.deep.equal(['google', 'yahoo']);
    });

    it('come in pages', async () => {
      const seas = await center.register('seas');
      const services = center.center.adminServices();
      const passwordHash = '$2b$04$0123456789012345678901';
      const made = Array.from({ length: 1234 }, (_, index) =>
        services.store.createAccount({
          id: 2 ** 33 + index,
          name: `u${String(index).padStart(4, '0')}`,
          passwordHash,
          createdAtMs: 1,
        }),
      );
      await Promise.all(made);
      const names: string[] = [];
      let pages = 0;
      for (let after = ''; after !== '' || pages === 0; pages++) {
        const { accountPage } = await seas.ask({ users: { pattern: 'u*', after } });
        names.push(...(accountPage?.accounts ?? []).map(({ name }) => name ?? ''));
        after = accountPage?.next ?? '';
      }
      expect(pages).to.equal(3);
      expect(names).to.have.length(1234);
      expect(new Set(names).size).to.equal(1234);
      const regex = await seas.ask({ users: { pattern: '/^u000[0-4]$/' } });
      expect(regex.accountPage?.accounts).to.have.length(5);
      expect((await seas.refused({ users: { pattern: '/(/' } })).code).to.equal('bad_pattern');
    });

    it('who are blocked are listed, and neither sees the other online', async () => {
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      const { accountEntry } = await seas.ask({ block: { name: 'Google', on: true } });
      expect(accountEntry).to.deep.include({ name: 'google', online: false });
      for (const [peer, name] of [
        [seas, 'google'],
        [google, 'seas'],
      ] as const) {
        expect((await peer.ask({ online: {} })).accountPage?.accounts).to.deep.equal([]);
        expect((await peer.ask({ lookup: { name } })).accountEntry?.online).to.equal(false);
        expect((await peer.ask({ users: { pattern: name } })).accountPage?.accounts?.[0]?.online).to.equal(false);
      }
      expect((await seas.ask({ blocked: {} })).accountPage?.accounts?.map(({ name }) => name)).to.deep.equal([
        'google',
      ]);
      await center.restart();
      const again = await center.resume(seas);
      expect((await again.ask({ blocked: {} })).accountPage?.accounts).to.have.length(1);
      await again.ask({ block: { name: 'google', on: false } });
      expect((await again.ask({ blocked: {} })).accountPage?.accounts).to.deep.equal([]);
    });

    it('who have blocked one are not seen by way of a block taken back', async () => {
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      await google.ask({ block: { name: 'seas', on: true } });
      await seas.ask({ block: { name: 'google', on: true } });
      const { accountEntry } = await seas.ask({ block: { name: 'google', on: false } });
      expect(accountEntry?.online).to.equal(false);
    });

    it('who have blocked one are not seen while their connection is lost', async () => {
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      await google.ask({ block: { name: 'seas', on: true } });
      google.destroy();
      while (center.center.counts.connections > 1) await seas.fence();
      expect((await seas.ask({ lookup: { name: 'google' } })).accountEntry?.online).to.equal(false);
      await center.restart();
      const again = await center.resume(seas);
      expect((await again.ask({ online: {} })).accountPage?.accounts).to.deep.equal([]);
    });

    it('cannot block themselves, nor whom nobody knows', async () => {
      const seas = await center.register('seas');
      expect((await seas.refused({ block: { name: 'SEAS', on: true } })).code).to.equal('bad_name');
      expect((await seas.refused({ block: { name: 'nobody', on: true } })).code).to.equal('unknown_account');
    });
  });

  describe('broadcast', () => {
    it('reaches who is online, and counts whom a block leaves out', async () => {
      const [seas, google, bing] = [await center.join('seas'), await center.join('google'), await center.join('bing')];
      await bing.ask({ block: { name: 'seas', on: true } });
      const { broadcasted } = await seas.ask({ broadcast: { body: 'hi all', sentAtMs: 5 } });
      expect(broadcasted).to.deep.include({ handed: 1, leftOut: 1 });
      expect(await google.sees('broadcastDeliver')).to.deep.include({ fromName: 'seas', body: 'hi all', sentAtMs: 5 });
      await bing.hasNot(({ broadcastDeliver }) => broadcastDeliver != null);
      await seas.hasNot(({ broadcastDeliver }) => broadcastDeliver != null);
      expect((await seas.refused({ broadcast: {} })).code).to.equal('empty_body');
    });
  });

  describe('stop', () => {
    it('tells the peers, who come back to the next center without a notice', async () => {
      const [seas, google] = [await center.join('seas'), await center.join('google')];
      await seas.sees('presence');
      const stopped = center.center.stop();
      expect((await seas.isClosed()).code).to.equal('shutting_down');
      await stopped;
      await center.open();
      const [one, two] = [await center.resume(seas), await center.resume(google)];
      const names = (await one.ask({ online: {} })).accountPage?.accounts?.map(({ name }) => name);
      expect(names).to.deep.equal(['google']);
      await two.attach();
      await one.hasNot(({ presence }) => presence != null);
    });
  });
});
