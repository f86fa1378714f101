import { expect } from 'chai';
import { completions } from '../../peer/suggestions.ts';

describe('suggestions', () => {
  it('offer what may stand where the cursor is', () => {
    expect(completions('mes', ['google'])).to.include('message');
    expect(completions('/mes', ['google'])).to.include('/message');
    expect(completions('message g', ['google'])).to.deep.equal(['google']);
    expect(completions('message google H', ['google'])).to.deep.equal([]);
    expect(completions('help ', ['google'])).to.include('block');
    expect(completions('hold ', [])).to.deep.equal(['on', 'off']);
    expect(completions('private g', ['google'])).to.deep.equal(['google']);
    expect(completions('allow google ', ['google'])).to.include('once');
    expect(completions('verify google ', ['google'])).to.deep.equal(['yes']);
    expect(completions('online ', ['google'])).to.deep.equal([]);
  });
});
