import { expect } from 'chai';
import { editDistance, nearest } from '../../peer/fields.ts';

const names = ['message', 'broadcast', 'online', 'users', 'block', 'unblock', 'blocked', 'quit', 'help', 'hold'];

describe('nearest name', () => {
  it('counts letters changed, added, left out and swapped', () => {
    expect(editDistance('message', 'message')).to.equal(0);
    expect(editDistance('mesage', 'message')).to.equal(1);
    expect(editDistance('emssage', 'message')).to.equal(1);
    expect(editDistance('', 'abc')).to.equal(3);
    expect(editDistance('kitten', 'sitting')).to.equal(3);
  });

  it('finds what was meant', () => {
    expect(nearest('mesage', names)).to.equal('message');
    expect(nearest('msg', names)).to.equal(null);
    expect(nearest('mess', names)).to.equal('message');
    expect(nearest('onlien', names)).to.equal('online');
    expect(nearest('qiut', names)).to.equal('quit');
    expect(nearest('Hello', names)).to.equal('help');
    expect(nearest('x', names)).to.equal(null);
  });
});
