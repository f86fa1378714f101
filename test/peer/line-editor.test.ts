import { expect } from 'chai';
import fc from 'fast-check';
import type { Key, KeyName } from '../../peer/keys.ts';
import {
  complete,
  emptyLine,
  type LineState,
  maxLineChars,
  maxLineHistory,
  pressKey,
  remember,
} from '../../peer/line-editor.ts';

/** `|` stands where the cursor is. */
function at(marked: string, history: string[] = []): LineState {
  const cursor = marked.indexOf('|');
  return { ...emptyLine(history), text: marked.replace('|', ''), cursor };
}

function shown({ text, cursor }: LineState): string {
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`;
}

function press(line: LineState, ...names: KeyName[]): LineState {
  return names.reduce((state, name) => pressKey(state, { type: 'key', name }).line, line);
}

describe('line editor', () => {
  it('puts text where the cursor is', () => {
    expect(shown(pressKey(at('he|o'), { type: 'text', text: 'll' }).line)).to.equal('hell|o');
  });

  it('moves and deletes by what a reader sees as one character', () => {
    expect(shown(press(at('a👨‍👩‍👧|b'), 'left'))).to.equal('a|👨‍👩‍👧b');
    expect(shown(press(at('a|e\u0301b'), 'right'))).to.equal('ae\u0301|b');
    expect(shown(press(at('日本|語'), 'backspace'))).to.equal('日|語');
    expect(shown(press(at('|日本'), 'delete'))).to.equal('|本');
    expect(shown(press(at('|x'), 'backspace', 'left'))).to.equal('|x');
  });

  it('goes to both ends and over words', () => {
    expect(shown(press(at('one two|'), 'home'))).to.equal('|one two');
    expect(shown(press(at('|one two'), 'end'))).to.equal('one two|');
    expect(shown(press(at('one two |'), 'word-left'))).to.equal('one |two ');
    expect(shown(press(at('|one two'), 'word-right'))).to.equal('one| two');
  });

  it('cuts and puts back', () => {
    const cut = press(at('message goo|gle'), 'kill-before');
    expect(shown(cut)).to.equal('|gle');
    expect(shown(press(cut, 'end', 'yank'))).to.equal('glemessage goo|');
    expect(shown(press(at('a b|c d'), 'kill-after'))).to.equal('a b|');
    expect(shown(press(at('one two  |x'), 'kill-word'))).to.equal('one |x');
  });

  it('clears a line with Ctrl-C, and leaves on an empty one', () => {
    const cleared = pressKey(at('abc|'), { type: 'key', name: 'interrupt' });
    expect([shown(cleared.line), cleared.action]).to.deep.equal(['|', 'none']);
    expect(pressKey(cleared.line, { type: 'key', name: 'interrupt' }).action).to.equal('interrupt');
  });

  it('deletes with Ctrl-D, and ends the input on an empty line', () => {
    expect(shown(press(at('|ab'), 'end-of-input'))).to.equal('|b');
    expect(pressKey(at('|'), { type: 'key', name: 'end-of-input' }).action).to.equal('end-of-input');
  });

  it('brings lines back and keeps the one that was begun', () => {
    const line = at('draft|', ['one', 'two']);
    expect(shown(press(line, 'up'))).to.equal('two|');
    expect(shown(press(line, 'up', 'up', 'up'))).to.equal('one|');
    expect(shown(press(line, 'up', 'up', 'down', 'down'))).to.equal('draft|');
    expect(shown(press(line, 'down'))).to.equal('draft|');
  });

  it('remembers lines, but no blanks and no repeats, and not for ever', () => {
    expect(remember(['a'], ' ')).to.deep.equal(['a']);
    expect(remember(['a'], 'a')).to.deep.equal(['a']);
    let history: readonly string[] = [];
    for (let i = 0; i <= maxLineHistory; i += 1) history = remember(history, `line ${i}`);
    expect(history).to.have.length(maxLineHistory);
    expect(history[0]).to.equal('line 1');
  });

  it('keeps the newlines of a paste, or takes them out where one line is asked for', () => {
    const key: Key = { type: 'paste', text: 'a\nb\n' };
    expect(pressKey(emptyLine(), key)).to.deep.include({ action: 'none' });
    expect(pressKey(emptyLine(), key).line.text).to.equal('a\nb\n');
    expect(pressKey(emptyLine(), key, true).line.text).to.equal('ab');
  });

  it('takes nothing over its limit', () => {
    const full = at(`${'x'.repeat(maxLineChars)}|`);
    expect(pressKey(full, { type: 'text', text: 'y' }).line).to.equal(full);
  });

  it('completes to what all fitting words share', () => {
    expect(shown(complete(at('mes|'), ['message', 'online']).line)).to.equal('message |');
    const several = complete(at('message g|'), ['google', 'goofy', 'al']);
    expect(shown(several.line)).to.equal('message goo|');
    expect(several.choices).to.deep.equal(['goofy', 'google']);
    expect(shown(complete(at('message X|'), ['google']).line)).to.equal('message X|');
    expect(shown(complete(at('message GO|'), ['google']).line)).to.equal('message google |');
    expect(shown(complete(at('blo| google'), ['block']).line)).to.equal('block| google');
  });

  it('keeps the cursor between two characters, whatever is pressed', () => {
    const names = fc.constantFrom<KeyName>(
      ...(['left', 'right', 'word-left', 'word-right', 'home', 'end', 'backspace', 'delete', 'up', 'down'] as const),
      ...(['kill-before', 'kill-after', 'kill-word', 'kill-next-word', 'yank', 'newline'] as const),
    );
    const keys = fc.oneof(
      names.map((name): Key => ({ type: 'key', name })),
      fc.string({ unit: 'grapheme', maxLength: 5 }).map((text): Key => ({ type: 'text', text })),
    );
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 40 }), (pressed) => {
        const line = pressed.reduce((state, key) => pressKey(state, key).line, emptyLine(['first', 'zwei 日本']));
        expect(line.cursor).to.be.within(0, line.text.length);
        expect(line.text.slice(0, line.cursor).isWellFormed()).to.equal(line.text.isWellFormed());
      }),
    );
  });
});
