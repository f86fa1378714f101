import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { LinkRoute, PeerEvent } from '../../../peer/events.ts';
import { join, type Side, twoSides } from '../../helpers/pairings.ts';
import { codeOf } from '../../helpers/peers.ts';
import { until } from '../../helpers/until.ts';

/** From here on every clock that rises steadily is ahead by so much. */
function laterBy(ms: number): void {
  const now = performance.now.bind(performance);
  sinon.stub(performance, 'now').callsFake(() => now() + ms);
}

describe('a pairing', () => {
  let sides: [Side, Side];
  let one: Side;
  let two: Side;

  beforeEach(() => {
    sides = twoSides();
    [one, two] = sides;
  });

  afterEach(() => {
    for (const side of sides) side.close();
    sinon.restore();
  });

  const routes = (): (LinkRoute | undefined)[] => sides.map(({ pairing }) => pairing.link?.channel.route);
  const linked = (): Promise<void> => until(() => sides.every(({ pairing }) => pairing.link), 'a link');

  const ends = (side: Side): PeerEvent[] => side.events.filter(({ type }) => type === 'consent_ended');

  it('carries messages both ways, in order, and tells when they are stored', async () => {
    one.send('before there is a link');
    join(sides, one);
    one.send('Hello.');
    two.send('Hello to you');
    await until(() => one.stored.length === 2 && two.stored.length === 1, 'three receipts');
    expect(two.shown).to.deep.equal(['before there is a link', 'Hello.']);
    expect(one.shown).to.deep.equal(['Hello to you']);
    expect(one.privateStore.allPending()).to.deep.equal([]);
  });

  describe('of two links', () => {
    for (const first of ['direct', 'relayed'] as const) {
      it(`takes the direct one, if the ${first} one came first`, async () => {
        join(sides, one, { route: first });
        await linked();
        join(sides, two, { route: first === 'direct' ? 'relayed' : 'direct' });
        await until(() => routes().every((route) => route === 'direct'), 'the direct link');
        await wait(50);
        expect(routes()).to.deep.equal(['direct', 'direct']);
      });
    }

    it('takes the same one on both sides, in whatever order they open', async () => {
      for (let seed = 0; seed < 40; seed++) {
        const pair = twoSides();
        const delayMs = (): number => Math.random() * 4;
        const exporters = [1, 2, 3].map((byte) => Buffer.alloc(32, (byte * (seed + 1)) % 251));
        const clients = exporters.map(() => pair[Math.random() < 0.5 ? 0 : 1] as Side);
        for (const [i, exporter] of exporters.entries()) {
          join(pair, clients[i] as Side, { exporter, delay: delayMs });
          await wait(Math.random() * 5);
        }
        const kept = (): (Uint8Array | undefined)[] => pair.map(({ pairing }) => pairing.link?.channel.exporter);
        let sameFor = 0;
        await until(() => {
          const [ours, theirs] = kept();
          sameFor = ours !== undefined && ours === theirs ? sameFor + 1 : 0;
          return sameFor > 6;
        }, `one link (seed ${seed})`);
        for (const side of pair) side.close();
      }
    });

    it('takes the newer one when they have settled: whoever dials again has lost the older one', async () => {
      const exporter = Buffer.alloc(32, 1);
      join(sides, one, { exporter });
      await linked();
      laterBy(2_500);
      // By any other rule it would be the worse one.
      join(sides, two, { route: 'relayed', exporter: Buffer.alloc(32, 9) });
      await until(() => routes().every((route) => route === 'relayed'), 'the newer link');
      expect(one.events.filter((event) => event.type === 'link').map(({ state }) => state)).to.deep.equal([
        'up',
        'moved',
      ]);
    });

    it('calls it moved, not down, when the other side has left the first before the second is open here', async () => {
      join(sides, one, { route: 'relayed' });
      await linked();
      // What two is told over the second comes late.
      const late = Promise.withResolvers<void>();
      join(sides, one, { delay: (from) => (from === one ? late.promise : 0) });
      await until(() => routes()[0] === 'direct' && two.pairing.link === null, 'the first to be left');
      late.resolve();
      await until(() => two.pairing.link !== null, 'the second');
      expect(two.events.flatMap((event) => (event.type === 'link' ? [event.state] : []))).to.deep.equal([
        'up',
        'moved',
      ]);
    });

    it('says down when the second never opens', async () => {
      join(sides, one, { route: 'relayed' });
      await linked();
      const never = new Promise<void>(() => undefined);
      const cable = join(sides, one, { delay: (from) => (from === one ? never : 0) });
      await until(() => two.pairing.link === null, 'the first to be left');
      cable.cut();
      await until(() => two.events.filter(({ type }) => type === 'link').length === 2, 'the news');
      expect(two.events.flatMap((event) => (event.type === 'link' ? [event.state] : []))).to.deep.equal(['up', 'down']);
    });

    it('looks past one on which nothing is heard', async () => {
      let isSilent = false;
      join(sides, one, { delay: () => (isSilent ? 3_600_000 : 0) });
      await linked();
      await until(() => sides.every(({ pairing }) => pairing.link?.roundTripMs !== null), 'the first pong');
      isSilent = true;
      one.send('into the void');
      await wait(20);
      expect(one.pairing.linked).to.equal('direct');
      laterBy(6_000);
      expect(one.pairing.linked).to.equal('no');
      isSilent = false;
      join(sides, two, { route: 'relayed', exporter: Buffer.alloc(32, 9) });
      await until(() => one.stored.length === 1, 'what was written');
      expect(two.shown).to.deep.equal(['into the void']);
    });
  });

  it('stops at the end of the consent', async () => {
    const clock = sinon.useFakeTimers({
      now: Date.now(),
      toFake: ['Date', 'setTimeout', 'clearTimeout'],
      shouldClearNativeTimers: true,
    });
    one.introduced({ consentUntilMs: Date.now() + 1000, expiresAtMs: Date.now() + 1000 });
    await clock.tickAsync(1100);
    expect(one.pairing.standing).to.equal('ended');
    expect(one.pairing.introduction).to.equal(null);
    const reason = 'The time of the consent is over.';
    expect(ends(one)).to.deep.equal([
      { type: 'consent_ended', name: 'account 2', own: false, code: 'expired', reason },
    ]);
  });

  it('says once that the consent is over, by whichever way it comes to be known', async () => {
    join(sides, one);
    await linked();
    one.pairing.end('revoked', 'user');
    await until(() => ends(two).length > 0, 'the word over the link');
    for (const { pairing } of sides) pairing.end('revoked', 'other');
    expect(ends(one)).to.have.length(1);
    expect(ends(one)[0]).to.include({ own: true, reason: 'You revoked the consent.' });
    expect(ends(two)).to.have.length(1);
    expect(ends(two)[0]).to.include({ own: false, reason: 'The consent was revoked by account 1.' });
    expect(two.events.at(-1)).to.include({
      type: 'link',
      state: 'down',
      reason: 'The consent was revoked by account 1.',
    });
    expect(two.pairing.standing).to.equal('ended');
  });

  it('holds to a new consent, though the end of the one before comes later', async () => {
    join(sides, one);
    await linked();
    one.pairing.end('revoked', 'user');
    two.introduced({ fresh: true });
    await until(() => two.pairing.link === null, 'the end of the link');
    expect(ends(two)).to.deep.equal([]);
    expect(two.pairing.standing).to.equal('introduced');
  });

  it('does not call it the end of the consent where only a session or a key is over', async () => {
    join(sides, one);
    await linked();
    one.pairing.end('password_changed', 'other');
    await until(() => two.pairing.link === null, 'the end of the link');
    one.introduced();
    join(sides, one);
    await linked();
    one.pairing.untrust();
    await until(() => two.pairing.link === null, 'the end of the link');
    expect([...ends(one), ...ends(two)]).to.deep.equal([]);
    expect(two.pairing.standing).to.equal('introduced');
  });

  it('lets go of a link when its introduction has expired and there is no center to ask', async () => {
    join(sides, one);
    await linked();
    const clock = sinon.useFakeTimers({
      now: Date.now(),
      toFake: ['Date', 'setTimeout', 'clearTimeout'],
      shouldClearNativeTimers: true,
    });
    one.introduced({ expiresAtMs: Date.now() + 1000 });
    await clock.tickAsync(1100);
    expect(one.pairing.link).to.equal(null);
    expect(one.pairing.standing).to.equal('introduced');
  });

  it('gives a link up when its address is gone from this machine', async () => {
    join(sides, one);
    await linked();
    one.pairing.moved(() => true);
    expect(one.pairing.link).to.not.equal(null);
    one.pairing.moved(() => false);
    expect(one.pairing.link).to.equal(null);
  });

  it('holds back the other side while there is enough to read', async () => {
    join(sides, one);
    await linked();
    two.isBehind = true;
    one.send('the last that is read');
    await until(() => two.shown.length === 1, 'the message');
    one.send('held back');
    await wait(100);
    expect(two.shown).to.have.length(1);
    two.isBehind = false;
    await until(() => two.shown.length === 2, 'what was held back');
  });

  it('sends no more than may be unstored over there, and then goes on', async () => {
    two.isBehind = true;
    for (let i = 0; i < 1500; i++) one.send(`message ${i}`);
    join(sides, one);
    await until(() => two.shown.length > 0, 'the first');
    two.isBehind = false;
    await until(() => one.stored.length === 1500, 'all');
    expect(two.shown).to.deep.equal(Array.from({ length: 1500 }, (_, i) => `message ${i}`));
  });

  describe('verified', () => {
    const digits = (side: Side): string[] =>
      side.events.flatMap((event) => (event.type === 'verify' ? [event.digits] : []));

    it('shows the same digits on both sides, and others the next time', async () => {
      join(sides, one);
      await linked();
      one.pairing.verify();
      await until(() => sides.every((side) => digits(side).length === 1), 'digits');
      expect(digits(one)).to.deep.equal(digits(two));
      two.pairing.verify();
      await until(() => sides.every((side) => digits(side).length === 2), 'more digits');
      expect(digits(one)).to.deep.equal(digits(two));
      one.pairing.confirm();
      expect(one.pairing.isVerified(two.self.key)).to.equal(true);
      expect(two.pairing.isVerified(one.self.key)).to.equal(false);
    });

    it('shows them to whoever asked not before the other side can', async () => {
      const gate = Promise.withResolvers<void>();
      let said = 0;
      let counts = false;
      // What one says after its commit: its nonce.
      join(sides, one, { delay: (from) => (counts && from === one && ++said > 1 ? gate.promise : 0) });
      await linked();
      await until(() => sides.every(({ pairing }) => pairing.link?.roundTripMs !== null), 'the first pong');
      counts = true;
      one.pairing.verify();
      await until(() => said > 1, 'its nonce');
      await wait(50);
      expect([...digits(one), ...digits(two)]).to.deep.equal([]);
      gate.resolve();
      await until(() => sides.every((side) => digits(side).length === 1), 'digits');
      expect(digits(one)).to.deep.equal(digits(two));
    });

    it('by both at once, and again before it is done, comes to one end', async () => {
      join(sides, one, { delay: () => 5 });
      await linked();
      one.pairing.verify();
      two.pairing.verify();
      await wait(2);
      one.pairing.verify();
      await until(() => sides.every((side) => digits(side).length > 0), 'digits');
      await wait(100);
      expect(digits(one)).to.have.length(1);
      expect(digits(one)).to.deep.equal(digits(two));
    });

    it('goes over to the link that takes the place of the one on which it was begun', async () => {
      let isStuck = false;
      join(sides, one, { route: 'relayed', delay: () => (isStuck ? 1e6 : 0) });
      await linked();
      isStuck = true;
      one.pairing.verify();
      join(sides, two, { exporter: Buffer.alloc(32, 5) });
      await until(() => sides.every((side) => digits(side).length > 0), 'digits');
      expect(routes()).to.deep.equal(['direct', 'direct']);
      expect(digits(one)).to.deep.equal(digits(two));
      expect(digits(one)).to.have.length(1);
    });

    it('shows other digits where another key or another TLS session is at the other end', async () => {
      join(sides, one);
      await linked();
      const link = one.pairing.link;
      if (link) Object.assign(link.channel, { exporter: Buffer.alloc(32, 5) });
      one.pairing.verify();
      await until(() => sides.every((side) => digits(side).length === 1), 'digits');
      expect(digits(one)).to.not.deep.equal(digits(two));
    });

    it('is confirmed only after digits were shown for this very link', async () => {
      join(sides, one);
      await linked();
      expect(await codeOf((async () => one.pairing.confirm())())).to.equal('wrong_state');
      expect(one.pairing.isVerified(two.self.key)).to.equal(false);
    });

    it('needs a link', async () => {
      expect(await codeOf((async () => one.pairing.verify())())).to.equal('disconnected');
      expect(await codeOf((async () => one.pairing.confirm())())).to.equal('disconnected');
    });
  });
});
