// Turns what a terminal sends into keys: cursor keys, control keys, typed text, and pastes as one key each.
import { safeText } from '../shared/text.ts';

export type KeyName =
  | 'enter'
  | 'newline'
  | 'backspace'
  | 'delete'
  | 'left'
  | 'right'
  | 'word-left'
  | 'word-right'
  | 'home'
  | 'end'
  | 'up'
  | 'down'
  | 'complete'
  | 'clear-screen'
  | 'kill-before'
  | 'kill-after'
  | 'kill-word'
  | 'kill-next-word'
  | 'yank'
  | 'interrupt'
  | 'end-of-input'
  | 'suspend';

export type Key =
  | { type: 'text'; text: string }
  /** Pasted in brackets: newlines in it are text, never Enter. */
  | { type: 'paste'; text: string }
  /** A paste longer than maxPasteChars was dropped. */
  | { type: 'paste-too-long' }
  | { type: 'key'; name: KeyName };

export const maxPasteChars = 262_144;
/** A control sequence longer than this is garbage and is dropped. */
const maxSequenceChars = 64;

const pasteStart = '\x1b[200~';
const pasteEnd = '\x1b[201~';

const controls: Readonly<Record<string, KeyName>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\t': 'complete',
  '\x01': 'home',
  '\x02': 'left',
  '\x03': 'interrupt',
  '\x04': 'end-of-input',
  '\x05': 'end',
  '\x06': 'right',
  '\x0b': 'kill-after',
  '\x0c': 'clear-screen',
  '\x0e': 'down',
  '\x10': 'up',
  '\x15': 'kill-before',
  '\x17': 'kill-word',
  '\x19': 'yank',
  '\x1a': 'suspend',
};

