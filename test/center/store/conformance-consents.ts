// The part of the conformance suite about private links: requests for an address, and who lets whom until when.
import { expect } from 'chai';
import { makeAccounts, type StoreUnderTest } from './conformance.ts';

const dayMs = 86_400_000;

export function consentConformance(test: StoreUnderTest): void {
  describe('requests and consents', () => {
    beforeEach(() => makeAccounts(test.store, 1, 2, 3, 4));

    const ask = (target: number, asker: number, nowMs: number) => test.store.askAddress(target, asker, nowMs, dayMs);
    const all = (account: number, nowMs = 0) =>
      test.store.consentsAndRequests(account, nowMs, { afterMs: nowMs - dayMs, limit: 10 });
    const requests = async (account: number, nowMs = 0) => (await all(account, nowMs)).requests;

    it('keeps a request open for a day, once a pair', async () => {
      expect(await ask(1, 2, 1000)).to.equal('asked');
      expect(await ask(1, 2, 2000)).to.equal('open');
      expect(await ask(2, 1, 3000)).to.equal('asked');
      await test.reopen();
      expect(await requests(1, 4000)).to.deep.equal([2]);
      expect(await requests(1, 1000 + dayMs)).to.deep.equal([]);
      expect(await ask(1, 2, 1000 + dayMs)).to.equal('asked');
      expect(await requests(1, 1000 + dayMs)).to.deep.equal([2]);
    });

    it('tells requests oldest first, and no more than asked for', async () => {
      await ask(1, 3, 1000);
      await ask(1, 2, 3000);
      await ask(1, 4, 2000);
      expect(await requests(1)).to.deep.equal([3, 4, 2]);
      const { requests: two } = await test.store.consentsAndRequests(1, 0, { afterMs: 0, limit: 2 });
      expect(two).to.deep.equal([3, 4]);
      expect(await requests(2)).to.deep.equal([]);
    });

    it('is silent about whoever was denied, for as long as said', async () => {
      await ask(1, 2, 1000);
      await test.store.denyAddress(1, 2, 2000, 5000);
      await test.store.denyAddress(1, 2, 2000, 5000);
      expect(await requests(1)).to.deep.equal([]);
      expect(await ask(1, 2, 4999)).to.equal('silent');
      expect(await ask(1, 2, 5000)).to.equal('asked');
      expect(await requests(1)).to.deep.equal([2]);
    });

    it('records a consent in the place of the request and of an earlier consent', async () => {
      await ask(1, 2, 1000);
      await test.store.allowAddress(1, 2, 5000, false);
      await test.store.allowAddress(1, 2, 9000.5, true);
      await test.store.allowAddress(1, 2, 9000.5, true);
      await test.reopen();
      const consent = { giver: 1, asker: 2, untilMs: 9000.5, once: true };
      expect(await all(1, 9000)).to.deep.equal({ consents: [consent], requests: [] });
      expect(await all(2, 9000)).to.deep.equal({ consents: [consent], requests: [] });
      expect(await test.store.consents(1, 9000)).to.deep.equal([consent]);
      expect(await all(3, 9000)).to.deep.equal({ consents: [], requests: [] });
    });

    it('forgets consents that are over, and only these', async () => {
      await test.store.allowAddress(1, 2, 5000, false);
      await test.store.allowAddress(3, 1, 6000, false);
      const lasting = { giver: 3, asker: 1, untilMs: 6000, once: false };
      expect((await all(1, 5000)).consents).to.deep.equal([lasting]);
      expect(await test.store.consents(1, 0), 'forgotten, whatever the time is').to.deep.equal([lasting]);
      expect(await test.store.consents(1, 6000)).to.deep.equal([]);
    });

    it('ends what is between two, whoever gave it', async () => {
      await test.store.allowAddress(1, 2, dayMs, false);
      await test.store.allowAddress(2, 1, dayMs, true);
      await test.store.allowAddress(1, 3, dayMs, false);
      expect(await test.store.endConsents(2, 1)).to.deep.equal([1]);
      expect(await test.store.endConsents(2, 1), 'a retry').to.deep.equal([]);
      expect((await test.store.consents(1, 0)).map(({ asker }) => asker)).to.deep.equal([3]);
    });

    it('ends all that hold only once, and tells the others', async () => {
      await test.store.allowAddress(1, 2, dayMs, true);
      await test.store.allowAddress(2, 1, dayMs, true);
      await test.store.allowAddress(3, 1, dayMs, true);
      await test.store.allowAddress(1, 4, dayMs, false);
      expect(await test.store.endConsents(1, null)).to.have.members([2, 3]);
      expect(await test.store.endConsents(1, null), 'a retry').to.deep.equal([]);
      expect((await test.store.consents(1, 0)).map(({ asker }) => asker)).to.deep.equal([4]);
      expect(await test.store.consents(2, 0)).to.deep.equal([]);
    });

    it('are gone with the account', async () => {
      await test.store.allowAddress(1, 2, dayMs, false);
      await test.store.allowAddress(3, 1, dayMs, false);
      await ask(4, 1, 1000);
      await ask(1, 4, 1000);
      expect(await test.store.removeAccount(1)).to.equal('removed');
      for (const other of [1, 2, 3, 4])
        expect(await all(other), `${other}`).to.deep.equal({ consents: [], requests: [] });
    });
  });
}
