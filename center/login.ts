// The ways into an account – register, log in, resume, change the password – as sequences of the services' steps.
import { ParleyError } from '../shared/errors.ts';
import { checkName, checkPassword } from '../shared/names.ts';
import { countedAddress } from './address.ts';
import type { Lockout } from './lockout.ts';
import { type AccountMaking, createAccount, nameTaken } from './new-account.ts';
import type { Passwords } from './passwords.ts';
import type { Registration } from './registration.ts';
import { hasDisplaced, type Login, loginOf, nameSession, nextLogin } from './session-names.ts';
import type { AccountRecord, SessionRecord } from './store/store.ts';
import type { Tokens } from './tokens.ts';

const tokenLifetimeMs = 30 * 24 * 3_600_000;
/** A resume with less than that left gets the next token. Half of the whole, as a DHCP lease is renewed (RFC 2131, 4.4.5). */
const renewalMs = tokenLifetimeMs / 2;
/** Logins of one account that may overtake one until it gives up. */
const maxClaims = 8;
export const displacedText = 'Logged on different location!';

export interface LoginServices extends AccountMaking {
  passwords: Passwords;
  lockout: Lockout;
  tokens: Tokens;
  registration: Registration;
}

/** Where a request comes from. */
export interface From {
  /** An IP address, as the socket tells it. */
  address: string;
  loopback: boolean;
  /** Somebody is logged in from this address (IPv6: this /64). */
  hasLiveSession: boolean;
  /** Whether an answer can still reach whoever asks; without it, it can. */
  isConnected?: () => boolean;
}

export interface LoggedIn {
  /** As read when the session had begun. */
  account: AccountRecord;
  generation: number;
  token: string;
  tokenExpiresAtMs: number;
  /** That the token names: current after a login; after a resume it may be the next one. */
  jti: string;
}

/** Somebody who may come in, if the account's record, read last of all, still says so. */
export interface Admission {
  account: number;
  /** Of the session that has begun with it; a resume begins none. */
  generation?: number;
  /** From the answer on nothing may wait, not even a promise, until whatever ends a session finds this one. */
  record(): Promise<AccountRecord | null>;
  /** Throws where the session has ended meanwhile. */
  enter(record: AccountRecord | null): LoggedIn;
}

// In all of these, `key` is the fingerprint of a key that the peer has proved to hold.

/**
 * Makes an account and logs it in. Throws bad_name, bad_password, registration_closed, invite_needed, rate_limited,
 * name_taken, busy.
 */
export async function register(
  services: LoginServices,
  request: { name: string; password: string; invite: string; key: string },
  from: From,
): Promise<LoggedIn> {
  const { store, passwords, registration } = services;
  const { name, password, key } = request;
  checkName(name);
  checkPassword(password);
  const isInvited = registration.modeFor(from) === 'invite' && request.invite !== '';
  const invite = registration.admit(from, request.invite, isInvited ? await store.invites() : []);
  const account = await registration.count(countedAddress(from.address), async () => {
    if ((await store.accountNamed(name)) !== null) throw nameTaken(name);
    const passwordHash = await passwords.hash(password);
    return createAccount(services, { name, passwordHash, ...(invite === undefined ? {} : { invite }) });
  });
  return begin(services, account, key, from);
}

/**
 * Logs in; earlier sessions of the account end. Throws bad_name, bad_credentials, locked, suspended, banned, busy, and
 * password_changed where that happened meanwhile.
 */
export async function login(
  services: LoginServices,
  request: { name: string; password: string; key: string },
  from: From,
): Promise<LoggedIn> {
  const { name, password, key } = request;
  checkName(name);
  const found = await services.store.accountNamed(name);
  const account = found === null || found.state === 'removed' ? null : found;
  await judge(services, { name, password, key, account }, from);
  // Nobody has the password of a missing account: judge has thrown.
  if (account === null) throw gone();
  return begin(services, account, key, from);
}

