// Where an operator's command gets a password from: a file, the terminal, or stdin; never the command line.
import { createReadStream } from 'node:fs';
import { checkPassword, maxPasswordBytes } from '../shared/names.ts';
import { safeLine } from '../shared/text.ts';
import { AdminError } from './acts.ts';
import type { ProgramIo } from './io.ts';
import { readLines } from './lines.ts';
import { askHidden } from './prompt.ts';

const maxLineBytes = 1024;

/** Where a new password comes from: a file (`-`: stdin), or the terminal, or stdin where that is none. */
export interface PasswordSource {
  passwordFile?: string;
}

/** A password that fits the rules. Rejects with AdminError or bad_password. */
export async function newPassword(name: string, from: PasswordSource, io: ProgramIo): Promise<string> {
  const password = await givenPassword(from, io);
  if (password !== null) {
    checkPassword(password);
    return password;
  }
  const terminal = { input: io.stdin, output: io.stderr };
  const first = await askHidden(terminal, `New password for ${name}: `);
  if (first === null) throw new AdminError('Nothing was changed.');
  checkPassword(first);
  const second = await askHidden(terminal, 'The same again: ');
  if (second !== first) throw new AdminError('The two passwords differ. Nothing was changed.');
  return first;
}

/** null: it is to be asked for. */
async function givenPassword({ passwordFile }: PasswordSource, io: ProgramIo): Promise<string | null> {
  if (passwordFile === undefined && io.stdin.isTTY) return null;
  const fromStdin = passwordFile === undefined || passwordFile === '-';
  const source = fromStdin ? io.stdin : createReadStream(passwordFile);
  try {
    for await (const { bytes } of readLines(source, maxLineBytes)) {
      if (bytes === null) throw new AdminError(`The password is too long: at most ${maxPasswordBytes} bytes of UTF-8.`);
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r$/, '');
    }
  } catch (error) {
    if (error instanceof TypeError) throw new AdminError('The password is not UTF-8.');
    throw fileError(error, fromStdin ? 'stdin' : safeLine(passwordFile));
  }
  throw new AdminError(
    fromStdin ? 'A password is needed: one line on stdin, or --password-file FILE.' : `${passwordFile} is empty.`,
  );
}

/** Says what is wrong with a file that cannot be read; any other error stays what it is. */
export function fileError(error: unknown, file: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || (syscall !== 'open' && syscall !== 'read')) return error;
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
  };
  return new AdminError(`Cannot read ${file}: ${reasons[code] ?? code}.`);
}
