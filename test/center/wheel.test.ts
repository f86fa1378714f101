import { expect } from 'chai';
import sinon from 'sinon';
import { type Timeout, tickMs, Wheel } from '../../center/wheel.ts';
import { seeded } from '../helpers/correspondents.ts';

describe('Wheel', () => {
  let nowMs: number;
  let wheel: Wheel;
  let fired: string[];

  beforeEach(() => {
    nowMs = 1000;
    wheel = new Wheel(() => nowMs);
    fired = [];
  });

  function timeout(name: string, then: () => void = () => undefined): Timeout {
    return {
      dueTick: 0,
      expire: () => {
        fired.push(name);
        then();
      },
    };
  }

  function pass(ms: number): void {
    nowMs += ms;
    wheel.advance();
  }

  it('fires once, when the time has come', () => {
    wheel.schedule(timeout('a'), 1000);
    pass(999);
    expect(fired).to.deep.equal([]);
    pass(1);
    expect(fired).to.deep.equal(['a']);
    pass(1_000_000);
    expect(fired).to.deep.equal(['a']);
  });

  it('forgets what is cancelled, and keeps the last of two schedules', () => {
    const [a, b] = [timeout('a'), timeout('b')];
    wheel.schedule(a, 500);
    wheel.schedule(b, 500);
    wheel.schedule(b, 2000);
    wheel.cancel(a);
    wheel.cancel(a);
    pass(1750);
    expect(fired).to.deep.equal([]);
    pass(250);
    expect(fired).to.deep.equal(['b']);
  });

  it('waits for whole turns of the wheel', () => {
    for (const [name, delayMs] of Object.entries({ a: 250 * 256, b: 250 * 256 * 3, c: 250 })) {
      wheel.schedule(timeout(name), delayMs);
    }
    for (let count = 0; count < 256 * 3 - 1; count++) pass(250);
    expect(fired).to.deep.equal(['c', 'a']);
    pass(250);
    expect(fired).to.deep.equal(['c', 'a', 'b']);
  });

  it('lets what fires schedule itself again, and cancel others of the same moment', () => {
    const late = timeout('late');
    const again = timeout('again', () => {
      wheel.cancel(late);
      if (fired.length < 3) wheel.schedule(again, 250 * 256);
    });
    wheel.schedule(again, 250);
    wheel.schedule(late, 250);
    for (let count = 0; count < 1000; count++) pass(250);
    expect(fired).to.deep.equal(['again', 'again', 'again']);
  });

  it('catches up, in order, after a tick that was late', () => {
    wheel.schedule(timeout('b'), 2000);
    wheel.schedule(timeout('a'), 1000);
    wheel.schedule(timeout('c'), 100_000);
    pass(60_000);
    expect(fired).to.deep.equal(['a', 'b']);
    expect(wheel.nowMs).to.equal(60_000);
  });

  it('is exact to its ticks, whatever is scheduled', () => {
    const random = seeded(5);
    const due = new Map<number, number>();
    for (let step = 0; step < 5000; step++) {
      const delayMs = 1 + random(200_000);
      const id = step;
      due.set(id, nowMs + delayMs);
      wheel.schedule(
        {
          dueTick: 0,
          expire: () => {
            // A tick either way, and the time until somebody looks.
            expect(nowMs - (due.get(id) ?? 0)).to.be.within(-tickMs, 2 * tickMs);
            due.delete(id);
          },
        },
        delayMs,
      );
      if (random(2) === 0) pass(random(tickMs));
    }
    for (let count = 0; count < 1000; count++) pass(tickMs);
    expect(due.size).to.equal(0);
  });
});

describe('Wheel, as it runs', () => {
  let clock: sinon.SinonFakeTimers;
  let monotonicMs: number;
  let wheel: Wheel;

  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    monotonicMs = 0;
    wheel = new Wheel(() => monotonicMs);
    wheel.start();
  });

  afterEach(() => {
    wheel.stop();
    clock.restore();
  });

  /** The time passes, and each tick comes when it is due. */
  function pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += tickMs) {
      monotonicMs += tickMs;
      clock.tick(tickMs);
    }
  }

  /** The time passes, and the process sees it only afterwards. */
  function stall(ms: number): void {
    monotonicMs += ms;
    clock.tick(tickMs);
  }

  function timeout(): Timeout & { count: number } {
    return {
      dueTick: 0,
      count: 0,
      expire() {
        this.count += 1;
      },
    };
  }

  it('expires once when the time has come, also after a round of its slots, and not what was cancelled', () => {
    const [soon, late, never] = [timeout(), timeout(), timeout()];
    wheel.schedule(soon, 1_000);
    wheel.schedule(late, 100_000);
    wheel.schedule(never, 1_000);
    wheel.cancel(never);
    pass(750);
    expect(soon.count).to.equal(0);
    pass(500);
    expect([soon.count, late.count]).to.deep.equal([1, 0]);
    pass(98_000);
    expect(late.count).to.equal(0);
    pass(1_500);
    expect([soon.count, late.count, never.count]).to.deep.equal([1, 1, 0]);
  });

  it('catches up after a tick that was late', () => {
    const soon = timeout();
    wheel.schedule(soon, 1_000);
    stall(1_500);
    expect(soon.count).to.equal(1);
    expect(wheel.stalledAtMs).to.equal(Number.NEGATIVE_INFINITY);
  });

  it('does not count the time in which the process stood still', () => {
    const one = timeout();
    wheel.schedule(one, 30_000);
    pass(1_000);
    stall(3_600_000);
    expect(one.count).to.equal(0);
    expect(wheel.nowMs).to.be.within(1_000, 1_000 + 2 * tickMs);
    expect(wheel.stalledAtMs).to.be.within(1_000, 1_000 + tickMs);
    pass(28_000);
    expect(one.count).to.equal(0);
    pass(2_000);
    expect(one.count).to.equal(1);
  });
});
