// Requests about other people: who they are, who is online, whom one has blocked.
import { ParleyError } from '../../shared/errors.ts';
import { foldName } from '../../shared/names.ts';
import type { parley } from '../../shared/protocol.js';
import { compilePattern } from '../patterns.ts';
import type { Session } from '../session.ts';
import type { AccountRecord } from '../store/store.ts';
import { memberOf } from './account.ts';
import type { Answer } from './table.ts';

/** Entries of one page: its frame stays well below the frame limit. */
const pageEntries = 500;
/** Names read from the store, and matched, before others get their turn. */
const sliceNames = 500;
/** Accounts that one may block. */
const maxBlocks = 10_000;

type Entry = { account: number; name: string; online: boolean };

/** Not shown where either has blocked the other. */
function seesOnline(session: Session, account: number): boolean {
  const self = memberOf(session);
  if (account === self.account) return true;
  const person = session.services.presence.person(account);
  return person !== undefined && !self.blocks.has(account) && !person.blocks.has(self.account);
}

export async function openAccount(session: Session, name: string): Promise<AccountRecord> {
  const account = await session.services.store.accountNamed(name);
  if (account?.state !== 'open')
    throw new ParleyError('unknown_account', `There is no account named ${printable(name)}.`);
  return account;
}

/** A name that may be anything, for an error text. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 40)).slice(1, -1);
}

export async function lookup(session: Session, { name }: parley.Lookup.$Properties): Promise<Answer> {
  const account = await openAccount(session, name ?? '');
  memberOf(session);
  return {
    reply: { accountEntry: { account: account.id, name: account.name, online: seesOnline(session, account.id) } },
  };
}

/** Everybody online but oneself, in the order of names. */
export function online(session: Session, { after }: parley.Online.$Properties): Answer {
  const { account: self } = memberOf(session);
  const start = foldName(after ?? '');
  const names: { folded: string; entry: Entry }[] = [];
  for (const { account, name } of session.services.presence.people()) {
    const folded = foldName(name);
    if (account === self || folded <= start || !seesOnline(session, account)) continue;
    names.push({ folded, entry: { account, name, online: true } });
  }
  names.sort((a, b) => (a.folded < b.folded ? -1 : 1));
  const accounts = names.slice(0, pageEntries).map(({ entry }) => entry);
  return {
    reply: { accountPage: { accounts, next: names.length > pageEntries ? (accounts.at(-1)?.name ?? '') : '' } },
  };
}

export async function users(session: Session, { pattern, after }: parley.Users.$Properties): Promise<Answer> {
  const { store, limits } = session.services;
  const matches = compilePattern(pattern ?? '');
  const accounts: Entry[] = [];
  let next = foldName(after ?? '');
  for (let looked = 0; looked < limits.maxPatternNames && accounts.length < pageEntries; looked += sliceNames) {
    const slice = await store.accounts({ after: next, limit: sliceNames });
    memberOf(session);
    for (const { id, name } of slice) {
      next = foldName(name);
      if (!matches(name)) continue;
      accounts.push({ account: id, name, online: seesOnline(session, id) });
      if (accounts.length === pageEntries) break;
    }
    if (slice.length < sliceNames && accounts.length < pageEntries)
      return { reply: { accountPage: { accounts, next: '' } } };
  }
  return { reply: { accountPage: { accounts, next } } };
}

export async function block(session: Session, { name, on }: parley.Block.$Properties): Promise<Answer> {
  const { account: self, mailbox } = memberOf(session);
  const { store } = session.services;
  const account = await store.accountNamed(name ?? '');
  memberOf(session);
  if (!account || (on && account.state === 'removed')) {
    throw new ParleyError('unknown_account', `There is no account named ${printable(name ?? '')}.`);
  }
  if (account.id === self) throw new ParleyError('bad_name', 'You cannot block yourself.');
  if (on && mailbox.blocks.size >= maxBlocks)
    throw new ParleyError('rate_limited', `At most ${maxBlocks} can be blocked.`);
  const isOn = on ?? false;
  const before = mailbox.blocks.has(account.id);
  // In force for whatever reaches the center from now on; the reply says that it is also kept.
  mailbox.blocks.set(account.id, isOn);
  try {
    await store.setBlock(self, account.id, isOn);
    // Once more: a request before this one may have failed meanwhile, and been undone.
    mailbox.blocks.set(account.id, isOn);
  } catch (error) {
    // What was in force before may be what another request asked for, and was not kept either.
    const kept = await store.blocks(self).catch(() => null);
    mailbox.blocks.set(account.id, kept ? kept.includes(account.id) : before);
    throw error;
  }
  if (on) await session.services.links.end(self, account.id, 'blocked');
  memberOf(session);
  return {
    reply: { accountEntry: { account: account.id, name: account.name, online: seesOnline(session, account.id) } },
  };
}

export async function blocked(session: Session, { after }: parley.Blocked.$Properties): Promise<Answer> {
  const { account: self } = memberOf(session);
  const { store } = session.services;
  const start = foldName(after ?? '');
  const accounts: Entry[] = [];
  for (const id of await store.blocks(self)) {
    const account = await store.account(id);
    if (account && foldName(account.name) > start) accounts.push({ account: id, name: account.name, online: false });
  }
  accounts.sort((a, b) => (foldName(a.name) < foldName(b.name) ? -1 : 1));
  const page = accounts.slice(0, pageEntries);
  return {
    reply: { accountPage: { accounts: page, next: accounts.length > pageEntries ? (page.at(-1)?.name ?? '') : '' } },
  };
}
