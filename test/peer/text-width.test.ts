import { expect } from 'chai';
import { cutToWidth, graphemes, rowsOf, textWidth } from '../../peer/text-width.ts';

describe('width of text', () => {
  it('counts columns, not code units', () => {
    expect(textWidth('abc')).to.equal(3);
    expect(textWidth('äöü')).to.equal(3);
    expect(textWidth('a\u0308')).to.equal(1);
    expect(textWidth('Ж\u0483')).to.equal(1);
    expect(textWidth('©\ufe0f')).to.equal(2);
    expect(textWidth('soft\u00adhyphen')).to.equal(10);
    expect(textWidth('日本')).to.equal(4);
    expect(textWidth('한글')).to.equal(4);
    expect(textWidth('👍')).to.equal(2);
    expect(textWidth('❤️')).to.equal(2);
  });

  it('steps over what a reader sees as one', () => {
    expect(graphemes('e\u0301👨‍👩‍👧x')).to.deep.equal(['e\u0301', '👨‍👩‍👧', 'x']);
  });

  it('cuts at a column and says so', () => {
    expect(cutToWidth('abcdef', 6)).to.equal('abcdef');
    expect(cutToWidth('abcdef', 5)).to.equal('abcd…');
    expect(cutToWidth('日本語', 5)).to.equal('日本…');
    expect(cutToWidth('日本語', 4)).to.equal('日…');
  });

  it('counts the rows of a wrapped line', () => {
    expect(rowsOf('', 10)).to.equal(1);
    expect(rowsOf('a'.repeat(10), 10)).to.equal(1);
    expect(rowsOf('a'.repeat(11), 10)).to.equal(2);
    expect(rowsOf('日'.repeat(5), 9)).to.equal(2);
    expect(rowsOf('a\nb', 10)).to.equal(2);
  });
});