/**
 * Continues the session that a token names. A token that has spent half of its life is followed by the next one; the old
 * one stays good until that is used. Throws bad_token; entering throws displaced where a login elsewhere took the
 * session's place and is live, banned, or bad_token.
 */
export function resume(
  services: LoginServices,
  request: { token: string; key: string; isTicketed?: boolean },
  from: Pick<From, 'address'>,
): Admission {
  const { store, tokens, clock } = services;
  const token = tokens.verify(request.token, request.key, request.isTicketed);
  const { account, jti } = token;
  const isToRenew = token.expiresAtMs - clock.now() < renewalMs;
  const next = isToRenew ? newSession(services, request.key, loginOf(jti)) : null;
  return {
    account,
    record: () => store.resumeSession(account, jti, next, countedAddress(from.address)),
    enter(record) {
      if (record?.session?.jti !== jti) throw whyEnded(record, jti, clock.now());
      if (next) return loggedIn(services, record, record.generation, next);
      const { generation } = record;
      return { account: record, generation, token: request.token, tokenExpiresAtMs: token.expiresAtMs, jti };
    },
  };
}

/** Why a token that is good in itself does not let in. */
function whyEnded(account: AccountRecord | null, jti: string, now: number): ParleyError {
  if (account && isBanned(account, now)) return banned(account, now);
  // A token that is good still does not outlive that of the session that displaced its own.
  if (account?.session && hasDisplaced(account.session.jti, jti)) {
    return new ParleyError('displaced', displacedText);
  }
  return new ParleyError('bad_token', 'The session has ended. Please log in again.');
}

/**
 * Changes the password: every session ends, and a new one begins. The old password counts for lockout. Throws
 * bad_password (the new one), bad_credentials, locked, suspended, banned, busy, account_deleted; password_changed or
 * displaced where that happened meanwhile, and timeout where the connection is gone: then nothing was changed.
 */
export async function changePassword(
  services: LoginServices,
  id: number,
  request: { oldPassword: string; newPassword: string; key: string },
  from: From,
): Promise<LoggedIn> {
  const { store, passwords, clock } = services;
  const { oldPassword, newPassword, key } = request;
  checkPassword(newPassword);
  const account = await store.account(id);
  if (account === null || account.state === 'removed') throw gone();
  await judge(services, { name: account.name, password: oldPassword, key, account }, from);
  const passwordHash = await passwords.hash(newPassword);
  refuseBanned(account, clock.now());
  // Whoever resumed this session meanwhile has not asked for it, and nobody would hear of the next one.
  if (from.isConnected?.() === false) throw new ParleyError('timeout', 'The connection is gone.');
  // Of sessions before this one nobody shall be told that they were displaced.
  const session = newSession(services, key, nextLogin(account.generation, null));
  const changed = await store.changePassword(account, passwordHash, session);
  if (changed === 'gone') throw gone();
  if (changed === 'conflict') {
    await confirm(services, account);
    throw new ParleyError('displaced', displacedText);
  }
  return loggedIn(services, changed, changed.generation, session);
}

/** Whether the password is this account's, counted for lockout; returns if it is. For what asks for it again. */
export async function checkOwnPassword(
  services: LoginServices,
  id: number,
  request: { password: string; key: string },
  from: From,
): Promise<void> {
  const account = await services.store.account(id);
  if (account === null || account.state === 'removed') throw gone();
  await judge(services, { ...request, name: account.name, account }, from);
}

async function judge(
  { store, passwords, lockout }: LoginServices,
  attempt: { name: string; password: string; key: string; account: AccountRecord | null },
  from: From,
): Promise<void> {
  const { name, password, key, account } = attempt;
  const address = countedAddress(from.address);
  // A missing account is looked up as well (no id is 0), so that it takes the same steps.
  const isFamiliar = () => store.isFamiliar(account?.id ?? 0, key, address);
  await lockout.judge({ name, address, hasLiveSession: from.hasLiveSession, isFamiliar }, () =>
    passwords.verify(password, account?.passwordHash ?? null, from.isConnected),
  );
}

