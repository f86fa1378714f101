import { expect } from 'chai';
import fc from 'fast-check';
import { textWidth } from '../../peer/text-width.ts';
import { secondColumn, wrapWords } from '../../peer/wrapping.ts';

describe('wrapping of lines', () => {
  it('leaves alone what fits', () => {
    expect(wrapWords('<seas>: Hello', 20)).to.equal('<seas>: Hello');
    expect(wrapWords('', 20)).to.equal('');
    expect(wrapWords('a'.repeat(20), 20)).to.equal('a'.repeat(20));
    expect(wrapWords('  one\n    two', 20)).to.equal('  one\n    two');
  });

  it('breaks between words, and indents what follows', () => {
    expect(wrapWords('<seas>: Shall we meet at the harbour?', 20)).to.equal(
      ['<seas>: Shall we', '    meet at the', '    harbour?'].join('\n'),
    );
  });

  it('indents as far as it is told to, where there is room', () => {
    expect(wrapWords('online  list who is online', 18, 8)).to.equal('online  list who\n        is online');
    expect(wrapWords('online  list who is online', 14, 8)).to.equal('online\n   list who is\n   online');
  });

  it('breaks a word that is longer than a row, where the row ends', () => {
    expect(wrapWords('<seas>: abcdefghijklmnop', 12)).to.equal('<seas>: abcd\n    efghijkl\n    mnop');
    expect(wrapWords('<seas>: 日本語日本語', 13)).to.equal('<seas>: 日本\n    語日本語');
  });

  it('finds the second column of a table', () => {
    expect(secondColumn('online      list who is online')).to.equal(12);
    expect(secondColumn('  allow NAME [1h | once]  let NAME link')).to.equal(26);
    expect(secondColumn('    send TEXT to NAME')).to.equal(4);
  });

  it('leaves a link in one piece, to be clicked and copied', () => {
    const link = `https://example.org/${'long/'.repeat(6)}`;
    expect(wrapWords(`<seas>: See ${link} please`, 20)).to.equal(`<seas>: See ${link} please`);
    expect(wrapWords('<seas>: Look at https://a.org', 20)).to.equal('<seas>: Look at\n    https://a.org');
    expect(wrapWords(`<seas>: https://example.org/<google>:${'x'.repeat(20)}`, 20).split('\n')).to.have.length(4);
  });

  it('lets no text begin a row, however it was padded', () => {
    for (const blank of [' ', '\u00a0', '\u3000', '\u2800']) {
      for (const row of wrapWords(`<seas>: Hi${blank.repeat(200)}<google>: I am google`, 40)
        .split('\n')
        .slice(1)) {
        expect(row).to.match(/^ {4}/);
      }
    }
  });

  it('keeps all but blanks, in rows that fit', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('日本語', 'e\u0301', '👨‍👩‍👧', ' ', '    ', 'Hello'));
    const words = fc.array(word, { maxLength: 40 }).map((all) => all.join(' ').replaceAll(/\p{C}/gu, ''));
    fc.assert(
      fc.property(words, fc.integer({ min: 2, max: 60 }), fc.integer({ min: 0, max: 40 }), (text, columns, indent) => {
        const wrapped = wrapWords(text, columns, indent);
        expect(wrapped.replaceAll(/[ \n]/g, '')).to.equal(text.replaceAll(' ', ''));
        for (const row of wrapped.split('\n')) {
          if (!/https?:/.test(row) && columns > 2) expect(textWidth(row)).to.be.at.most(columns);
        }
      }),
    );
  });
});
