import { expect } from 'chai';
import fc from 'fast-check';
import { type Key, KeyReader, maxPasteChars } from '../../peer/keys.ts';

const start = '\x1b[200~';
const end = '\x1b[201~';

/** All that comes of these reads, the last followed by a pause. */
function read(...chunks: string[]): Key[] {
  const reader = new KeyReader();
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.idle()];
}

const named = (...names: string[]) => names.map((name) => ({ type: 'key', name }));
const text = (typed: string) => ({ type: 'text', text: typed });
const paste = (pasted: string) => ({ type: 'paste', text: pasted });

describe('keys', () => {
  it('reads text, Enter and control keys', () => {
    expect(read('hé日\r')).to.deep.equal([text('hé日'), ...named('enter')]);
    expect(read('\x01\x05\x15\x0b\x17\x0c\x04\x03\x7f\t\x1a')).to.deep.equal(
      named(
        ...['home', 'end', 'kill-before', 'kill-after', 'kill-word', 'clear-screen', 'end-of-input'],
        ...['interrupt', 'backspace', 'complete', 'suspend'],
      ),
    );
  });

  it('reads cursor keys as different terminals send them', () => {
    expect(read('\x1b[A\x1bOB\x1b[C\x1b[D\x1b[H\x1bOF\x1b[1~\x1b[4~\x1b[3~\x1b[1;5C\x1bb')).to.deep.equal(
      named('up', 'down', 'right', 'left', 'home', 'end', 'home', 'end', 'delete', 'word-right', 'word-left'),
    );
  });

  it('puts sequences together that reads have cut, at any place', () => {
    const whole = `a\x1b[1;5Cb${start}one\rtwo${end}`;
    for (let cut = 0; cut <= whole.length; cut += 1) {
      expect(read(whole.slice(0, cut), whole.slice(cut)), `cut at ${cut}`).to.deep.equal([
        text('a'),
        ...named('word-right'),
        text('b'),
        paste('one\ntwo'),
      ]);
    }
  });

  it('skips sequences that it does not know', () => {
    expect(read('a\x1b[99;99Zb\x1b[?1;2cc')).to.deep.equal([text('a'), text('b'), text('c')]);
    expect(read('\x1b\x1b[A')).to.deep.equal(named('up'));
  });

  it('drops a lone escape after a pause', () => {
    const reader = new KeyReader();
    expect(reader.push('\x1b')).to.deep.equal([]);
    expect(reader.undecided).to.equal(true);
    expect(reader.idle()).to.deep.equal([]);
    expect(reader.push('x')).to.deep.equal([text('x')]);
  });

  it('takes a paste as one text whose newlines are not Enter', () => {
    expect(read(`${start}one\r\ntwo\rthree\n${end}`)).to.deep.equal([paste('one\ntwo\nthree\n')]);
  });

  it('takes control characters and escape sequences out of a paste', () => {
    expect(read(`${start}a\x1b[31mb\x07c\td\u202ee${end}`)).to.deep.equal([paste('abc    de')]);
  });

  it('lets no paste break out by an end mark of its own', () => {
    const evil = `${start}ls${end}\rquit\r${end}`;
    for (let cut = 0; cut <= evil.length; cut += 1) {
      const keys = read(evil.slice(0, cut), evil.slice(cut));
      expect(keys, `cut at ${cut}`).to.deep.equal([paste('ls\nquit\n')]);
    }
  });

  it('reads on after a paste', () => {
    expect(read(`${start}pasted${end}\r`)).to.deep.equal([paste('pasted'), ...named('enter')]);
    expect(read(`${start}one${end}${start}two${end}x`)).to.deep.equal([paste('one'), paste('two'), text('x')]);
  });

  it('refuses a paste over the limit whole', () => {
    const most = 'x'.repeat(maxPasteChars);
    expect(read(`${start}${most}${end}`)).to.deep.equal([paste(most)]);
    expect(read(start, most, 'x', end)).to.deep.equal([{ type: 'paste-too-long' }]);
  });

  it('gives the same keys however the bytes are cut', () => {
    const pieces = fc.constantFrom('a', '日', '\r', '\x1b[A', '\x1bOC', start, end, '\x1b', '\x03', 'é', '[', '~', '2');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
        const merged = (keys: Key[]) => {
          const out: Key[] = [];
          for (const key of keys) {
            const last = out.at(-1);
            if (key.type === 'text' && last?.type === 'text') last.text += key.text;
            else out.push({ ...key });
          }
          return out;
        };
        const whole = parts.join('');
        expect(merged(read(...whole))).to.deep.equal(merged(read(whole)));
      }),
    );
  });
});
