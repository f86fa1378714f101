import { expect } from 'chai';
import { centerLimits } from '../../center/limits.ts';
import { type Listener, Presence } from '../../center/presence.ts';
import { Wheel } from '../../center/wheel.ts';
import { decodeFrame, lengthBytes } from '../../shared/frames.ts';
import { TestCenter } from '../helpers/center.ts';
import type { WirePeer } from '../helpers/wire.ts';

/** Somebody online, who writes down what is heard. */
class Someone implements Listener {
  readonly account: number;
  readonly name: string;
  readonly blocks = new Set<number>();
  readonly frames: Buffer[] = [];
  isFull = false;

  constructor(account: number) {
    this.account = account;
    this.name = `u${account}`;
  }

  notice(bytes: Buffer): boolean {
    if (!this.isFull) this.frames.push(bytes);
    return !this.isFull;
  }

  /** What came since the last time, a list for each frame: `u7 on`, `u8 off`. */
  hears(): string[][] {
    return this.frames
      .splice(0)
      .map((bytes) =>
        (decodeFrame(bytes, lengthBytes).presence?.changes ?? []).map(
          ({ name, online }) => `${name} ${online ? 'on' : 'off'}`,
        ),
      );
  }
}

describe('Presence', () => {
  let nowMs: number;
  let wheel: Wheel;
  let presence: Presence;
  let offline: number[];
  let contacts: Map<number, number[]>;
  let asked: number[];

  function make(limits: Parameters<typeof centerLimits>[0] = {}): void {
    nowMs = 0;
    wheel = new Wheel(() => nowMs);
    offline = [];
    asked = [];
    contacts = new Map();
    presence = new Presence({
      wheel,
      limits: centerLimits(limits),
      onOffline: (account) => offline.push(account),
      contacts: async (account) => {
        asked.push(account);
        return contacts.get(account) ?? [];
      },
    });
  }

  beforeEach(() => make());

  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      nowMs += Math.min(left, 250);
      wheel.advance();
    }
    // What was asked of the store is answered.
    await new Promise(setImmediate);
  }

  /** Online, and everybody has heard of it. */
  async function someone(account: number): Promise<Someone> {
    const one = new Someone(account);
    presence.arrive(one);
    await pass(500);
    one.hears();
    return one;
  }

  it('bundles what changes, in order, and tells nobody of themselves', async () => {
    const one = await someone(1);
    const [two, three] = [new Someone(2), new Someone(3)];
    presence.arrive(two);
    presence.arrive(three);
    presence.leave(one, 'now');
    expect(three.hears()).to.deep.equal([]);
    await pass(250);
    expect(three.hears()).to.deep.equal([['u2 on', 'u1 off']]);
    expect(two.hears()).to.deep.equal([['u3 on', 'u1 off']]);
    expect(one.hears()).to.deep.equal([]);
    await pass(60_000);
    expect(three.hears()).to.deep.equal([]);
  });

  it('encodes once for all who hear the same', async () => {
    const listeners = [await someone(1), await someone(2), await someone(3)];
    for (const listener of listeners) listener.hears();
    presence.arrive(new Someone(4));
    await pass(250);
    expect(new Set(listeners.map(({ frames }) => frames[0])).size).to.equal(1);
  });

  it('sends many changes in frames that fit the limit', async () => {
    make({ presenceEveryone: 5000 });
    const one = await someone(1);
    for (let account = 2; account <= 1201; account++) presence.arrive(new Someone(account));
    await pass(250);
    for (const frame of one.frames) expect(frame.length).to.be.below(65_536);
    expect(one.hears().flat()).to.have.length(1200);
  });

  it('on and off within one bundle cancel out, either way', async () => {
    const [one, two] = [await someone(1), await someone(2)];
    one.hears();
    const three = new Someone(3);
    presence.arrive(three);
    presence.leave(three, 'now');
    presence.leave(two, 'now');
    presence.arrive(new Someone(2));
    await pass(1000);
    expect(one.hears()).to.deep.equal([]);
    expect(offline).to.deep.equal([3, 2]);
    expect(presence.isOnline(2)).to.equal(true);
  });

  it('is silent where a session resumes in time or displaces another', async () => {
    const [one, two] = [await someone(1), await someone(2)];
    one.hears();
    presence.leave(two, 'later');
    await pass(8_500);
    const again = new Someone(2);
    presence.arrive(again);
    presence.arrive(new Someone(2));
    presence.leave(again, 'later');
    await pass(30_000);
    expect(one.hears()).to.deep.equal([]);
    expect(presence.isOnline(2)).to.equal(true);
  });

  it('says offline once, within 10 s of the end of a connection', async () => {
    const [one, two] = [await someone(1), await someone(2)];
    one.hears();
    presence.leave(two, 'later');
    await pass(8_500);
    expect(presence.isOnline(2)).to.equal(true);
    expect(one.hears()).to.deep.equal([]);
    await pass(1_500);
    expect(one.hears()).to.deep.equal([['u2 off']]);
    expect(offline).to.deep.equal([2]);
    presence.leave(two, 'now');
    presence.remove(2);
    await pass(30_000);
    expect(one.hears()).to.deep.equal([]);
    expect(offline).to.deep.equal([2]);
  });

  it('hides both from each other where either has blocked the other', async () => {
    const [one, two, three] = [await someone(1), await someone(2), await someone(3)];
    for (const each of [one, two, three]) each.hears();
    one.blocks.add(2);
    presence.leave(one, 'now');
    presence.leave(two, 'now');
    await pass(250);
    presence.arrive(one);
    presence.arrive(two);
    await pass(250);
    expect(one.hears().flat()).to.deep.equal([]);
    expect(two.hears().flat()).to.deep.equal([]);
    expect(three.hears()).to.deep.equal([
      ['u1 off', 'u2 off'],
      ['u1 on', 'u2 on'],
    ]);
  });

  it('leaves out a connection that is full', async () => {
    const one = await someone(1);
    one.isFull = true;
    await someone(2);
    one.isFull = false;
    await someone(3);
    expect(one.hears()).to.deep.equal([['u3 on']]);
  });

  describe('above presenceEveryone', () => {
    beforeEach(() => make({ presenceEveryone: 3 }));

    it('tells only contacts, also of those who came while there were few', async () => {
      contacts.set(2, [1]);
      contacts.set(5, [1, 3, 99]);
      const [one, two, three] = [await someone(1), await someone(2), await someone(3)];
      await someone(4);
      const five = await someone(5);
      for (const each of [one, two, three]) each.hears();
      presence.leave(two, 'now');
      presence.leave(five, 'now');
      presence.arrive(new Someone(6));
      presence.arrive(new Someone(7));
      await pass(250);
      expect(one.hears().flat().sort()).to.deep.equal(['u2 off', 'u5 off']);
      expect(three.hears().flat()).to.deep.equal(['u5 off']);
    });

    it('adds whom one writes to', async () => {
      const [one, two, three] = [await someone(1), await someone(2), await someone(3)];
      await someone(4);
      // From here on the contacts of 4 are known.
      presence.addContact(4, 2);
      presence.addContact(1, 2);
      for (const each of [one, two, three]) each.hears();
      presence.remove(4);
      await someone(5);
      await someone(6);
      for (const each of [one, two, three]) each.hears();
      contacts.set(4, [2]);
      presence.arrive(new Someone(4));
      await pass(250);
      expect(two.hears().flat()).to.deep.equal(['u4 on']);
      expect(one.hears().flat()).to.deep.equal([]);
      expect(three.hears().flat()).to.deep.equal([]);
    });

    it('asks for the contacts of each person once', async () => {
      for (let account = 1; account <= 6; account++) await someone(account);
      const before = asked.length;
      expect(new Set(asked).size).to.equal(before);
      const again = new Someone(6);
      presence.leave(presence.person(6)?.listener as Listener, 'later');
      presence.arrive(again);
      await pass(250);
      expect(asked).to.have.length(before);
    });

    it('keeps blocked pairs apart', async () => {
      contacts.set(5, [1, 2]);
      const [one, two] = [await someone(1), await someone(2)];
      await someone(3);
      await someone(4);
      one.blocks.add(5);
      for (const each of [one, two]) each.hears();
      await someone(5);
      expect(one.hears().flat()).to.deep.equal([]);
      expect(two.hears().flat()).to.deep.equal(['u5 on']);
    });
  });

  describe('after a restart', () => {
    it('is silent about those who come back, and says offline of the others after startGraceMs', async () => {
      presence.restore(1, 'u1', new Set());
      presence.restore(2, 'u2', new Set());
      presence.restore(3, 'u3', new Set([1]));
      const one = new Someone(1);
      presence.arrive(one);
      await pass(29_500);
      expect(presence.isOnline(2)).to.equal(true);
      expect(one.hears()).to.deep.equal([]);
      await pass(1000);
      expect(one.hears()).to.deep.equal([['u2 off']]);
      expect(offline).to.deep.equal([2, 3]);
    });
  });
});