// What follows ESC, as xterm, VT220, rxvt and the Linux console send it.
const sequences: Readonly<Record<string, KeyName>> = {
  '[A': 'up',
  '[B': 'down',
  '[C': 'right',
  '[D': 'left',
  '[H': 'home',
  '[F': 'end',
  OA: 'up',
  OB: 'down',
  OC: 'right',
  OD: 'left',
  OH: 'home',
  OF: 'end',
  '[1~': 'home',
  '[7~': 'home',
  '[4~': 'end',
  '[8~': 'end',
  '[3~': 'delete',
  '[1;5C': 'word-right',
  '[1;5D': 'word-left',
  '[1;3C': 'word-right',
  '[1;3D': 'word-left',
  f: 'word-right',
  b: 'word-left',
  d: 'kill-next-word',
  '\x7f': 'kill-word',
  '\r': 'newline',
  '\n': 'newline',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: the shape of an escape sequence (ECMA-48)
const sequenceShape = /^\x1b(?:\[[0-?]*[ -/]*[@-~]|O[A-Za-z]|[^[O\x1b])/su;
// biome-ignore lint/suspicious/noControlCharactersInRegex: everything up to the next control character
const typed = /^[^\x00-\x1f\x7f\x80-\x9f]+/u;

type State =
  /** unread: the beginning of a sequence, perhaps. */
  | { at: 'keys'; unread: string }
  | { at: 'paste'; text: string }
  /** The end of a paste was read; was it the last one? */
  | { at: 'held'; text: string; unread: string };

/**
 * push takes what was read; idle must be called when nothing came for idleMs.
 * A paste that contains the end mark itself could break out and press Enter: a paste therefore lasts until the last
 * end mark that comes without a pause.
 */
export class KeyReader {
  static readonly idleMs = 30;
  #state: State = { at: 'keys', unread: '' };

  /** True while something is kept that only idle() can decide. */
  get undecided(): boolean {
    return this.#state.at === 'held' || (this.#state.at === 'keys' && this.#state.unread !== '');
  }

  push(chunk: string): Key[] {
    const keys: Key[] = [];
    this.#read(chunk, keys);
    return keys;
  }

  /** Nothing more is coming now: decides what was kept. */
  idle(): Key[] {
    const keys: Key[] = [];
    const state = this.#state;
    if (state.at === 'held') {
      this.#state = { at: 'keys', unread: '' };
      keys.push(pasteKey(state.text));
      this.#read(state.unread, keys);
    } else if (state.at === 'keys') {
      this.#state = { at: 'keys', unread: '' }; // a lone ESC means nothing here
    }
    return keys;
  }

  #read(chunk: string, keys: Key[]): void {
    let rest = chunk;
    while (rest !== '' || this.#state.at === 'held') {
      const state: State = this.#state;
      if (state.at === 'paste') {
        const { pasted, after } = splitAtMark(state.text, rest);
        if (after === null) {
          this.#state = { at: 'paste', text: pasted };
          return;
        }
        this.#state = { at: 'held', text: pasted, unread: after };
        rest = '';
      } else if (state.at === 'held') {
        const unread = state.unread + rest;
        rest = '';
        const end = unread.indexOf(pasteEnd);
        const start = unread.indexOf(pasteStart);
        if (start >= 0 && (end < 0 || start < end)) {
          // A new paste begins: the one before was over.
          this.#state = { at: 'keys', unread: '' };
          keys.push(pasteKey(state.text));
          rest = unread;
        } else if (end >= 0) {
          this.#state = {
            at: 'held',
            text: joinPaste(state.text, unread.slice(0, end)),
            unread: unread.slice(end + pasteEnd.length),
          };
        } else {
          this.#state = { at: 'held', text: state.text, unread };
          return;
        }
      } else {
        rest = this.#readKeys(state.unread + rest, keys);
      }
    }
  }

  /** Reads keys up to the beginning of a paste; returns what is left. */
  #readKeys(text: string, keys: Key[]): string {
    let rest = text;
    this.#state = { at: 'keys', unread: '' };
    while (rest !== '') {
      if (rest.startsWith(pasteStart)) {
        this.#state = { at: 'paste', text: '' };
        return rest.slice(pasteStart.length);
      }
      const plain = typed.exec(rest)?.[0];
      if (plain !== undefined) {
        const text = safeText(plain);
        if (text !== '') keys.push({ type: 'text', text });
        rest = rest.slice(plain.length);
      } else if (rest[0] === '\x1b') {
        const sequence = sequenceShape.exec(rest)?.[0];
        if (sequence === undefined) {
          if (rest[1] !== '\x1b' && rest.length <= maxSequenceChars) {
            this.#state = { at: 'keys', unread: rest };
            return '';
          }
          rest = rest.slice(1);
          continue;
        }
        const name = sequences[sequence.slice(1)];
        if (name !== undefined) keys.push({ type: 'key', name });
        rest = rest.slice(sequence.length);
      } else {
        const name = controls[rest[0]!];
        if (name !== undefined) keys.push({ type: 'key', name });
        rest = rest.slice(1);
      }
    }
    return '';
  }
}

function joinPaste(before: string, more: string): string {
  // One character over the limit is enough to know that it was too long.
  return (before + more).slice(0, maxPasteChars + pasteEnd.length + 1);
}

function splitAtMark(before: string, chunk: string): { pasted: string; after: string | null } {
  // The mark may have been cut in two by the read.
  const overlap = before.slice(-pasteEnd.length + 1);
  const text = overlap + chunk;
  const end = text.indexOf(pasteEnd);
  if (end < 0) return { pasted: joinPaste(before, chunk), after: null };
  const kept = before.slice(0, before.length - overlap.length);
  return { pasted: joinPaste(kept, text.slice(0, end)), after: text.slice(end + pasteEnd.length) };
}

function pasteKey(text: string): Key {
  if (text.length > maxPasteChars) return { type: 'paste-too-long' };
  return { type: 'paste', text: safeText(text.replaceAll('\r\n', '\n').replaceAll('\r', '\n')) };
}
