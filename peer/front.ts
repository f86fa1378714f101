// What every front end of a peer does alike: signing in, what to wait for, how it ends.
import { type ErrorCode, ParleyError } from '../shared/errors.ts';
import { checkName, checkPassword } from '../shared/names.ts';
import type { PeerApi } from './api.ts';
import type { Command, Question } from './command.ts';
import { CommandError } from './fields.ts';

/** How the program ends; --help tells them. */
export const exitCodes = {
  done: 0,
  undelivered: 1,
  signIn: 2,
  unreachable: 3,
  displaced: 4,
  crashed: 70,
} as const;

/** What to wait for before leaving. */
export type WaitFor = 'accepted' | 'stored' | 'none';

/** What the command line says about signing in. */
export interface SignInOptions {
  user: string | null;
  password: string | null;
  register: boolean;
  invite: string | null;
  /** Use the token of an earlier session instead of a password. */
  resume: boolean;
}

export type SignIn =
  | { how: 'login'; name: string; password: string }
  | { how: 'register'; name: string; password: string; invite: string | null }
  | { how: 'resume'; name: string };

/** What somebody who types help at the first prompt reads. */
export const entryHelp = {
  login: 'Type your name; or register, to make an account; or quit.',
  register: 'Choose a name and a password. Enter alone goes back to logging in.',
};

type Ask = (question: Question) => Promise<string | null>;

/**
 * Asks for what the options leave open. Resolves with null where the input ended or somebody typed quit; rejects with
 * ParleyError (bad_name, bad_password) or CommandError where what was given cannot be right: nothing was sent then.
 */
export async function askSignIn(options: SignInOptions, ask: Ask): Promise<SignIn | null> {
  let register = options.register;
  let name = options.user;
  while (name === null) {
    const typed = await ask({ prompt: 'Username: ', secret: false });
    if (typed === null) return null;
    const word = typed.trim();
    if (word === 'quit' || word === '/quit') return null;
    if (word === 'register' || word === '/register') register = true;
    else name = word;
  }
  checkName(name);
  if (options.resume) return { how: 'resume', name };
  const password = options.password ?? (await ask({ prompt: 'Password: ', secret: true }));
  if (password === null) return null;
  if (!register) return { how: 'login', name, password };
  checkPassword(password);
  if (options.password === null) {
    const again = await ask({ prompt: 'Password again: ', secret: true });
    if (again === null) return null;
    if (again !== password) throw new CommandError('The two passwords differ; nothing was registered.');
  }
  return { how: 'register', name, password, invite: options.invite };
}

/** Connects and signs in. Rejects with what the center or the connection refused. */
export function signIn(peer: PeerApi, how: SignIn): Promise<void> {
  switch (how.how) {
    case 'login':
      return peer.login(how.name, how.password);
    case 'register':
      return how.invite === null
        ? peer.register(how.name, how.password)
        : peer.register(how.name, how.password, how.invite);
    case 'resume':
      return peer.resume(how.name);
  }
}

/**
 * What to say of a message that could not be written to the outbox, which ends the session too; null where the command
 * failed for another reason.
 */
export function unkept(command: Command, error: unknown): ParleyError | null {
  if (command.command !== 'message' && command.command !== 'private') return null;
  if (!(error instanceof ParleyError) || (error.code !== 'store_full' && error.code !== 'bad_data')) return null;
  return new ParleyError(error.code, `Your message to ${command.to} was not kept and will not be sent.`);
}

const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'bad_name',
  'bad_password',
  'name_taken',
  'registration_closed',
  'invite_needed',
  'bad_credentials',
  'locked',
  'suspended',
  'banned',
  'bad_token',
  'account_deleted',
  'logged_out',
  'password_changed',
  'displaced',
  'bad_address',
  'bad_data',
]);

/** True where the center said no, or what was given cannot be used; false where the center could not be asked. */
export function isRefusal(error: unknown): boolean {
  return error instanceof CommandError || (error instanceof ParleyError && refusals.has(error.code));
}