describe('presence of a center', () => {
  let center: TestCenter;

  beforeEach(async () => {
    center = await TestCenter.start({ limits: { graceMs: 500, silenceMs: 1500, startGraceMs: 2500, presenceMs: 100 } });
  });

  let beats: NodeJS.Timeout | undefined;

  afterEach(async () => {
    clearInterval(beats);
    await center.stop();
  });

  /** What keeps these from being taken for gone. */
  function alive(...peers: WirePeer[]): void {
    clearInterval(beats);
    beats = setInterval(() => {
      for (const peer of peers) peer.send({ heartbeat: {} });
    }, 200);
  }

  it('says offline once of a peer whose connection ended', async () => {
    const [google, seas] = [await center.join('google'), await center.join('seas')];
    expect((await google.sees('presence')).changes?.[0]).to.deep.include({ name: 'seas', online: true });
    alive(google);
    seas.destroy();
    expect((await google.sees('presence')).changes?.[0]).to.deep.include({ name: 'seas', online: false });
    const isOnline = (): boolean => center.query("SELECT online FROM accounts WHERE name = 'seas'")[0]?.online === 1;
    while (isOnline()) await google.fence();
  });

  it('takes a peer that is silent for gone, and closes its connection', async () => {
    const [google, seas] = [await center.join('google'), await center.join('seas')];
    await google.sees('presence');
    alive(google);
    expect((await google.sees('presence')).changes?.[0]).to.deep.include({ name: 'seas', online: false });
    await seas.ends();
    expect(google.closed).to.equal(false);
  });

  it('has no second "logged on" after a restart, and "offline" for who does not come back', async () => {
    const [google, seas, bing] = [await center.join('google'), await center.join('seas'), await center.join('bing')];
    await center.restart();
    const [one, two] = [await center.resume(google), await center.resume(seas)];
    const names = (await one.ask({ online: {} })).accountPage?.accounts?.map(({ name }) => name);
    expect(names).to.deep.equal(['bing', 'seas']);
    alive(one, two);
    for (const peer of [one, two]) {
      expect((await peer.sees('presence')).changes?.map(({ name, online }) => [name, online])).to.deep.equal([
        ['bing', false],
      ]);
    }
    expect((await center.resume(bing)).account).to.equal(bing.account);
    expect((await one.sees('presence')).changes?.[0]).to.deep.include({ name: 'bing', online: true });
  });

  it('is silent at a login elsewhere', async () => {
    const [google, seas] = [await center.join('google'), await center.join('seas')];
    await google.sees('presence');
    const elsewhere = await center.login('seas');
    await seas.isClosed();
    alive(google, elsewhere);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await google.hasNot(({ presence }) => presence != null);
  });
});
