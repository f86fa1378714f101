import { stripVTControlCharacters } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { indentFurtherLines, safeLine, safeText } from '../../shared/text.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';

// Any code unit, also halves of surrogate pairs, but most often what does harm.
const harmful = fc.oneof(
  fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCharCode(code)),
  fc.constantFrom(
    ...[
      '\u001b[31m',
      '\u001b[2J',
      '\u001b]0;title\u0007',
      '\u001b]8;;http://x\u001b\\',
      '\u001bP1$r',
      '\u001b',
      '\u009b',
      '\u009d',
    ],
    ...[
      '\u061c',
      '\u200b',
      '\u200e',
      '\u200f',
      '\u202a',
      '\u202e',
      '\u2028',
      '\u2029',
      '\u2066',
      '\u2069',
      '\ufeff',
      '\u034f',
    ],
    ...['\udb40', '\udc01', '\u{e0041}', '\u{1d173}', '\u00ad', '\u3164', '\ufff9', '\r\n', '\t', '[', ']', 'm', '\\'],
  ),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
);
const hostileText = fc.array(harmful, { maxLength: 40 }).map((parts) => parts.join(''));

const control = /[\p{Cc}--\n]/v;
const bidi = /\p{Bidi_Control}/u;
const invisible = /[\p{Default_Ignorable_Code_Point}--[\u200c\u200d\ufe00-\ufe0f]]/v;

describe('text', () => {
  it('keeps no control character but newline, no bidi control, nothing invisible, no half of a pair', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const safe = safeText(text);
        expect(safe).not.to.match(control);
        expect(safe).not.to.match(bidi);
        expect(safe).not.to.match(invisible);
        expect(safe).not.to.match(/[\u2028\u2029\ufff9-\ufffb]/);
        expect(safe.isWellFormed()).to.equal(true);
        expect(stripVTControlCharacters(safe)).to.equal(safe);
      }),
      { numRuns: 2000 },
    );
  });

  it('is safe after once: cleaning again changes nothing', () => {
    fc.assert(fc.property(hostileText, (text) => safeText(safeText(text)) === safeText(text)));
  });

  it('of every single character is safe', () => {
    for (let code = 0; code <= 0x10ffff; code += 1) {
      const safe = safeText(String.fromCodePoint(code));
      if (safe !== '' && (control.test(safe) || bidi.test(safe) || invisible.test(safe))) {
        expect.fail(`U+${code.toString(16)} is let through`);
      }
    }
  });

  it('leaves what people write alone', () => {
    const texts = [
      'Hello, google! 50% of it: [x] {y} \\z ~',
      'Grüße, 你好, שלום, مرحبا, नमस्ते, สวัสดี',
      'می‌خواهم',
      '👩‍👩‍👧 ❤️ 🇩🇪 👍🏽',
      'one\ntwo\n\nthree',
    ];
    for (const text of texts) expect(safeText(text)).to.equal(text);
  });

  it('loses ANSI sequences whole', () => {
    expect(safeText('\u001b[1;31mred\u001b[0m')).to.equal('red');
    expect(safeText('a\u001b]0;title\u0007b\u001b]8;;http://x\u001b\\c')).to.equal('abc');
    expect(safeText('a\u001b(Bb\u001b7c\u001bcd')).to.equal('abcd');
  });

  it('after a sequence that never ends stays readable', () => {
    expect(safeText('a\u001b]0;the rest of\nthe message')).to.equal('a0;the rest of\nthe message');
    expect(safeText('wrongly decoded \u00e2\u0080\u009dquotes\u00e2\u0080\u009d stay')).to.equal(
      'wrongly decoded âquotesâ stay',
    );
  });

  it('has one kind of line end, and spaces for tabs', () => {
    expect(safeText('a\r\nb\rc\td')).to.equal('a\nbc    d');
  });

  it('takes time linear in its length', () => {
    const startedAtMs = performance.now();
    for (const part of ['\u001b]', '\u001b[0', '\u001b', '\u001b]0;x', '\u001b[    ', '\r']) {
      safeText(part.repeat(100_000));
    }
    safeText(`\u001b]${'x'.repeat(1_000_000)}`);
    const tookMs = performance.now() - startedAtMs;
    expect(tookMs).to.be.below(3000 * slownessOfMachine());
  });

  it('on one line has no newline', () => {
    expect(safeLine('one\ntwo\r\nthree')).to.equal('one two three');
    fc.assert(fc.property(hostileText, (text) => !safeLine(text).includes('\n')));
  });

  it('never begins a further line without four spaces', () => {
    expect(indentFurtherLines('one\ntwo\n')).to.equal('one\n    two\n    ');
    fc.assert(
      fc.property(hostileText, (text) => {
        const [, ...further] = indentFurtherLines(safeText(text)).split('\n');
        for (const line of further) expect(line).to.match(/^ {4}/);
      }),
    );
  });
});
