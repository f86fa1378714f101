// Which names and passwords an account can have.
import { ParleyError } from './errors.ts';

export const maxNameLength = 25;
export const minPasswordBytes = 6;
/** bcrypt reads no more than 72 bytes: longer passwords are refused, never cut. */
export const maxPasswordBytes = 72;

/** The commands of a peer: never names of accounts, so that a line means one thing. */
export const commandNames = [
  'message', 'broadcast', 'online', 'users', 'block', 'unblock', 'blocked',
  'getaddress', 'allow', 'deny', 'revoke', 'consents', 'private', 'links', 'why', 'verify', 'trust', 'untrust',
  'inbox', 'hold', 'outbox', 'cancel', 'history', 'search', 'chat', 'compose',
  'register', 'passwd', 'delete-account', 'logout', 'quit', 'help',
] as const; // biome-ignore format: a table

const reserved: ReadonlySet<string> = new Set(commandNames);
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Names are unique without regard to case: this is what is compared. */
export function foldName(name: string): string {
  return name.toLowerCase();
}

/** Throws bad_name with the rule that is broken. */
export function checkName(name: string): void {
  if (name.length === 0) throw new ParleyError('bad_name', 'A name is needed.');
  if (name.length > maxNameLength) {
    throw new ParleyError('bad_name', `The name is too long: at most ${maxNameLength} characters.`);
  }
  if (!nameShape.test(name)) {
    throw new ParleyError('bad_name', 'A name is made of a-z A-Z 0-9 . _ - and begins with a letter or digit.');
  }
  if (reserved.has(foldName(name))) {
    throw new ParleyError('bad_name', `${name} is a command and cannot be a name.`);
  }
}

/** Throws bad_password with the rule that is broken. */
export function checkPassword(password: string): void {
  const bytes = Buffer.byteLength(password);
  if (bytes < minPasswordBytes) {
    throw new ParleyError('bad_password', `The password is too short: at least ${minPasswordBytes} bytes.`);
  }
  if (bytes > maxPasswordBytes) {
    throw new ParleyError('bad_password', `The password is too long: at most ${maxPasswordBytes} bytes of UTF-8.`);
  }
  // Half a surrogate pair becomes U+FFFD on the wire: another password than was typed.
  if (!password.isWellFormed()) throw new ParleyError('bad_password', 'The password is not valid text.');
  if (password.includes('\0')) throw new ParleyError('bad_password', 'The password must not contain NUL.');
}
