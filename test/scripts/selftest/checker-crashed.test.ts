import { expect } from 'chai';
import { judgeFaulty } from './checker.ts';

describe('the self-test finds', () => {
  it('a center that ends by itself', async () => {
    const { crashed, lost, examples } = await judgeFaulty('crashes', ['away']);
    expect(crashed).to.equal(1);
    expect(examples.join('; ')).to.match(/the center ended by itself \(7\)/);
    expect(lost, 'and goes on with the next one').to.equal(0);
  }).timeout(120_000);
});
