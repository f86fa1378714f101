// The line that is being typed: a pure step from key to key. Drawing it is screen.ts's, reading keys is keys.ts's.
import type { Key, KeyName } from './keys.ts';
import { graphemes } from './text-width.ts';

/** Longer lines are not taken: far above any message, far below what hurts. */
export const maxLineChars = 131_072;
/** Lines that up and down bring back. */
export const maxLineHistory = 500;

export interface LineState {
  text: string;
  /** Where the next character goes: an index into text, always between two graphemes. */
  cursor: number;
  /** Oldest first. */
  history: readonly string[];
  /** What is shown: an index into history, or history.length for the line that is being typed. */
  at: number;
  /** The line that was being typed when up was pressed. */
  draft: string;
  /** What was last cut, for Ctrl-Y. */
  cut: string;
}

/** What the key asks of whoever owns the line. */
export type LineAction = 'none' | 'submit' | 'interrupt' | 'end-of-input' | 'complete' | 'clear-screen' | 'suspend';

export function emptyLine(history: readonly string[] = []): LineState {
  return { text: '', cursor: 0, history, at: history.length, draft: '', cut: '' };
}

/** The history with this line as its newest, without blank lines and repeats of the newest. */
export function remember(history: readonly string[], line: string): readonly string[] {
  if (line.trim() === '' || history.at(-1) === line) return history;
  return [...history, line].slice(-maxLineHistory);
}

/** One key. `oneLine`: newlines of a paste are taken out (a name, a password). */
export function pressKey(line: LineState, key: Key, oneLine = false): { line: LineState; action: LineAction } {
  if (key.type === 'paste-too-long') return { line, action: 'none' };
  if (key.type === 'key') return pressNamed(line, key.name, oneLine);
  const text = key.type === 'paste' && oneLine ? key.text.replaceAll('\n', '') : key.text;
  return { line: insert(line, text), action: 'none' };
}

function pressNamed(line: LineState, name: KeyName, oneLine: boolean): { line: LineState; action: LineAction } {
  switch (name) {
    case 'enter':
      return { line, action: 'submit' };
    case 'interrupt':
      if (line.text === '') return { line, action: 'interrupt' };
      return { line: { ...emptyLine(line.history), cut: line.cut }, action: 'none' };
    case 'end-of-input':
      if (line.text === '') return { line, action: 'end-of-input' };
      return { line: remove(line, line.cursor, nextCursor(line)), action: 'none' };
    case 'complete':
    case 'clear-screen':
    case 'suspend':
      return { line, action: name };
    case 'newline':
      return { line: oneLine ? line : insert(line, '\n'), action: 'none' };
    default:
      return { line: moveOrCut(line, name), action: 'none' };
  }
}

type Moving = Exclude<
  KeyName,
  'enter' | 'interrupt' | 'end-of-input' | 'complete' | 'clear-screen' | 'suspend' | 'newline'
>;

function moveOrCut(line: LineState, name: Moving): LineState {
  const { text, cursor } = line;
  switch (name) {
    case 'left':
      return { ...line, cursor: previousCursor(line) };
    case 'right':
      return { ...line, cursor: nextCursor(line) };
    case 'word-left':
      return { ...line, cursor: wordStart(text, cursor) };
    case 'word-right':
      return { ...line, cursor: wordEnd(text, cursor) };
    case 'home':
      return { ...line, cursor: 0 };
    case 'end':
      return { ...line, cursor: text.length };
    case 'backspace':
      return remove(line, previousCursor(line), cursor);
    case 'delete':
      return remove(line, cursor, nextCursor(line));
    case 'kill-before':
      return cutOut(line, 0, cursor);
    case 'kill-after':
      return cutOut(line, cursor, text.length);
    case 'kill-word':
      return cutOut(line, wordStart(text, cursor), cursor);
    case 'kill-next-word':
      return cutOut(line, cursor, wordEnd(text, cursor));
    case 'yank':
      return insert(line, line.cut);
    case 'up':
      return recall(line, line.at - 1);
    case 'down':
      return recall(line, line.at + 1);
  }
}

/** Puts text where the cursor is; nothing happens where the line would become too long. */
export function insert(line: LineState, text: string): LineState {
  if (line.text.length + text.length > maxLineChars) return line;
  return {
    ...line,
    text: line.text.slice(0, line.cursor) + text + line.text.slice(line.cursor),
    cursor: line.cursor + text.length,
  };
}

function remove(line: LineState, from: number, to: number): LineState {
  return { ...line, text: line.text.slice(0, from) + line.text.slice(to), cursor: from };
}

function cutOut(line: LineState, from: number, to: number): LineState {
  if (from === to) return line;
  return { ...remove(line, from, to), cut: line.text.slice(from, to) };
}

function previousCursor({ text, cursor }: LineState): number {
  return cursor - (graphemes(text.slice(0, cursor)).at(-1)?.length ?? 0);
}

function nextCursor({ text, cursor }: LineState): number {
  return cursor + (graphemes(text.slice(cursor))[0]?.length ?? 0);
}

function wordStart(text: string, cursor: number): number {
  return cursor - (/\S*\s*$/u.exec(text.slice(0, cursor))?.[0].length ?? 0);
}

function wordEnd(text: string, cursor: number): number {
  return cursor + (/^\s*\S*/u.exec(text.slice(cursor))?.[0].length ?? 0);
}

function recall(line: LineState, at: number): LineState {
  if (at < 0 || at > line.history.length) return line;
  const draft = line.at === line.history.length ? line.text : line.draft;
  const text = at === line.history.length ? draft : line.history[at]!;
  return { ...line, at, draft, text, cursor: text.length };
}

/**
 * What Tab makes of the word before the cursor: the longest beginning that all fitting words share, and the words
 * themselves where there is more than one. A word that is the only one is followed by a space.
 */
export function complete(line: LineState, words: readonly string[]): { line: LineState; choices: readonly string[] } {
  const before = line.text.slice(0, line.cursor);
  const start = before.search(/\S*$/u);
  const begun = before.slice(start).toLowerCase();
  const fitting = words.filter((word) => word.toLowerCase().startsWith(begun)).sort();
  const first = fitting[0];
  if (first === undefined) return { line, choices: [] };
  let shared = first;
  for (const word of fitting) while (!word.toLowerCase().startsWith(shared.toLowerCase())) shared = shared.slice(0, -1);
  const only = fitting.length === 1;
  const put = only && !line.text.slice(line.cursor).startsWith(' ') ? `${shared} ` : shared;
  return { line: insert(remove(line, start, line.cursor), put), choices: only ? [] : fitting };
}

/** Why a key left the line as it was, where the user should know. */
export function refusal(before: LineState, after: LineState, key: Key): string | null {
  if (key.type === 'paste-too-long') return 'What was pasted is too long; nothing was inserted.';
  if (key.type === 'key' || key.text === '' || before !== after) return null;
  return `The line is full: at most ${maxLineChars} characters.`;
}
