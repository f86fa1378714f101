import { expect } from 'chai';
import { judgeFaulty } from './checker.ts';

describe('the self-test finds', () => {
  it('what is lost where the center accepts before it has committed', async () => {
    const { lost, examples } = await judgeFaulty('early', ['centerKilled', 'away']);
    expect(lost, examples.join('; ')).to.be.greaterThan(0);
  }).timeout(120_000);
});
