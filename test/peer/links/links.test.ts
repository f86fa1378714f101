// Private links between real peers with a real center, over this machine's own network.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { PeerOptions } from '../../../peer/api.ts';
import { codeOf, type HeardPeer, password, Town } from '../../helpers/peers.ts';
import { until } from '../../helpers/until.ts';

const own = { listen: { host: '127.0.0.1', port: 0 } };

describe('private links with a real center', () => {
  let town: Town;
  let seas: HeardPeer;
  let google: HeardPeer;

  afterEach(() => town.close());

  /** With an own port they link directly, without one through the center. */
  async function open(options: Partial<PeerOptions>, limits = {}): Promise<void> {
    town = await Town.open({ limits });
    seas = await town.registered('seas', options);
    google = await town.registered('google', options);
  }

  async function consented(options: { forMs?: number; once?: boolean } = {}): Promise<void> {
    await seas.getAddress('google');
    await google.sees('address_request');
    await google.allow('seas', options);
    await seas.sees('introduced');
  }

  const up = (peer: HeardPeer): Promise<unknown> => peer.sees('link', ({ state }) => state === 'up');
  const down = (peer: HeardPeer): Promise<unknown> => peer.sees('link', ({ state }) => state === 'down');

  async function linked(options: { forMs?: number; once?: boolean } = {}): Promise<void> {
    await consented(options);
    await Promise.all([seas, google].map(up));
  }

  it('carry private messages both ways, and history marks them', async () => {
    await open(own);
    await linked();
    await seas.private('google', 'Hello.');
    await google.private('seas', 'Hello to you');
    expect((await google.sees('message')).message).to.include({ from: 'seas', text: 'Hello.', private: true });
    expect(seas.history({ with: 'google' }).map((line) => [line.direction, line.text, line.private])).to.deep.equal([
      ['out', 'Hello.', true],
      ['in', 'Hello to you', true],
    ]);
    expect(seas.links()[0]).to.include({ name: 'google', route: 'direct', verified: false });
    expect(google.links()[0]).to.include({ name: 'seas', route: 'direct' });
  });

  it('are not with oneself, nor with nobody', async () => {
    await open({});
    expect(await codeOf(seas.private('Seas', 'Note to self', { until: 'outbox' }))).to.equal('bad_name');
    expect(await codeOf(seas.private('nobody', 'Hello', { until: 'outbox' }))).to.equal('unknown_account');
    expect(seas.outbox()).to.deep.equal([]);
  });

  it('begin a new outbox where data came from an old backup', async () => {
    await open({});
    await linked();
    await seas.private('google', 'one');
    await seas.close();
    const backup = join(town.path, 'backup');
    cpSync(town.dataDir, backup, { recursive: true });
    const later = town.peer();
    await later.resume('seas');
    await later.private('google', 'two');
    await later.private('google', 'three');
    await later.close();
    const restored = await town.loggedIn('seas', { dataDir: backup });
    await restored.private('google', 'four');
    await restored.private('google', 'five');
    expect(google.texts).to.deep.equal(['one', 'two', 'three', 'four', 'five']);
  }).timeout(60_000);

  it('go through the center where no port can be reached, in order and whole', async () => {
    await open({}, { tunnelBytesPerSecond: 10_000_000 });
    await linked();
    expect(seas.links()[0]?.route).to.equal('relayed');
    const texts = Array.from({ length: 200 }, (_, i) => `${i} ${'x'.repeat(10_000)}`);
    await Promise.all(texts.map((text) => seas.private('google', text)));
    expect(google.texts).to.deep.equal(texts);
  }).timeout(60_000);

  it('through the center end with the day’s allowance, and what is left waits', async () => {
    await open({}, { tunnelBytesPerDay: 100_000, tunnelBytesPerSecond: 10_000_000 });
    await linked();
    for (let i = 0; i < 20; i++) void seas.private('google', 'x'.repeat(10_000)).catch(() => undefined);
    await down(seas);
    await until(() => seas.why('google').join().includes('used up'), 'the word of it');
    expect(seas.why('google').join('\n')).to.include('The allowance for relayed links is used up for today.');
    expect(seas.outbox().length).to.be.above(0);
  }).timeout(60_000);

  it('wait for consent, and outlive its end', async () => {
    await open(own);
    const early = seas.private('google', 'written before');
    await seas.private('google', 'and this', { until: 'outbox' });
    expect(seas.outbox().map(({ state, private: isPrivate }) => [state, isPrivate])).to.deep.equal([
      ['pending', true],
      ['pending', true],
    ]);
    await linked();
    await early;
    expect((await google.sees('message')).message.text).to.equal('written before');
    await google.revoke('seas');
    await Promise.all([seas, google].map(down));
    const late = seas.private('google', 'written after');
    await until(() => seas.outbox()[0]?.reason === 'waiting for google’s consent', 'the reason');
    await google.allow('seas');
    await late;
  });

  it('end for both with the time of the consent', async () => {
    await open(own);
    await linked({ forMs: 4000 });
    await Promise.all([seas, google].map(down));
    for (const peer of [seas, google]) {
      const ended = await peer.sees('consent_ended');
      expect(ended).to.include({ own: false, code: 'expired', reason: 'The time of the consent is over.' });
    }
    expect(seas.links()).to.deep.equal([]);
    await wait(300);
    expect([...seas.heard, ...google.heard].filter(({ type }) => type === 'consent_ended')).to.deep.equal([]);
    expect([...seas.links(), ...google.links()]).to.deep.equal([]);
  });

  it('end at a block, on both sides, and nothing comes back by itself', async () => {
    await open(own);
    await linked();
    await google.block('seas');
    await Promise.all([seas, google].map(down));
    expect(await codeOf(seas.getAddress('google'))).to.equal('blocked');
    void seas.private('google', 'are you there?').catch(() => undefined);
    await wait(500);
    expect(google.texts).to.deep.equal([]);
  });

  it('for once end when either leaves', async () => {
    await open(own);
    await linked({ once: true });
    await google.close();
    await down(seas);
    google = await town.loggedIn('google', own);
    await wait(500);
    expect(seas.links()).to.deep.equal([]);
    expect(seas.why('google').join('\n')).to.include('no link with google');
  });

  it('come back when the other one does', async () => {
    await open(own);
    await linked();
    await google.close();
    await down(seas);
    const waiting = seas.private('google', 'until you are back');
    google = town.peer(own);
    await google.resume('google');
    await waiting;
    expect((await google.sees('message')).message.text).to.equal('until you are back');
  });

  it('say why there is none after a restart, while the other one is away', async () => {
    await open(own);
    await linked();
    await seas.private('google', 'Hello.');
    await google.close();
    await seas.close();
    seas = town.peer(own);
    await seas.resume('seas');
    expect(seas.why('google')[0]).to.include('google is away, or the consent has ended');
  });

  it('to an account that logs in elsewhere stop there and begin here, with a key that has to be trusted', async () => {
    await open(own);
    await linked();
    const elsewhere = town.peer({ ...own, dataDir: `${town.path}/elsewhere` });
    await elsewhere.login('google', password);
    await google.sees('ended');
    await down(seas);
    expect((await seas.sees('notice')).text).to.include('google uses a new machine');
    expect(seas.links()).to.deep.equal([]);
    const waiting = seas.private('google', 'is it you?');
    await until(() => seas.outbox()[0]?.reason.includes('trust google') ?? false, 'the reason');
    await wait(300);
    expect(elsewhere.texts).to.deep.equal([]);
    seas.trust('google');
    await waiting;
    expect((await elsewhere.sees('message')).message.text).to.equal('is it you?');
  });

  describe('while the center is away', () => {
    it('go on, and are not begun anew when it is back', async () => {
      await open(own);
      await linked();
      const [before] = seas.links();
      await town.center.stop();
      await Promise.all([seas, google].map((peer) => peer.sees('disconnected')));
      await seas.private('google', 'still here');
      await google.private('seas', 'me too');
      await town.start();
      await Promise.all([seas, google].map((peer) => peer.sees('reconnected')));
      await seas.private('google', 'and now');
      expect(seas.links()[0]?.sinceMs).to.equal(before?.sinceMs);
      expect(google.texts).to.deep.equal(['still here', 'and now']);
    }).timeout(60_000);

    it('through it are gone, and come back with it; nothing is lost or repeated', async () => {
      await open({});
      await linked();
      await seas.private('google', 'before');
      await town.center.stop();
      await down(seas);
      const waiting = ['one', 'two', 'three'].map((text) => seas.private('google', text));
      await town.start();
      await Promise.all(waiting);
      expect(seas.links()[0]?.route).to.equal('relayed');
      expect(google.texts).to.deep.equal(['before', 'one', 'two', 'three']);
    }).timeout(60_000);
  });
});
