// The part of the conformance suite about accounts: names, sessions, bans, removal, blocks, familiar places.
import { expect } from 'chai';
import type { SessionRecord } from '../../../center/store/store.ts';
import { judged, makeAccounts, type StoreUnderTest } from './conformance.ts';
import { makeRun, outboxA, outboxB } from './run.ts';

const session = (jti: string): SessionRecord => ({ jti, nextJti: null, key: 'key', expiresAtMs: 5000 });

export function accountConformance(test: StoreUnderTest): void {
  describe('accounts', () => {
    it('keeps what it is given', async () => {
      const id = 2 ** 53 - 1;
      const made = await test.store.createAccount({ id, name: 'Seas', passwordHash: 'hash', createdAtMs: 12.5 });
      expect(made).to.equal('created');
      await test.reopen();
      const record = await test.store.account(id);
      expect(record).to.deep.equal({
        id,
        name: 'Seas',
        passwordHash: 'hash',
        createdAtMs: 12.5,
        generation: 0,
        session: null,
        bannedUntilMs: null,
        banReason: '',
        state: 'open',
      });
      expect(await test.store.accountNamed('sEAS')).to.deep.equal(record);
      expect(await test.store.account(1)).to.equal(null);
      expect(await test.store.accountNamed('sea')).to.equal(null);
    });

    it('gives a name once, without regard to case, and the same account again to a retry', async () => {
      const seas = { id: 1, name: 'seas', passwordHash: 'hash', createdAtMs: 1 };
      expect(await test.store.createAccount(seas)).to.equal('created');
      expect(await test.store.createAccount(seas)).to.equal('created');
      expect(await test.store.createAccount({ ...seas, id: 2, name: 'SEAS' })).to.equal('taken');
      expect(await test.store.createAccount({ ...seas, name: 'other' })).to.equal('taken');
      expect(await test.store.account(2)).to.equal(null);
    });

    it('of two that want a name in the same turn gives it to the first', async () => {
      const seas = { name: 'seas', passwordHash: 'hash', createdAtMs: 1 };
      const made = [test.store.createAccount({ ...seas, id: 1 }), test.store.createAccount({ ...seas, id: 2 })];
      expect(await Promise.all(made)).to.deep.equal(['created', 'taken']);
    });

    it('spends one use of an invite for an account, and none for a retry', async () => {
      await test.store.createInvite({ code: 'i', createdAtMs: 0, expiresAtMs: 100, usesLeft: 2 });
      const create = (id: number, createdAtMs: number, invite: string) =>
        test.store.createAccount({ id, name: `a${id}`, passwordHash: 'hash', createdAtMs, invite });
      expect(await create(1, 50, 'unknown')).to.equal('bad_invite');
      expect(await create(1, 100, 'i')).to.equal('bad_invite');
      expect(await create(1, 99, 'i')).to.equal('created');
      expect(await create(1, 99, 'i')).to.equal('created');
      expect(await create(2, 99, 'i')).to.equal('created');
      expect(await create(3, 99, 'i')).to.equal('bad_invite');
      expect(await test.store.account(3)).to.equal(null);
      await test.reopen();
      expect(await create(3, 99, 'i')).to.equal('bad_invite');
      expect(await create(2, 99, 'i')).to.equal('created');
    });

    it('lists in the order of names, in pages', async () => {
      const names = ['delta', 'Alpha', 'charlie', 'Bravo'];
      await Promise.all(
        names.map((name, id) => test.store.createAccount({ id, name, passwordHash: '', createdAtMs: 1 })),
      );
      await test.store.setState(2, 'closing');
      const list = async (after: string, limit: number, all?: boolean) =>
        (await test.store.accounts({ after, limit, ...(all !== undefined && { all }) })).map(({ name }) => name);
      expect(await list('', 2)).to.deep.equal(['Alpha', 'Bravo']);
      expect(await list('BRAVO', 2)).to.deep.equal(['delta']);
      expect(await list('Bravo', 9, true)).to.deep.equal(['charlie', 'delta']);
    });
  });

  describe('sessions', () => {
    beforeEach(() => makeAccounts(test.store, 1));

    it('claims: the generation rises, the session before is gone', async () => {
      expect(await test.store.claimSession(judged(1), session('one'), '::1')).to.deep.include({ generation: 1 });
      expect(await test.store.claimSession(judged(1, 1), session('two'), '::1')).to.deep.include({ generation: 2 });
      await test.reopen();
      const record = await test.store.account(1);
      expect(record?.generation).to.equal(2);
      expect(record?.session).to.deep.equal(session('two'));
      expect((await test.store.resumeSession(1, 'one', null, '::1'))?.session).to.deep.equal(session('two'));
    });

    it('claims once when retried', async () => {
      expect(await test.store.claimSession(judged(1), session('one'), '::1')).to.deep.include({ generation: 1 });
      expect(await test.store.claimSession(judged(1), session('one'), '::1')).to.deep.include({ generation: 1 });
      await test.reopen();
      expect(await test.store.claimSession(judged(1), session('one'), '::1')).to.deep.include({ generation: 1 });
    });

    it('of two claims on the same generation refuses the second', async () => {
      const claims = [
        test.store.claimSession(judged(1), session('one'), '::1'),
        test.store.claimSession(judged(1), session('two'), '::1'),
      ];
      const [first, second] = await Promise.all(claims);
      expect(first).to.deep.include({ generation: 1, session: session('one') });
      expect(second).to.equal('conflict');
      expect((await test.store.account(1))?.session?.jti).to.equal('one');
    });

    it('claims only what is still as it was judged', async () => {
      const claim = (more: object = {}) => test.store.claimSession({ ...judged(1), ...more }, session('one'), '::1');
      expect(await claim({ passwordHash: 'another' })).to.equal('conflict');
      expect(await claim({ bannedUntilMs: 10 })).to.equal('conflict');
      await test.store.setBan(1, 10, 'why');
      expect(await claim()).to.equal('conflict');
      expect(await test.store.account(1)).to.deep.include({ generation: 0, session: null });
      // Whether it is over is for the caller to judge.
      expect(await claim({ bannedUntilMs: 10 })).to.deep.include({ generation: 1, banReason: 'why' });
      expect(await test.store.claimSession(judged(2), session('one'), '::1')).to.equal('gone');
    });

    it('claims: the record as it is then, not closing any more, key and address familiar', async () => {
      await test.store.setState(1, 'closing');
      const claimed = await test.store.claimSession(judged(1), session('one'), 'cafe');
      expect(claimed).to.deep.include({ name: 'a1', state: 'open', generation: 1, session: session('one') });
      await test.reopen();
      expect(await test.store.account(1)).to.deep.equal(claimed);
      expect(await test.store.isFamiliar(1, 'key', '')).to.equal(true);
      expect(await test.store.isFamiliar(1, '', 'cafe')).to.equal(true);
    });

    it('resumes: writes what has changed, and tells the record', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      await test.store.setOffline([1]);
      await test.store.setState(1, 'closing');
      const resumed = await test.store.resumeSession(1, 'one', null, '::1');
      expect(resumed).to.deep.include({ state: 'open', generation: 1, session: session('one') });
      expect(await test.store.resumeSession(1, 'one', null, '::1')).to.deep.equal(resumed);
      await test.reopen();
      expect(await test.store.account(1)).to.deep.equal(resumed);
      expect(await test.store.onlineAccounts()).to.have.length(1);
    });

    it('tells who is online, each with whom they have blocked', async () => {
      await makeAccounts(test.store, 2);
      for (const id of [1, 2]) await test.store.claimSession(judged(id), session(`jti ${id}`), '::1');
      for (const blocked of [2, 7]) await test.store.setBlock(1, blocked, true);
      await test.reopen();
      const [a1, a2] = [
        { id: 1, name: 'a1', blocks: [2, 7] },
        { id: 2, name: 'a2', blocks: [] },
      ];
      expect(await test.store.onlineAccounts()).to.have.deep.members([a1, a2]);
      await test.store.setOffline([1]);
      expect(await test.store.onlineAccounts()).to.deep.equal([a2]);
    });

    it('issues the next jti at a resume: the old one counts until that is used', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      const two = { jti: 'two', expiresAtMs: 6000 };
      const renewed = await test.store.resumeSession(1, 'one', two, '::1');
      expect(renewed?.session).to.deep.equal({ jti: 'one', nextJti: 'two', key: 'key', expiresAtMs: 6000 });
      expect(await test.store.resumeSession(1, 'one', two, '::1')).to.deep.equal(renewed);
      expect(await test.store.resumeSession(1, 'one', null, '::1')).to.deep.equal(renewed);
      await test.reopen();
      const three = { jti: 'three', expiresAtMs: 7000 };
      const used = await test.store.resumeSession(1, 'two', three, '::1');
      expect(used).to.have.nested.property('session.jti', 'two');
      expect(used).to.have.property('generation', 1);
      expect(await test.store.resumeSession(1, 'two', three, '::1')).to.deep.equal(used);
      const four = { jti: 'four', expiresAtMs: 8000 };
      expect(await test.store.resumeSession(1, 'one', four, '::1'), 'used up').to.deep.equal(used);
      expect(await test.store.account(1)).to.deep.equal(used);
      expect((await test.store.resumeSession(1, 'three', null, '::1'))?.session).to.deep.equal({
        jti: 'three',
        nextJti: null,
        key: 'key',
        expiresAtMs: 7000,
      });
    });

    it('resumes nothing of an account that is not there, and opens none that is removed', async () => {
      expect(await test.store.resumeSession(2, 'one', null, '::1')).to.equal(null);
      await test.store.claimSession(judged(1), session('one'), '::1');
      await test.store.removeAccount(1);
      expect(await test.store.resumeSession(1, 'one', null, '::1')).to.deep.include({
        state: 'removed',
        session: null,
      });
    });

    it('ends the session that is named, by either of its names, or any', async () => {
      const renew = (jti: string) => test.store.resumeSession(1, jti, { jti: `${jti} next`, expiresAtMs: 9000 }, '::1');
      await test.store.claimSession(judged(1), session('one'), '::1');
      await test.store.endSession(1, 'other');
      expect((await renew('one'))?.session).to.have.property('nextJti', 'one next');
      await test.store.endSession(1, 'one next');
      await test.store.endSession(1, 'one next');
      expect((await renew('one'))?.session).to.equal(null);
      await test.store.claimSession(judged(1, 1), session('two'), '::1');
      await test.store.endSession(1, null);
      await test.reopen();
      expect((await renew('two'))?.session).to.equal(null);
      expect((await test.store.account(1))?.session).to.equal(null);
      await test.store.endSession(2, null);
    });

    it('sets a password: every session ends', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      expect(await test.store.setPassword(1, 'new')).to.equal('done');
      await test.reopen();
      expect(await test.store.account(1)).to.deep.include({ passwordHash: 'new', generation: 1, session: null });
      expect(await test.store.setPassword(2, 'new')).to.equal('gone');
    });

    it('changes a password: every session ends, and one begins', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      const changed = { passwordHash: 'new', generation: 2, session: session('two') };
      expect(await test.store.changePassword(judged(1, 1), 'new', session('two'))).to.deep.include(changed);
      expect(await test.store.changePassword(judged(1, 1), 'new', session('two'))).to.deep.include(changed);
      expect(await test.store.resumeSession(1, 'one', null, '::1')).to.deep.include(changed);
      await test.reopen();
      expect(await test.store.account(1)).to.deep.include(changed);
      expect(await test.store.changePassword({ ...judged(1), id: 2 }, 'new', session('two'))).to.equal('gone');
    });

    it('changes no password of an account that is not as it was judged', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      const before = await test.store.account(1);
      for (const other of [{ generation: 0 }, { passwordHash: 'another' }, { bannedUntilMs: 5 }]) {
        const asked = test.store.changePassword({ ...judged(1, 1), ...other }, 'new', session('two'));
        expect(await asked, JSON.stringify(other)).to.equal('conflict');
      }
      expect(await test.store.account(1)).to.deep.equal(before);
    });

    it('bans: the session ends; without end; and lifts the ban', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      expect(await test.store.setBan(1, Number.POSITIVE_INFINITY, 'spam')).to.equal('done');
      await test.reopen();
      expect(await test.store.account(1)).to.deep.include({
        bannedUntilMs: Number.POSITIVE_INFINITY,
        banReason: 'spam',
        session: null,
      });
      const banned = { ...judged(1, 1), bannedUntilMs: Number.POSITIVE_INFINITY };
      await test.store.claimSession(banned, session('two'), '::1');
      expect(await test.store.setBan(1, null, '')).to.equal('done');
      const record = await test.store.account(1);
      expect(record).to.deep.include({ bannedUntilMs: null, banReason: '', session: session('two') });
      expect(await test.store.setBan(2, 5, '')).to.equal('gone');
    });
  });

  describe('leaving', () => {
    beforeEach(() => makeAccounts(test.store, 1, 2));

    it('closes for mail and opens again', async () => {
      expect(await test.store.setState(1, 'closing')).to.equal('done');
      expect(await test.store.openMailbox(1)).to.equal('gone');
      expect(await test.store.append(1, makeRun({ first: 1 })), 'by who has it open').to.equal('accepted');
      expect(await test.store.removeAccount(1)).to.equal('waiting');
      expect(await test.store.setState(1, 'open')).to.equal('done');
      expect(await test.store.append(1, makeRun({ first: 2 }))).to.equal('accepted');
      expect(await test.store.openMailbox(1)).to.include({ count: 2 });
      expect(await test.store.setState(3, 'open')).to.equal('gone');
    });

    it('lets a mailbox drain that is closing', async () => {
      await test.store.append(1, makeRun({ first: 1 }));
      await test.store.setState(1, 'closing');
      expect(await test.store.read(1, 0, 1000)).to.have.length(1);
      expect(await test.store.advance(1, 0, 1, [])).to.equal('done');
      expect(await test.store.removeAccount(1)).to.equal('removed');
    });

    it('removes only what is empty, and keeps the name', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      await test.store.setBlock(1, 2, true);
      await test.store.addFamiliar(1, 'key', 'address');
      await test.store.append(1, makeRun({ first: 1, from: 2, outbox: outboxB }));
      await test.store.append(2, makeRun({ first: 1, from: 1 }));
      expect(await test.store.removeAccount(1)).to.equal('waiting');
      expect((await test.store.resumeSession(1, 'one', null, '::1'))?.session?.jti).to.equal('one');
      await test.store.discard(1, 1);
      expect(await test.store.removeAccount(1)).to.equal('removed');
      expect(await test.store.removeAccount(1)).to.equal('removed');
      await test.reopen();
      expect(await test.store.account(1)).to.deep.include({ name: 'a1', state: 'removed', session: null });
      expect((await test.store.account(1))?.passwordHash).to.equal('');
      expect(await test.store.blocks(1)).to.deep.equal([]);
      expect(await test.store.isFamiliar(1, 'key', 'address')).to.equal(false);
      expect(await test.store.outbox(1, outboxA)).to.deep.equal([]);
      expect(await test.store.contacts(2, 10)).to.deep.equal([]);
      expect(await test.store.read(2, 0, 1000), 'what it had sent').to.have.length(1);
      expect(await test.store.outbox(2, outboxB), 'what others had sent').to.have.length(1);
      expect(await test.store.removeAccount(3)).to.equal('gone');
    });

    it('does nothing for one that is removed', async () => {
      await test.store.removeAccount(1);
      expect(await test.store.claimSession(judged(1), session('one'), '::1')).to.equal('gone');
      expect(await test.store.setPassword(1, 'x')).to.equal('gone');
      expect(await test.store.setBan(1, 5, '')).to.equal('gone');
      expect(await test.store.setState(1, 'open')).to.equal('gone');
      expect(await test.store.append(1, makeRun({ first: 1 }))).to.equal('gone');
      expect(await test.store.openMailbox(1)).to.equal('gone');
      expect(await test.store.advance(1, 0, 1, [])).to.equal('stale');
      await test.store.setBlock(1, 2, true);
      expect(await test.store.blocks(1)).to.deep.equal([]);
      expect(await test.store.accounts({ after: '', limit: 9 })).to.have.length(1);
      expect(await test.store.accounts({ after: '', limit: 9, all: true })).to.have.length(2);
    });

    it('gives the name back when the operator says so', async () => {
      const again = { id: 3, name: 'A1', passwordHash: '', createdAtMs: 1 };
      expect(await test.store.releaseName('a1')).to.equal('not_reserved');
      await test.store.removeAccount(1);
      expect(await test.store.createAccount(again)).to.equal('taken');
      expect(await test.store.createAccount({ ...again, id: 1 })).to.equal('taken');
      expect(await test.store.releaseName('A1')).to.equal('released');
      expect(await test.store.createAccount(again)).to.equal('created');
      expect(await test.store.releaseName('a1')).to.equal('not_reserved');
    });
  });

  describe('blocks and familiar places', () => {
    beforeEach(() => makeAccounts(test.store, 1, 2, 3));

    it('keeps blocks, each once', async () => {
      await Promise.all([test.store.setBlock(1, 2, true), test.store.setBlock(1, 3, true)]);
      await test.store.setBlock(1, 2, true);
      await test.reopen();
      expect(await test.store.blocks(1)).to.have.members([2, 3]);
      expect(await test.store.openMailbox(1))
        .to.have.property('blocks')
        .that.has.members([2, 3]);
      await test.store.setBlock(1, 2, false);
      await test.store.setBlock(1, 2, false);
      expect(await test.store.blocks(1)).to.deep.equal([3]);
      expect(await test.store.blocks(3)).to.deep.equal([]);
    });

    it('knows keys and addresses again', async () => {
      await test.store.addFamiliar(1, 'key', '::1');
      await test.store.addFamiliar(1, 'key', '::1');
      await test.reopen();
      expect(await test.store.isFamiliar(1, 'key', 'elsewhere')).to.equal(true);
      expect(await test.store.isFamiliar(1, 'other', '::1')).to.equal(true);
      expect(await test.store.isFamiliar(1, 'other', 'elsewhere')).to.equal(false);
      expect(await test.store.isFamiliar(2, 'key', '::1')).to.equal(false);
    });

    it('remembers from where a session was resumed, if the account was never there', async () => {
      await test.store.claimSession(judged(1), session('one'), '::1');
      await test.store.resumeSession(1, 'one', null, 'cafe');
      await test.store.resumeSession(1, 'one', null, 'cafe');
      await test.store.resumeSession(1, 'another', null, 'elsewhere');
      await test.store.resumeSession(2, 'one', null, 'elsewhere');
      expect(await test.store.isFamiliar(1, '', 'cafe')).to.equal(true);
      expect(await test.store.isFamiliar(1, 'key', ''), 'with the key of the session').to.equal(true);
      expect(await test.store.isFamiliar(1, '', 'elsewhere'), 'not by the token of no session').to.equal(false);
      expect(await test.store.isFamiliar(2, '', 'elsewhere')).to.equal(false);
    });

    it('remembers the last 64 of them', async () => {
      const add = (number: number) => test.store.addFamiliar(1, `key ${number}`, `address ${number}`);
      for (let number = 0; number < 64; number++) void add(number);
      // Used again, and so not the oldest any more.
      await add(0);
      await add(64);
      const known = (number: number) => test.store.isFamiliar(1, `key ${number}`, '');
      expect(await Promise.all([0, 1, 2, 64].map(known))).to.deep.equal([true, false, true, true]);
    });

    it('tells with whom an account has written', async () => {
      await makeAccounts(test.store, 4);
      await test.store.append(2, makeRun({ first: 1, from: 1 }));
      await test.store.append(1, makeRun({ first: 1, from: 2 }));
      await test.store.saveMarks(1, [{ sender: 3, outbox: outboxB, accepted: 1, stored: 1 }], 1);
      expect(await test.store.contacts(1, 10)).to.have.members([2, 3]);
      expect(await test.store.contacts(1, 1)).to.have.length(1);
      expect(await test.store.contacts(3, 10)).to.deep.equal([1]);
      expect(await test.store.contacts(4, 10)).to.deep.equal([]);
    });
  });
}
