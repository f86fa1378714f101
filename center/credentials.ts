// Reads a credentials file: `name password` a line, # comments and blank lines skipped.
import { checkName, checkPassword, foldName } from '../shared/names.ts';
import { readLines } from './lines.ts';

/** One line that means something: an account to make, or what is wrong with it. Lines are counted from 1. */
export type Credential = { line: number; name: string; password: string } | { line: number; error: string };

/** Longer lines cannot be right: a name, a blank and a password are below 100 bytes. */
export const maxLineBytes = 1024;

/**
 * The lines of a credentials file, as they come, in memory only one at a time. The first word is the name, the rest
 * of the line the password; blanks around both do not count. A name given twice is an error at its second line.
 */
export async function* readCredentials(source: AsyncIterable<Uint8Array>): AsyncGenerator<Credential> {
  const lineOfName = new Map<string, number>();
  for await (const { number: line, bytes } of readLines(source, maxLineBytes)) {
    const credential = readCredential(line, bytes);
    if (credential === null) continue;
    if ('name' in credential) {
      const earlier = lineOfName.get(foldName(credential.name));
      if (earlier !== undefined) {
        yield { line, error: `${credential.name} is on line ${earlier} already.` };
        continue;
      }
      lineOfName.set(foldName(credential.name), line);
    }
    yield credential;
  }
}

function readCredential(line: number, bytes: Uint8Array | null): Credential | null {
  if (bytes === null) return { line, error: `The line is too long: at most ${maxLineBytes} bytes.` };
  let text: string;
  try {
    // A byte order mark at the start of the file is taken away by the decoder.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
  } catch {
    return { line, error: 'The line is not UTF-8.' };
  }
  if (text === '' || text.startsWith('#')) return null;
  const [, name, password] = /^(\S+)\s+(.+)$/u.exec(text) ?? [];
  if (name === undefined || password === undefined) {
    return { line, error: 'A line is a name, a blank and a password.' };
  }
  try {
    checkName(name);
    checkPassword(password);
  } catch (error) {
    return { line, error: (error as Error).message };
  }
  return { line, name, password };
}
