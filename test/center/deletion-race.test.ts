import { expect } from 'chai';
import { overriding, Room } from '../helpers/room.ts';

// Whoever comes back while the drained account is about to go.
describe('deleting an account', () => {
  let room: Room;
  let gate: PromiseWithResolvers<void> | null = null;
  let removalGate: PromiseWithResolvers<void> | null = null;
  let asked: PromiseWithResolvers<void>;

  beforeEach(async () => {
    gate = removalGate = null;
    asked = Promise.withResolvers();
    room = await Room.open({
      wrap: (store) =>
        overriding(store, (store) => ({
          removeAccount: async (...args) => {
            asked.resolve();
            await removalGate?.promise;
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

  it('does not happen to whoever resumed before it went', async () => {
    const seas = await room.join('seas');
    gate = Promise.withResolvers();
    await seas.ask({ deleteAccount: { password: 'summerisover' } });
    await asked.promise;
    const again = await room.resume(seas);
    gate.resolve();
    gate = null;
    await again.attach();
    // A few turns of the store: what was going to happen has happened.
    for (let i = 0; i < 20; i++) await room.services.store.time();
    expect((await room.services.store.account(seas.account))?.state).to.equal('open');
    again.message(again.account, 1, 'here');
    await again.isAccepted(again.account, 1);
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
