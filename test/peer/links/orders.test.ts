// What is ordered while a real center is stopped: in force at once, kept over restarts, carried out when it is back.
import { expect } from 'chai';
import sinon from 'sinon';
import { openSqliteStore } from '../../../center/store/sqlite.ts';
import type { PeerOptions } from '../../../peer/api.ts';
import { type Order, Orders } from '../../../peer/orders.ts';
import { ParleyError } from '../../../shared/errors.ts';
import { all, codeOf, type HeardPeer, password, Town } from '../../helpers/peers.ts';
import { overriding } from '../../helpers/room.ts';

const own = { listen: { host: '127.0.0.1', port: 0 } };

describe('block and revoke while the center is away', () => {
  let town: Town;
  let seas: HeardPeer;
  let google: HeardPeer;

  afterEach(() => town.close());

  async function linked(options: Partial<PeerOptions> = {}): Promise<void> {
    town = await Town.open();
    seas = await town.registered('seas', { ...own, ...options });
    google = await town.registered('google', own);
    await google.allow('seas', { forMs: 3_600_000 });
    await Promise.all([seas, google].map((peer) => peer.sees('link', ({ state }) => state === 'up')));
  }

  async function goes(): Promise<void> {
    await town.center.stop();
    await Promise.all([seas, google].map((peer) => peer.sees('disconnected')));
  }

  async function comesBack(...peers: HeardPeer[]): Promise<void> {
    await town.start();
    await Promise.all(peers.map((peer) => peer.sees('reconnected')));
  }

  const isDown = (peer: HeardPeer): Promise<unknown> => peer.sees('link', ({ state }) => state === 'down');
  const notice = (peer: HeardPeer, text: string): Promise<unknown> =>
    peer.sees('notice', (event) => event.text === text);
  const links = (peer: HeardPeer): unknown[] =>
    peer.heard.filter((event) => event.type === 'link' && event.state === 'up');

  it('ends the link at once, and the consent when the center is back', async () => {
    await linked();
    await goes();
    expect(await seas.revoke('google')).to.deep.equal({ later: true });
    await Promise.all([isDown(seas), isDown(google)]);
    expect(seas.links()).to.deep.equal([]);
    await comesBack(seas, google);
    await notice(seas, 'The center has heard of it now: revoke google.');
    expect(await all(seas.consents())).to.deep.equal([]);
    expect(await all(google.consents())).to.deep.equal([]);
    expect([...links(seas), ...links(google)]).to.deep.equal([]);
    // What was ended is not ended for ever.
    await google.allow('seas');
    await seas.sees('link', ({ state }) => state === 'up');
  });

  for (const history of [true, false]) {
    it(`is kept over a restart of the peer${history ? '' : ', without a history too'}`, async () => {
      await linked({ history });
      await goes();
      expect(await seas.revoke('Google')).to.deep.equal({ later: true });
      await isDown(google);
      await seas.close();
      await comesBack(google);
      const again = town.peer({ ...own, history });
      await again.resume('seas');
      await notice(again, 'The center has heard of it now: revoke Google.');
      expect(await all(again.consents())).to.deep.equal([]);
      // The center had introduced the two before it heard of it.
      expect([...links(again), ...links(google)]).to.deep.equal([]);
      await again.close();
      const third = await town.loggedIn('seas', { ...own, history });
      await all(third.consents());
      const notices = third.heard.flatMap((event) => (event.type === 'notice' ? [event.text] : []));
      expect(notices.filter((text) => text.includes('revoke'))).to.deep.equal([]);
    });
  }

  it('blocks: no link meanwhile, and no message when the center is back', async () => {
    await linked();
    await goes();
    expect(await seas.block('google')).to.deep.equal({ later: true });
    await Promise.all([isDown(seas), isDown(google)]);
    const refused = codeOf(google.private('seas', 'over the link', { signal: AbortSignal.timeout(300) }));
    expect(await refused).to.equal('cancelled');
    await comesBack(seas, google);
    await notice(seas, 'The center has heard of it now: block google.');
    expect((await all(seas.blocked())).map(({ name }) => name)).to.deep.equal(['google']);
    expect(await codeOf(google.send('seas', 'by way of the center'))).to.equal('blocked');
    expect(seas.texts).to.deep.equal([]);
    expect([...links(seas), ...links(google)]).to.deep.equal([]);
  });

  it('counts as it was ordered last', async () => {
    await linked();
    await google.block('seas');
    await goes();
    await seas.block('google');
    expect(await seas.unblock('Google')).to.deep.equal({ later: true });
    expect(await google.unblock('seas')).to.deep.equal({ later: true });
    await comesBack(seas, google);
    await notice(seas, 'The center has heard of it now: unblock Google.');
    await notice(google, 'The center has heard of it now: unblock seas.');
    for (const peer of [seas, google]) expect(await all(peer.blocked())).to.deep.equal([]);
    expect(seas.heard.concat(google.heard).filter(({ type }) => type === 'notice')).to.deep.equal([]);
  });

  it('says what the center could not carry out', async () => {
    await linked();
    await goes();
    await seas.block('nobody');
    await comesBack(seas);
    const { text } = await seas.sees('notice');
    expect(text).to.match(/^The center could not carry out block nobody: /);
  });

  it('is kept where the center stops before it has answered', async () => {
    let gate: PromiseWithResolvers<void> | null = null;
    town = await Town.open({
      openStore: async (options) =>
        overriding(await openSqliteStore(options), (store) => ({
          accountNamed: async (name) => {
            await gate?.promise;
            return store.accountNamed(name);
          },
        })),
    });
    seas = await town.registered('seas');
    google = await town.registered('google');
    gate = Promise.withResolvers();
    const ordered = seas.block('google');
    const stopped = town.center.stop();
    await seas.sees('disconnected');
    expect(await ordered).to.deep.equal({ later: true });
    gate.resolve();
    gate = null;
    await stopped;
    await comesBack(seas);
    await notice(seas, 'The center has heard of it now: block google.');
  });

  it('is for a center that is away, not for one that refuses', async () => {
    await linked();
    expect(await codeOf(seas.block('nobody'))).to.equal('unknown_account');
    expect(await seas.revoke('google')).to.deep.equal({ later: false });
    expect(await codeOf(seas.revoke('google'))).to.equal('no_consent');
    await seas.logout();
    expect(await codeOf(seas.block('google'))).to.equal('wrong_state');
    await seas.login('seas', password);
    expect(seas.heard.filter(({ type }) => type === 'notice')).to.deep.equal([]);
  });
});

