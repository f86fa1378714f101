import { expect } from 'chai';
import { judgeFaulty } from './checker.ts';

describe('the self-test finds', () => {
  it('what is out of order where the center swaps two messages', async () => {
    const { reordered, examples } = await judgeFaulty('swaps', ['away']);
    expect(reordered, examples.join('; ')).to.be.greaterThan(0);
  }).timeout(120_000);
});
