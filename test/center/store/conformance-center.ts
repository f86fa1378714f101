// The part of the conformance suite about what belongs to no account: invites, lockouts, time.
import { expect } from 'chai';
import type { StoreUnderTest } from './conformance.ts';

export function centerConformance(test: StoreUnderTest): void {
  describe("the center's own", () => {
    it('keeps invites; making one again changes nothing', async () => {
      const invite = { code: 'one', createdAtMs: 1, expiresAtMs: 100, usesLeft: 1 };
      const other = { code: 'two', createdAtMs: 2, expiresAtMs: Number.POSITIVE_INFINITY, usesLeft: 5 };
      await test.store.createInvite(invite);
      await test.store.createInvite(other);
      await test.store.createAccount({ id: 1, name: 'a', passwordHash: '', createdAtMs: 3, invite: 'one' });
      await test.store.createInvite(invite);
      await test.reopen();
      expect(await test.store.invites()).to.deep.equal([{ ...invite, usesLeft: 0 }, other]);
    });

    it('forgets invites that have expired when a new one is made', async () => {
      await test.store.createInvite({ code: 'old', createdAtMs: 1, expiresAtMs: 100, usesLeft: 1 });
      const fresh = { code: 'new', createdAtMs: 100, expiresAtMs: 200, usesLeft: 1 };
      await test.store.createInvite(fresh);
      expect(await test.store.invites()).to.deep.equal([fresh]);
    });

    it('keeps the lockouts it was last given', async () => {
      await test.store.setLockouts([
        { key: 'a', untilMs: 1 },
        { key: 'b', untilMs: 2 },
      ]);
      const later = [
        { key: 'b', untilMs: 3 },
        { key: 'c', untilMs: 4 },
      ];
      await test.store.setLockouts(later);
      await test.reopen();
      expect(await test.store.lockouts()).to.have.deep.members(later);
      await test.store.setLockouts([]);
      expect(await test.store.lockouts()).to.deep.equal([]);
    });

    it('keeps the latest time', async () => {
      expect(await test.store.time()).to.equal(0);
      await test.store.saveTime(1_700_000_000_000.25);
      await test.store.saveTime(5);
      await test.reopen();
      expect(await test.store.time()).to.equal(1_700_000_000_000.25);
    });
  });
}
