import { expect } from 'chai';
import fc from 'fast-check';
import { Clock } from '../../center/clock.ts';

describe('Clock', () => {
  it('is the wall clock at its start and monotonic time since', () => {
    let wallMs = 1_000_000;
    let monotonicMs = 5;
    const clock = new Clock(
      0,
      () => wallMs,
      () => monotonicMs,
    );
    expect(clock.now()).to.equal(1_000_000);
    monotonicMs += 250;
    wallMs = 0;
    expect(clock.now()).to.equal(1_000_250);
    wallMs = 9_000_000;
    expect(clock.now()).to.equal(1_000_250);
  });

  it('does not start before the time that was saved', () => {
    const clock = new Clock(
      2_000_000,
      () => 1_000_000,
      () => 0,
    );
    expect(clock.now()).to.equal(2_000_000);
  });

  it('is whole and never falls', () => {
    const steps = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }));
    fc.assert(
      fc.property(fc.nat(), fc.nat(), steps, (savedMs, wallMs, stepsMs) => {
        let monotonicMs = 0.25;
        const clock = new Clock(
          savedMs,
          () => wallMs,
          () => monotonicMs,
        );
        let before = savedMs;
        for (const stepMs of stepsMs) {
          monotonicMs += stepMs;
          expect(Number.isInteger(clock.now())).to.equal(true);
          expect(clock.now()).to.be.at.least(before);
          before = clock.now();
        }
      }),
    );
  });

  it('agrees with the machine by default', () => {
    expect(Math.abs(new Clock(0).now() - Date.now())).to.be.below(1000);
  });
});
