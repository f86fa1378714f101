import { expect } from 'chai';
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

  it('catches up, in order, after the process stood still', () => {
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
