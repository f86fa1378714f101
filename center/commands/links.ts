// Requests about private links: asking, allowing, and the ways to reach each other.
import { ParleyError } from '../../shared/errors.ts';
import { foldName } from '../../shared/names.ts';
import type { parley } from '../../shared/protocol.js';
import { AccountSet } from '../account-set.ts';
import type { Member } from '../member.ts';
import type { Session } from '../session.ts';
import type { AccountRecord } from '../store/store.ts';
import { memberOf } from './account.ts';
import { openAccount } from './people.ts';
import type { Answer } from './table.ts';

const pageEntries = 500;
const done: Answer = { reply: { done: {} } };

/** The login of a connection that takes part in links. */
function attached(session: Session): Member {
  const member = memberOf(session);
  if (!member.outbox) throw new ParleyError('wrong_state', 'Attach comes before anything about links.');
  return member;
}

async function otherAccount(session: Session, name: string): Promise<AccountRecord> {
  const account = await openAccount(session, name);
  if (account.id === memberOf(session).account) throw new ParleyError('bad_name', 'That is you.');
  return account;
}

export async function getAddress(session: Session, { name }: parley.GetAddress.$Properties): Promise<Answer> {
  const { links, store } = session.services;
  const asker = attached(session);
  const target = await otherAccount(session, name ?? '');
  const blocks = session.services.mail.mailbox(target.id)?.blocks ?? new AccountSet(await store.blocks(target.id));
  if (asker.blocks.has(target.id) || blocks.has(asker.account)) {
    throw new ParleyError('blocked', `You and ${target.name} are in a block.`);
  }
  await links.ask(asker, target.id);
  return done;
}

export async function allow(session: Session, { name, forMs, once }: parley.Allow.$Properties): Promise<Answer> {
  const giver = attached(session);
  const asker = await otherAccount(session, name ?? '');
  if (giver.blocks.has(asker.id))
    throw new ParleyError('blocked', `You have blocked ${asker.name}: unblock ${asker.name} first.`);
  const blocks = await session.services.store.blocks(asker.id);
  if (blocks.includes(giver.account)) throw new ParleyError('blocked', `You and ${asker.name} are in a block.`);
  await session.services.links.allow(giver.account, asker.id, forMs ?? 0, once ?? false);
  return done;
}

export async function deny(session: Session, { name }: parley.Deny.$Properties): Promise<Answer> {
  const target = attached(session);
  const asker = await otherAccount(session, name ?? '');
  await session.services.links.deny(target.account, asker.id);
  return done;
}

export async function revoke(session: Session, { name }: parley.Revoke.$Properties): Promise<Answer> {
  const { account } = attached(session);
  const other = await otherAccount(session, name ?? '');
  if (!(await session.services.links.end(account, other.id, 'revoked'))) {
    throw new ParleyError('no_consent', `There is no consent between you and ${other.name}.`);
  }
  return done;
}

export async function consents(session: Session, { after }: parley.Consents.$Properties): Promise<Answer> {
  const { account: self } = memberOf(session);
  const { store, clock } = session.services;
  const start = after ?? '';
  const entries: { order: string; entry: parley.ConsentEntry.$Properties }[] = [];
  for (const { giver, asker, untilMs, once } of await store.consents(self, clock.now())) {
    const given = giver === self;
    const account = await store.account(given ? asker : giver);
    if (!account) continue;
    const order = `${foldName(account.name)} ${given ? 1 : 0}`;
    if (order <= start) continue;
    entries.push({ order, entry: { account: account.id, name: account.name, given, untilMs, once } });
  }
  entries.sort((a, b) => (a.order < b.order ? -1 : 1));
  const page = entries.slice(0, pageEntries);
  const next = entries.length > pageEntries ? (page.at(-1)?.order ?? '') : '';
  return { reply: { consentPage: { consents: page.map(({ entry }) => entry), next } } };
}

export async function introduce(session: Session, { account }: parley.Introduce.$Properties): Promise<Answer> {
  await session.services.links.introduce(attached(session), account ?? 0);
  return done;
}

export async function punch(session: Session, { account }: parley.Punch.$Properties): Promise<Answer> {
  await session.services.links.punch(attached(session), account ?? 0);
  return done;
}

export async function tunnelOpen(session: Session, { account }: parley.TunnelOpen.$Properties): Promise<Answer> {
  const opened = await session.services.links.openTunnel(attached(session), account ?? 0);
  return { reply: { tunnelOpened: { ...opened, account: account ?? 0 } } };
}
