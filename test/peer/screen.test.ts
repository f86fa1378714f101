import { expect } from 'chai';
import { DumbScreen } from '../../peer/dumb-screen.ts';
import { type Footer, layOut, Screen } from '../../peer/screen.ts';

const asking = (text: string, cursor = text.length, status: string[] = []): Footer => ({
  status,
  input: { prompt: '>', text, cursor },
});
const printed = (text: string, key = '') => ({ text, painted: text, key });

describe('screen', () => {
  it('puts status lines above the prompt, each on one row', () => {
    expect(layOut(asking('abc', 1, ['(pending) to google: Hello']), 12, 10)).to.deep.equal({
      rows: ['(pending) t…', '>abc'],
      cursorRow: 1,
      cursorColumn: 2,
    });
  });

  it('wraps what is typed, with the cursor on the row where the next character goes', () => {
    expect(layOut(asking('abcd'), 5, 10)).to.deep.equal({ rows: ['>abcd', ''], cursorRow: 1, cursorColumn: 0 });
    expect(layOut(asking('abcdef', 4), 5, 10)).to.deep.equal({ rows: ['>abcd', 'ef'], cursorRow: 1, cursorColumn: 0 });
    expect(layOut(asking('abc日', 3), 5, 10)).to.deep.equal({ rows: ['>abc', '日'], cursorRow: 1, cursorColumn: 0 });
    expect(layOut(asking('a\nb'), 5, 10).rows).to.deep.equal(['>a↵b']);
  });

  it('shows the rows around the cursor where the line is taller than the terminal', () => {
    const text = 'abcdefghij'.repeat(3);
    expect(layOut(asking(text), 10, 2).rows).to.deep.equal(['jabcdefghi', 'j']);
    expect(layOut(asking(text, 0), 10, 2)).to.deep.equal({
      rows: ['>abcdefghi', 'jabcdefghi'],
      cursorRow: 0,
      cursorColumn: 1,
    });
  });

  it('takes the old drawing off before it draws or prints', () => {
    const screen = new Screen();
    expect(screen.draw(asking('abcdef', 6, ['x']), 5, 24)).to.equal('x\r\n>abcd\r\nef\r\x1b[2C');
    expect(screen.print(printed('google is offline.'), 5, 24)).to.equal(
      '\x1b[2A\r\x1b[K\x1b[B\x1b[J\x1b[Agoogle is offline.\r\n',
    );
    expect(screen.draw(asking('a'), 5, 24)).to.equal('>a\r\x1b[2C');
    expect(screen.keep(5, '>a')).to.equal('\r\x1b[K>a\r\n');
  });

  it('finds the old drawing after the terminal became narrower and wrapped it', () => {
    const screen = new Screen();
    screen.draw(asking('abcdefgh', 8, ['status']), 10, 24);
    // 'status' takes two rows of 5, '>abcdefgh' two, and the cursor is on its second.
    expect(screen.erase(5)).to.equal('\x1b[3A\r\x1b[K\x1b[B\x1b[J\x1b[A');
  });

  it('lets a line take the place of the last one only if that tells of the same', () => {
    const screen = new Screen();
    screen.print(printed('to google: a long text', 'message 1'), 10, 24);
    expect(screen.print(printed('(stored) to google: a long text', 'message 1'), 10, 24)).to.equal(
      '\x1b[3A\r\x1b[K\x1b[B\x1b[J\x1b[A(stored) to google: a long text\r\n',
    );
    screen.print(printed('google is offline.'), 10, 24);
    expect(screen.print(printed('(stored) again', 'message 1'), 10, 24)).to.equal('(stored) again\r\n');
    screen.keep(10, '>x');
    expect(screen.print(printed('(stored) again', 'message 1'), 10, 24)).to.equal('(stored) again\r\n');
  });

  it('begins further lines at the left edge', () => {
    expect(new Screen().print(printed('<seas>: a\n    b'), 80, 24)).to.equal('<seas>: a\r\n    b\r\n');
  });
});

describe('screen without cursor movement', () => {
  it('writes only what is new, and the whole line again after a print', () => {
    const screen = new DumbScreen();
    expect(screen.draw(asking(''))).to.equal('>');
    expect(screen.draw(asking('me'))).to.equal('me');
    expect(screen.draw(asking('m'))).to.equal('\b \b');
    expect(screen.print(printed('google is offline.'))).to.equal('\r\ngoogle is offline.\r\n');
    expect(screen.draw(asking('m'))).to.equal('>m');
    expect(screen.draw(asking('xm', 1))).to.equal('\r\n>xm');
    expect(screen.keep()).to.equal('\r\n');
    expect(screen.draw(asking('x')) + screen.erase()).to.equal('>x\r\n');
  });
});
