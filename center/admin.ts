// What an operator can do to accounts and invites: one implementation, for a center that runs and one that does not.
import { setTimeout as wait } from 'node:timers/promises';
import { type ErrorCode, ParleyError } from '../shared/errors.ts';
import { checkName, checkPassword } from '../shared/names.ts';
import { safeLine } from '../shared/text.ts';
import {
  type AccountRow,
  type ActName,
  type AdminAct,
  AdminError,
  type AdminResults,
  type CenterInfo,
} from './acts.ts';
import type { Clock } from './clock.ts';
import { createAccount } from './new-account.ts';
import { tellTime } from './quantities.ts';
import { newInvite } from './registration.ts';
import { countWaiting, removeAccount } from './removal.ts';
import { type AccountRecord, type Store, StoreError } from './store/store.ts';
import type { DeliverNotices } from './undeliverable.ts';

/** What only a running center has. */
export interface LiveCenter {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  online(account: number): boolean;
  /** Closes a live session of the account with this error. */
  endSessions(account: number, code: ErrorCode, text: string): void;
  /** The account's record was changed in the store: what is remembered of it is out of date. */
  accountChanged(account: number): void;
  /** Takes a mailbox out of memory: it takes no more mail, and all it holds is in the store when this resolves. */
  closeMailbox(account: number): Promise<void>;
}

export interface AdminServices {
  store: Store;
  hashPassword(password: string): Promise<string>;
  clock: Clock;
  /** Ends the locks of this account and forgets the wrong passwords given for it. */
  unlock(name: string): Promise<void>;
  deliverNotices: DeliverNotices;
  live: LiveCenter | null;
}

export const maxListed = 500;
export const maxReasonLength = 200;
export const maxInviteUses = 1_000_000;
/** Further away than any date that a person means, and still a date. */
const farthestMs = 100 * 365 * 86_400_000;
/** Hashing is queued behind logins; an operator's is tried again for so long when that queue is full. */
const hashPatienceMs = 60_000;
const hashRetryMs = 250;
/** Enough of a hash to tell invites apart. */
const inviteIdLength = 8;

/** Does one act. Rejects with AdminError where the operator can do something about it. */
export async function runAdmin<Name extends ActName>(
  act: Extract<AdminAct, { act: Name }>,
  services: AdminServices,
): Promise<AdminResults[Name]> {
  try {
    return (await runAct(act, services)) as AdminResults[Name];
  } catch (error) {
    // The rules for names and passwords speak in errors of the wire; their texts fit here as well.
    if (error instanceof ParleyError) throw new AdminError(error.message);
    if (error instanceof StoreError) throw new AdminError(`The store cannot do that now: ${error.message}`);
    throw error;
  }
}

async function runAct(act: AdminAct, services: AdminServices): Promise<AdminResults[ActName]> {
  switch (act.act) {
    case 'info':
      return info(services);
    case 'add':
      return add(act.name, act.password, services);
    case 'find':
      return find(act.name, services);
    case 'list':
      return list(act, services);
    case 'unlock':
      return unlock(act.name, services);
    case 'passwd':
      return setPassword(act.name, act.password, services);
    case 'ban':
      return ban(act.name, act.forMs, act.reason, services);
    case 'unban':
      return unban(act.name, services);
    case 'remove':
      return removeAccount(await accountOf(act.name, services), act.discard, services);
    case 'release':
      return release(act.name, services);
    case 'invite':
      return invite(act.uses, act.forMs, services);
    case 'invites':
      return listInvites(services);
  }
}

async function info({ live }: AdminServices): Promise<CenterInfo> {
  return live && { host: live.host, port: live.port, pid: live.pid };
}

async function add(name: string, password: string, services: AdminServices): Promise<AdminResults['add']> {
  checkName(name);
  checkPassword(password);
  const existing = await services.store.accountNamed(name);
  if (existing?.state === 'removed') throw nameReserved(name);
  if (existing) return { added: false };
  const passwordHash = await hashPatiently(password, services);
  try {
    await createAccount(services, { name, passwordHash });
  } catch (error) {
    if (error instanceof ParleyError && error.code === 'name_taken') return { added: false };
    throw error;
  }
  return { added: true };
}

async function find(name: string, services: AdminServices): Promise<AccountRow | null> {
  const account = await services.store.accountNamed(name);
  return account && (await describe(account, services));
}

async function list(
  page: { after: string; limit: number; all: boolean },
  services: AdminServices,
): Promise<AdminResults['list']> {
  const limit = Math.min(page.limit, maxListed);
  const records = await services.store.accounts({ after: page.after, limit, all: page.all });
  const accounts = await Promise.all(records.map((account) => describe(account, services)));
  return { accounts, next: records.length < limit ? null : (records.at(-1)?.name ?? null) };
}

