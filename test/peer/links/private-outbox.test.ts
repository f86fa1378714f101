import { expect } from 'chai';
import { Incoming } from '../../../peer/incoming.ts';
import type { Pairing } from '../../../peer/links/pairing.ts';
import { Pairings } from '../../../peer/links/pairings.ts';
import { PrivateOutbox } from '../../../peer/links/private-outbox.ts';
import { PrivateStore } from '../../../peer/links/private-store.ts';
import { Store } from '../../../peer/store.ts';
import { ParleyError } from '../../../shared/errors.ts';
import { codeOf } from '../../helpers/peers.ts';

const google = { account: 2, name: 'google' };

describe('the outbox of private messages', () => {
  let store: Store;
  let privateStore: PrivateStore;
  let pairings: Pairings;
  let outbox: PrivateOutbox;
  let lookUps: PromiseWithResolvers<typeof google>[];

  beforeEach(() => {
    lookUps = [];
    store = new Store(null, (error) => {
      throw error;
    });
    privateStore = new PrivateStore(store, new Incoming(store));
    const flow = { isReady: false, say: () => undefined, pump: () => undefined };
    pairings = new Pairings(
      (account, name) => ({ account, name, flow, connect: () => undefined }) as unknown as Pairing,
    );
    outbox = new PrivateOutbox({
      store: privateStore,
      pairings,
      lookUp: () => {
        const lookUp = Promise.withResolvers<typeof google>();
        lookUps.push(lookUp);
        return lookUp.promise;
      },
      afterCommit: (act) => store.afterCommit(act),
      emit: () => undefined,
    });
  });

  afterEach(() => store.close());

  const say = (text: string, name = 'google') => outbox.send(name, text, 'outbox');
  const kept = () => privateStore.allPending().map(({ text }) => text);
  const introduce = () => pairings.meet(google.account, google.name);

  it('keeps the order while a name is looked up and its account introduced', async () => {
    const said = [say('one'), say('two', 'Google')];
    introduce();
    said.push(say('three'));
    expect(kept()).to.deep.equal([]);
    for (const { resolve } of lookUps) resolve(google);
    await Promise.all(said);
    expect(kept()).to.deep.equal(['one', 'two', 'three']);
  });

  it('takes a message at once where the account was introduced and no name is looked up', async () => {
    introduce();
    const said = say('one');
    expect(kept()).to.deep.equal(['one']);
    await said;
  });

  it('takes an introduction for a look-up that failed, and looks up again without one', async () => {
    const unknown = codeOf(say('lost'));
    lookUps[0]!.reject(new ParleyError('disconnected', 'The connection was closed.'));
    expect(await unknown).to.equal('disconnected');
    const said = [say('one'), say('two')];
    introduce();
    for (const { reject } of lookUps) reject(new ParleyError('disconnected', 'The connection was closed.'));
    await Promise.all(said);
    expect(kept()).to.deep.equal(['one', 'two']);
  });
});
