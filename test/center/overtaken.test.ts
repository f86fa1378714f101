// A session that ends, or is taken over, while what it asked for is under way: nobody is left in who should be out.
import { setImmediate as immediate } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Store } from '../../center/store/store.ts';
import { overriding, Room } from '../helpers/room.ts';
import { until } from '../helpers/until.ts';
import type { WirePeer } from '../helpers/wire.ts';

const preceded = ['account', 'changePassword', 'endSession', 'resumeSession'] as const;

describe('what is asked of an account, overtaken', () => {
  let room: Room;
  /** What the store is to do before an act. */
  let precede: Partial<Record<(typeof preceded)[number], () => Promise<unknown>>>;

  beforeEach(async () => {
    precede = {};
    const acts = (own: Store): Partial<Store> => {
      const after =
        (name: (typeof preceded)[number]) =>
        async (...asked: unknown[]) => {
          await precede[name]?.();
          return (own[name] as (...asked: unknown[]) => Promise<unknown>)(...asked);
        };
      return Object.fromEntries(preceded.map((name) => [name, after(name)]));
    };
    room = await Room.open({ wrap: (store) => overriding(store, acts) });
  });
  afterEach(() => {
    sinon.restore();
    return room.close();
  });

  const newPassword = { oldPassword: 'summerisover', newPassword: 'winteriscoming' };

  it('by a resume, passwd ends what has resumed, too, and tells whoever is linked', async () => {
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    await google.ask({ allow: { name: 'seas' } });
    let again: WirePeer | undefined;
    precede.changePassword = async () => {
      again = await room.resume(seas);
    };
    seas.send({ request: 77, passwd: newPassword });
    expect((await seas.isClosed()).code).to.equal('displaced');
    while (!again) await immediate();
    expect((await again.isClosed()).code).to.equal('password_changed');
    expect(await google.sees('linkEnd')).to.include({ account: seas.account, code: 'password_changed' });
    expect(room.services.sessions.of(seas.account)).to.equal(undefined);
    while ((await room.services.store.account(seas.account))?.session) await immediate();
  });

  it('by the end of its connection, passwd changes nothing', async () => {
    const seas = await room.join('seas');
    const verify = sinon.stub(room.services.passwords, 'hash').callsFake(async () => {
      seas.destroy();
      await until(() => room.services.sessions.of(seas.account) === undefined, 'the connection to end');
      return 'a hash';
    });
    const before = await room.services.store.account(seas.account);
    seas.send({ request: 77, passwd: newPassword });
    await until(() => verify.called && room.services.sessions.of(seas.account) === undefined, 'that');
    await room.resume(seas);
    expect((await room.services.store.account(seas.account))?.passwordHash).to.equal(before?.passwordHash);
  });

  it('by a resume, logout ends what has resumed, too', async () => {
    const seas = await room.join('seas');
    let again: WirePeer | undefined;
    precede.endSession = async () => {
      again = await room.resume(seas);
    };
    seas.send({ request: 77, logout: {} });
    expect((await seas.isClosed()).code).to.equal('displaced');
    while (!again) await immediate();
    expect((await again.isClosed()).code).to.equal('logged_out');
    expect((await room.services.store.account(seas.account))?.session).to.equal(null);
  });

  it('by a failure of the store, a login leaves no connection with a session that it has ended', async () => {
    const seas = await room.join('seas');
    precede.account = () => Promise.reject(new Error('the disk is gone'));
    const peer = room.connect();
    await peer.greet();
    const { code } = await peer.refused({ login: { name: 'seas', password: 'summerisover', ...peer.proof() } });
    expect(code).to.equal('internal');
    expect((await seas.isClosed()).code).to.equal('displaced');
  });

  it('by a slow store, a resume holds nothing else back for long', async () => {
    const seas = await room.join('seas');
    const gate = Promise.withResolvers<void>();
    precede.resumeSession = () => gate.promise;
    const again = room.connect();
    Object.assign(again, { key: seas.key });
    await again.greet();
    again.send({ request: 77, resume: { token: seas.token, ...again.proof() } });
    await again.fence();
    expect(again.received).to.deep.equal([]);
    gate.resolve();
    await again.sees('welcome');
  });
});
