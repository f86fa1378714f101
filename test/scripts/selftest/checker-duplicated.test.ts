import { expect } from 'chai';
import { judgeFaulty } from './checker.ts';

describe('the self-test finds', () => {
  it('what comes twice where the center forgets what it had', async () => {
    const { duplicated, examples } = await judgeFaulty('forgets', ['centerKilled', 'away']);
    expect(duplicated, examples.join('; ')).to.be.greaterThan(0);
  }).timeout(120_000);
});
