import { expect } from 'chai';
import { Progress } from '../../../scripts/bench/progress.ts';

describe('progress of the bench', () => {
  let elapsedMs = 0;
  const progress = () => {
    elapsedMs = 0;
    return new Progress(1000, () => elapsedMs);
  };

  it('is what is expected, at the pace of what is done', () => {
    const one = progress();
    expect(one.leftSeconds).to.equal(1000);
    one.add(480);
    elapsedMs = 480_000;
    expect(one.leftSeconds).to.equal(520);
    // Half as fast as expected.
    one.add(500);
    elapsedMs = 1_980_000;
    expect(one.leftSeconds).to.equal(40);
  });

  it('does not believe the first round alone', () => {
    const one = progress();
    one.add(1);
    elapsedMs = 10_000;
    expect(one.leftSeconds).to.be.within(999, 2000);
  });

  it('is never below nothing, and said in words', () => {
    const one = progress();
    expect(`${one}`).to.equal('about 17 min left');
    one.add(975);
    elapsedMs = 975_000;
    expect(`${one}`).to.equal('about 30 s left');
    one.add(100);
    expect(`${one}`).to.equal('about 0 s left');
  });
});
