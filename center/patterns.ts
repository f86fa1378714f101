// Patterns of names: globs and regular expressions, both run by an engine whose time is linear in the name.
import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js';
import { ParleyError } from '../shared/errors.ts';

export const maxPatternLength = 256;
/** Counted repetitions, all in one pattern: checked before it is compiled, for they make long programs of short patterns. */
const maxRepeats = 1000;
/** Instructions of a compiled pattern: bounds what one name can cost. */
const maxProgramSize = 2000;
/** What RE2JS puts before a pattern for the flag used here. */
const flagPrefix = '(?i)';

/**
 * A test for names, without regard to case. A glob (`al*`, `?`, `[a-c]`, `[!a-c]`) fits the whole name, `/regex/` (RE2
 * syntax) any part of it; the empty pattern fits everybody. Throws bad_pattern, which says what is wrong and where.
 */
export function compilePattern(pattern: string): (name: string) => boolean {
  if (pattern === '') return () => true;
  if (pattern.length > maxPatternLength) {
    throw bad(`it is longer than ${maxPatternLength} characters`);
  }
  const program = pattern.startsWith('/') ? compileRegex(pattern) : compile(globSource(pattern), pattern);
  return (name) => program.test(name);
}

function compileRegex(pattern: string): RE2JS {
  if (pattern.length < 2 || !pattern.endsWith('/')) throw bad(`the closing / is missing at ${pattern.length + 1}`);
  const source = pattern.slice(1, -1);
  const repeats = [...source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)];
  const total = repeats.reduce((sum, [, least, most]) => sum + Math.max(Number(least), Number(most ?? 0)), 0);
  if (total > maxRepeats) throw bad(`it repeats more than ${maxRepeats} times`);
  return compile(source, pattern);
}

function compile(source: string, pattern: string): RE2JS {
  let program: RE2JS;
  try {
    program = RE2JS.compile(source, RE2JS.CASE_INSENSITIVE);
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) throw bad(`${error.getDescription()}${place(error, pattern)}`);
    if (error instanceof RE2JSException) throw bad(error.message);
    throw error;
  }
  if (program.programSize() > maxProgramSize) throw bad('it is too complex');
  return program;
}

/** ` at 3: [z-a]`, counted from 1; empty where the engine does not say. */
function place(error: RE2JSSyntaxException, pattern: string): string {
  const piece = error.getPattern()?.replace(flagPrefix, '') ?? '';
  const index = piece === '' ? -1 : pattern.indexOf(piece);
  return index < 0 ? '' : ` at ${index + 1}: ${piece}`;
}

function globSource(glob: string): string {
  let source = '^';
  for (let index = 0; index < glob.length; index += 1) {
    const character = glob[index] as string;
    if (character === '*') source += '.*';
    else if (character === '?') source += '.';
    else if (character === '[') {
      // A ] that comes first is one of the set, as in a shell.
      const first = index + (glob[index + 1] === '!' || glob[index + 1] === '^' ? 2 : 1);
      const end = glob.indexOf(']', first + 1);
      if (end < 0) throw bad(`the ] of [ is missing at ${index + 1}`);
      source += `[${first > index + 1 ? '^' : ''}${glob.slice(first, end).replace(/[\\[\]^&~]/g, '\\$&')}]`;
      index = end;
    } else source += RE2JS.quote(character);
  }
  return `${source}$`;
}

function bad(what: string): ParleyError {
  return new ParleyError('bad_pattern', `The pattern cannot be understood: ${what}.`);
}
