import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { Backoff, watchForWakeUp } from '../../peer/backoff.ts';

describe('back-off', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers();
  });

  afterEach(() => clock.restore());

  it('doubles from 0.2 to 10 s, each wait between half and the whole', () => {
    const backoff = new Backoff();
    for (const whole of [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]) {
      expect(backoff.next()).to.be.within(whole / 2, whole);
    }
  });

  it('waits at least as long as the center asks for', () => {
    expect(new Backoff().next(60_000)).to.equal(60_000);
  });

  it('waits no longer than a timer can, whatever the center asks for', () => {
    expect(new Backoff().next(2 ** 32)).to.equal(2 ** 31 - 1);
  });

  it('begins anew after a connection that lasted, not after one that did not', () => {
    const backoff = new Backoff();
    for (let count = 0; count < 10; count += 1) backoff.next();
    backoff.connected();
    clock.tick(1_000);
    expect(backoff.next()).to.be.within(5_000, 10_000);
    backoff.connected();
    clock.tick(10_000);
    expect(backoff.next()).to.be.within(100, 200);
  });

  it('notices that the machine was asleep', () => {
    let woke = 0;
    const stop = watchForWakeUp(() => {
      woke += 1;
    });
    clock.tick(20_000);
    expect(woke).to.equal(0);
    clock.setSystemTime(Date.now() + 3_600_000);
    clock.tick(1_000);
    expect(woke).to.equal(1);
    stop();
    clock.setSystemTime(Date.now() + 3_600_000);
    clock.tick(5_000);
    expect(woke).to.equal(1);
  });
});