async function describe(account: AccountRecord, services: AdminServices): Promise<AccountRow> {
  const until = account.bannedUntilMs;
  const banned = until !== null && until > services.clock.now();
  return {
    name: account.name,
    id: account.id,
    createdAtMs: account.createdAtMs,
    online: services.live ? services.live.online(account.id) : null,
    waiting: await countWaiting(account, services.store),
    banned: banned ? { untilMs: Number.isFinite(until) ? until : null, reason: account.banReason } : null,
    state: account.state,
  };
}

async function unlock(name: string, services: AdminServices): Promise<AdminResults['unlock']> {
  await services.unlock((await accountOf(name, services)).name);
  return {};
}

async function setPassword(name: string, password: string, services: AdminServices): Promise<AdminResults['passwd']> {
  checkPassword(password);
  const account = await accountOf(name, services);
  const hash = await hashPatiently(password, services);
  if ((await services.store.setPassword(account.id, hash)) === 'gone') throw unknownAccount(name);
  services.live?.accountChanged(account.id);
  services.live?.endSessions(account.id, 'password_changed', 'The operator has set a new password. Log in again.');
  return {};
}

async function ban(
  name: string,
  forMs: number | null,
  reason: string,
  services: AdminServices,
): Promise<AdminResults['ban']> {
  const account = await accountOf(name, services);
  if (forMs !== null && !(forMs > 0 && forMs <= farthestMs)) throw new AdminError('A ban lasts from 1s to 36500d.');
  const shown = safeLine(reason).trim();
  if (shown.length > maxReasonLength) {
    throw new AdminError(`The reason is too long: at most ${maxReasonLength} characters.`);
  }
  const untilMs = forMs === null ? null : services.clock.now() + forMs;
  if ((await services.store.setBan(account.id, untilMs ?? Number.POSITIVE_INFINITY, shown)) === 'gone') {
    throw unknownAccount(name);
  }
  const text = [`The account is banned${forMs === null ? '' : ` for ${tellTime(forMs)}`}.`, shown].join(' ').trim();
  services.live?.accountChanged(account.id);
  services.live?.endSessions(account.id, 'banned', text);
  return { untilMs };
}

async function unban(name: string, services: AdminServices): Promise<AdminResults['unban']> {
  const account = await accountOf(name, services);
  if ((await services.store.setBan(account.id, null, '')) === 'gone') throw unknownAccount(name);
  services.live?.accountChanged(account.id);
  return { wasBanned: account.bannedUntilMs !== null && account.bannedUntilMs > services.clock.now() };
}

async function release(name: string, services: AdminServices): Promise<AdminResults['release']> {
  const account = await services.store.accountNamed(name);
  if (account && account.state !== 'removed') {
    throw new AdminError(`${account.name} is a living account: remove it first with \`center user remove ${name}\`.`);
  }
  return { released: (await services.store.releaseName(name)) === 'released' };
}

async function invite(uses: number, forMs: number, services: AdminServices): Promise<AdminResults['invite']> {
  if (!(Number.isSafeInteger(uses) && uses >= 1 && uses <= maxInviteUses)) {
    throw new AdminError(`An invite is good for 1 to ${maxInviteUses} accounts.`);
  }
  if (!(forMs > 0 && forMs <= farthestMs)) throw new AdminError('An invite lasts from 1s to 36500d.');
  const { code, record } = newInvite({ nowMs: services.clock.now(), lifetimeMs: forMs, uses });
  await services.store.createInvite(record);
  return { code, expiresAtMs: record.expiresAtMs, usesLeft: record.usesLeft };
}

async function listInvites({ store, clock }: AdminServices): Promise<AdminResults['invites']> {
  const invites = await store.invites();
  return invites
    .filter((one) => one.usesLeft > 0 && one.expiresAtMs > clock.now())
    .map(({ code, ...row }) => ({ id: code.slice(0, inviteIdLength), ...row }));
}

async function accountOf(name: string, services: AdminServices): Promise<AccountRecord> {
  const account = await services.store.accountNamed(name);
  if (!account || account.state === 'removed') throw unknownAccount(name);
  return account;
}

/** A full hashing queue means that people are logging in: they go first. */
async function hashPatiently(password: string, services: AdminServices): Promise<string> {
  const endMs = performance.now() + hashPatienceMs;
  for (;;) {
    try {
      return await services.hashPassword(password);
    } catch (error) {
      if (!(error instanceof ParleyError && error.code === 'busy') || performance.now() > endMs) throw error;
      await wait(Math.max(error.retryAfterMs, hashRetryMs));
    }
  }
}

function unknownAccount(name: string): AdminError {
  return new AdminError(`No account has the name ${safeLine(name)}. \`center user list\` shows all.`);
}

function nameReserved(name: string): AdminError {
  return new AdminError(
    `${name} was removed and its name is reserved. Give it back first with \`center user release ${name}\`.`,
  );
}