/**
 * Lets in whom register or login has logged in. Entering throws displaced or logged_out: another login, a ban or a new
 * password may have come meanwhile, and found no session to end.
 */
export function admit({ store }: Pick<LoginServices, 'store'>, loggedIn: LoggedIn): Admission {
  const { account, jti, generation } = loggedIn;
  return {
    account: account.id,
    generation,
    record: () => store.account(account.id),
    enter(record) {
      if (record?.session?.jti === jti) return loggedIn;
      if (record && record.generation > generation) throw new ParleyError('displaced', displacedText);
      throw new ParleyError('logged_out', 'The session has ended. Please log in again.');
    },
  };
}

/** Claims a new session for an account whose password was right. */
async function begin(services: LoginServices, verified: AccountRecord, key: string, from: From): Promise<LoggedIn> {
  const { store, clock } = services;
  let account = verified;
  for (let tries = 0; tries < maxClaims; tries += 1) {
    refuseBanned(account, clock.now());
    const session = newSession(services, key, nextLogin(account.generation, account.session?.jti ?? null));
    const claimed = await store.claimSession(account, session, countedAddress(from.address));
    if (claimed === 'gone') throw gone();
    if (claimed !== 'conflict') return loggedIn(services, claimed, claimed.generation, session);
    account = await confirm(services, verified);
  }
  throw new ParleyError('busy', 'The account is logging in elsewhere. Please try again.', { retryAfterMs: 1000 });
}

/** The account as it is now, if it may still be logged into with the password that was checked. */
async function confirm({ store, clock }: LoginServices, verified: AccountRecord): Promise<AccountRecord> {
  const account = await store.account(verified.id);
  if (account === null || account.state === 'removed') throw gone();
  refuseBanned(account, clock.now());
  if (account.passwordHash !== verified.passwordHash) {
    throw new ParleyError('password_changed', 'The password was changed. Please log in again.');
  }
  return account;
}

function newSession({ clock }: LoginServices, key: string, login: Login | null): SessionRecord {
  return { jti: nameSession(login), nextJti: null, key, expiresAtMs: clock.now() + tokenLifetimeMs };
}

function loggedIn(
  { tokens }: LoginServices,
  account: AccountRecord,
  generation: number,
  { jti, key, expiresAtMs }: SessionRecord,
): LoggedIn {
  const token = tokens.issue({ account: account.id, jti, key, expiresAtMs });
  return { account, generation, token, tokenExpiresAtMs: expiresAtMs, jti };
}

function refuseBanned(account: AccountRecord, now: number): void {
  if (isBanned(account, now)) throw banned(account, now);
}

function isBanned({ bannedUntilMs }: AccountRecord, now: number): boolean {
  return bannedUntilMs !== null && bannedUntilMs > now;
}

function banned({ name, bannedUntilMs, banReason }: AccountRecord, now: number): ParleyError {
  const untilMs = bannedUntilMs ?? now;
  const isForEver = untilMs === Number.POSITIVE_INFINITY;
  const until = isForEver ? '' : ` until ${utcMinute(untilMs)}`;
  const why = banReason === '' ? '.' : `: ${banReason}`;
  return new ParleyError('banned', `${name} is banned${until}${why}`, isForEver ? {} : { retryAfterMs: untilMs - now });
}

/** `2026-11-21 09:14 UTC`, rounded up. */
function utcMinute(timeMs: number): string {
  const rounded = new Date(Math.ceil(timeMs / 60_000) * 60_000);
  if (Number.isNaN(rounded.getTime())) return 'further notice';
  return `${rounded.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function gone(): ParleyError {
  return new ParleyError('account_deleted', 'The account was deleted.');
}