describe('orders for the center', () => {
  afterEach(() => sinon.restore());

  const ignore = (): void => undefined;

  it('are not begun with a file that cannot be read', () => {
    for (const text of ['', '{}', '[1]', '[{"kind":"ban","name":"a","account":null}]', '[{"kind":"block"}]']) {
      const file = { orders: () => text, saveOrders: ignore };
      expect(() => new Orders(file, ignore), text).to.throw('is damaged');
    }
  });

  it('are at most 1000', async () => {
    const orders = new Orders({ orders: () => null, saveOrders: ignore }, ignore);
    const away = (): Promise<never> => Promise.reject(new ParleyError('disconnected', 'There is no connection.'));
    const give = (kind: Order['kind'], name: string) => orders.give({ kind, name, account: null }, away);
    for (let n = 0; n < 1000; n++) expect(await give('block', `u${n}`)).to.deep.equal({ later: true });
    await give('unblock', 'u7');
    expect(await codeOf(give('block', 'one more'))).to.equal('store_full');
  });

  it('bar whom they are about while the center is asked', async () => {
    const orders = new Orders({ orders: () => null, saveOrders: ignore }, ignore);
    const answer = Promise.withResolvers<void>();
    const given = [
      orders.give({ kind: 'revoke', name: 'Google', account: null }, () => answer.promise),
      orders.give({ kind: 'block', name: 'seas', account: 7 }, () => answer.promise),
      orders.give({ kind: 'unblock', name: 'other', account: 8 }, () => answer.promise),
    ];
    const barred = (): boolean[] => [orders.bars(5, 'google'), orders.bars(7, 'x'), orders.bars(8, 'other')];
    expect(barred()).to.deep.equal([true, true, false]);
    answer.resolve();
    await Promise.all(given);
    expect(barred()).to.deep.equal([false, false, false]);
  });

  it('are not carried out once the user has ordered otherwise', async () => {
    const file = {
      orders: () =>
        JSON.stringify(['other', 'bob'].map((name) => ({ kind: 'unblock', name, account: null })) satisfies Order[]),
      saveOrders: ignore,
    };
    const orders = new Orders(file, ignore);
    const asked: unknown[] = [];
    const answer = Promise.withResolvers<void>();
    orders.attach((body) => {
      asked.push(body.block);
      return answer.promise;
    });
    await orders.give({ kind: 'block', name: 'bob', account: null }, async () => undefined);
    answer.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).to.deep.equal([{ name: 'other', on: false }]);
  });

  it('are asked again where the center is there and has not answered in time', async () => {
    const clock = sinon.useFakeTimers();
    const told: string[] = [];
    const orders = new Orders({ orders: () => null, saveOrders: ignore }, (text) => told.push(text));
    const asked: unknown[] = [];
    const ask = async (body: object): Promise<void> => {
      asked.push(body);
      if (asked.length === 1) throw new ParleyError('timeout', 'The center did not answer.');
    };
    orders.attach(ask);
    expect(await orders.give({ kind: 'revoke', name: 'google', account: null }, ask)).to.deep.equal({ later: true });
    await clock.tickAsync(60_000);
    expect(asked).to.deep.equal([{ revoke: { name: 'google' } }, { revoke: { name: 'google' } }]);
    expect(told).to.deep.equal(['The center has heard of it now: revoke google.']);
    orders.detach();
  });

  it('wait no more for what they would undo, unless that fails', async () => {
    const orders = new Orders({ orders: () => null, saveOrders: ignore }, ignore);
    const away = (): Promise<never> => Promise.reject(new ParleyError('disconnected', 'There is no connection.'));
    await orders.give({ kind: 'revoke', name: 'google', account: null }, away);
    const during: boolean[] = [];
    const allow = (act: () => Promise<void>) =>
      orders.instead('revoke', 'Google', () => {
        during.push(orders.bars(0, 'google'));
        return act();
      });
    expect(await codeOf(allow(away))).to.equal('disconnected');
    expect(orders.bars(0, 'google')).to.equal(true);
    await allow(async () => undefined);
    expect(orders.bars(0, 'google')).to.equal(false);
    expect(during).to.deep.equal([false, false]);
  });

  it('are not kept where the center refuses', async () => {
    const saved: string[] = [];
    const orders = new Orders({ orders: () => null, saveOrders: (text) => saved.push(text) }, ignore);
    const refuses = (): Promise<never> => Promise.reject(new ParleyError('unknown_account', 'There is nobody.'));
    expect(await codeOf(orders.give({ kind: 'block', name: 'nobody', account: null }, refuses))).to.equal(
      'unknown_account',
    );
    expect(saved).to.deep.equal([]);
  });
});
