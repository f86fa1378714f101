import { expect } from 'chai';
import sinon from 'sinon';
import { type Timeout, tickMs, Wheel } from '../../center/wheel.ts';

describe('wheel', () => {
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
