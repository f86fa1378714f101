import { expect } from 'chai';
import { StoreError } from '../../center/store/store.ts';
import { overriding, Room } from '../helpers/room.ts';
import type { WirePeer } from '../helpers/wire.ts';

// Whoever comes back while the drained account is about to go.
describe('deleting an account', () => {
  let room: Room;
  let gate: PromiseWithResolvers<void> | null = null;
  let removalGate: PromiseWithResolvers<void> | null = null;
  let removalFails = false;
  let asked: PromiseWithResolvers<void>;

  beforeEach(async () => {
    gate = removalGate = null;
    removalFails = false;
    asked = Promise.withResolvers();
    room = await Room.open({
      wrap: (store) =>
        overriding(store, (store) => ({
          removeAccount: async (...args) => {
            asked.resolve();
            await removalGate?.promise;
            if (removalFails) throw new StoreError('failed', 'a test');
            return store.removeAccount(...args);
          },
          consents: async (...args) => {
            const consents = await store.consents(...args);
            if (gate) {
              asked.resolve();
              await gate.promise;
            }
            return consents;
          },
        })),
    });
  });

  afterEach(() => room.close());

  /** They let each other reach them directly. */
  async function friends(): Promise<[WirePeer, WirePeer]> {
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    await google.ask({ allow: { name: 'seas' } });
    await google.sees('introduction');
    return [seas, google];
  }

  it('tells those it had links with, and only once it is gone', async () => {
    const [seas, google] = await friends();
    removalGate = Promise.withResolvers();
    await seas.ask({ deleteAccount: { password: 'summerisover' } });
    await asked.promise;
    await room.services.store.time();
    await google.hasNot(({ linkEnd }) => linkEnd != null);
    removalGate.resolve();
    expect(await google.sees('linkEnd')).to.include({ account: seas.account, code: 'account_deleted' });
    expect(await seas.isClosed()).to.include({ code: 'account_deleted' });
  });

  it('leaves links alone where the account stays', async () => {
    const [seas, google] = await friends();
    removalFails = true;
    await seas.ask({ deleteAccount: { password: 'summerisover' } });
    expect(await seas.isClosed()).to.include({ code: 'internal' });
    const again = await room.resume(seas);
    await again.attach();
    await google.hasNot(({ linkEnd }) => linkEnd != null);
  });

  it('is all or nothing for whoever resumes while it is looked up who is to be told', async () => {
    const [seas, google] = await friends();
    gate = Promise.withResolvers();
    await seas.ask({ deleteAccount: { password: 'summerisover' } });
    await asked.promise;
    const resumed = await room.resume(seas).then(
      () => true,
      () => false,
    );
    gate.resolve();
    gate = null;
    // A few turns of the store: what was going to happen has happened.
    for (let i = 0; i < 20; i++) await room.services.store.time();
    await google.fence();
    const isTold = google.received.some(({ linkEnd }) => linkEnd?.code === 'account_deleted');
    const state = (await room.services.store.account(seas.account))?.state;
    expect({ isTold, state }).to.deep.equal({ isTold: !resumed, state: resumed ? 'open' : 'removed' });
  });

  it('ends the session of whoever came back too late', async () => {
    const seas = await room.join('seas');
    removalGate = Promise.withResolvers();
    await seas.ask({ deleteAccount: { password: 'summerisover' } });
    await asked.promise;
    const again = await room.resume(seas);
    removalGate.resolve();
    expect((await again.sees('error')).code).to.equal('account_deleted');
    await again.ends();
  });
});
