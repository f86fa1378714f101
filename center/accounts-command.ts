// The commands `center user …` and `center invite …`: does the act and prints the outcome.
import { once } from 'node:events';
import { checkName } from '../shared/names.ts';
import { safeLine } from '../shared/text.ts';
import { type AccountRow, type Admin, AdminError, type InviteRow } from './acts.ts';
import type { ProgramIo } from './io.ts';
import { newPassword, type PasswordSource } from './new-password.ts';
import type { OpenAdmin } from './operate.ts';
import { countOf, tellDate, tellTime } from './quantities.ts';

const pageLength = 200;

export async function addUser(name: string, from: PasswordSource, open: OpenAdmin, io: ProgramIo): Promise<number> {
  checkName(name);
  const existing = await open.admin({ act: 'find', name });
  if (existing) throw nameTaken(existing);
  const password = await newPassword(name, from, io);
  const { added } = await open.admin({ act: 'add', name, password });
  if (!added) throw new AdminError(`${name} exists already.`);
  io.stdout.write(`${name} is added.\n`);
  return 0;
}

export async function listUsers(
  options: { json?: boolean; all?: boolean },
  { admin, center }: OpenAdmin,
  io: ProgramIo,
): Promise<number> {
  let after: string | null = '';
  let count = 0;
  while (after !== null) {
    const page: { accounts: AccountRow[]; next: string | null } = await admin({
      act: 'list',
      after,
      limit: pageLength,
      all: options.all ?? false,
    });
    const heading = count === 0 && page.accounts.length > 0 && !options.json ? [userHeading] : [];
    const rows = page.accounts.map((account) => (options.json ? JSON.stringify(account) : userLine(account)));
    await print([...heading, ...rows], io);
    count += page.accounts.length;
    after = page.next;
  }
  if (!options.json) {
    const note = center === 'stopped' ? ' The center does not run.' : '';
    io.stderr.write(count === 0 ? `No accounts yet.${note}\n` : `${countOf(count, 'account')}.${note}\n`);
  }
  return 0;
}

export async function unlockUser(name: string, admin: Admin, io: ProgramIo): Promise<number> {
  await admin({ act: 'unlock', name });
  io.stdout.write(`Nothing locks ${name} any more.\n`);
  return 0;
}

export async function setUserPassword(
  name: string,
  from: PasswordSource,
  open: OpenAdmin,
  io: ProgramIo,
): Promise<number> {
  const account = await open.admin({ act: 'find', name });
  if (!account || account.state === 'removed') throw new AdminError(`No account has the name ${safeLine(name)}.`);
  const password = await newPassword(account.name, from, io);
  await open.admin({ act: 'passwd', name, password });
  io.stdout.write(`${account.name} has a new password; its sessions and tokens have ended.\n`);
  return 0;
}

export async function banUser(
  name: string,
  options: { forMs: number | null; reason: string },
  admin: Admin,
  io: ProgramIo,
): Promise<number> {
  const { untilMs } = await admin({ act: 'ban', name, ...options });
  const until =
    untilMs === null || options.forMs === null ? '' : ` for ${tellTime(options.forMs)}, until ${tellDate(untilMs)}`;
  io.stdout.write(`${name} is banned${until}; its sessions and tokens have ended.\n`);
  return 0;
}

export async function unbanUser(name: string, admin: Admin, io: ProgramIo): Promise<number> {
  const { wasBanned } = await admin({ act: 'unban', name });
  io.stdout.write(wasBanned ? `${name} is not banned any more.\n` : `${name} was not banned.\n`);
  return 0;
}

export async function removeUser(
  name: string,
  options: { discard: boolean },
  admin: Admin,
  io: ProgramIo,
): Promise<number> {
  const { discarded } = await admin({ act: 'remove', name, discard: options.discard });
  const mail = discarded === 0 ? '' : ` ${countOf(discarded, 'message')} thrown away, and the senders told.`;
  io.stdout.write(
    `${name} is removed.${mail} The name stays reserved; \`center user release ${name}\` gives it back.\n`,
  );
  return 0;
}

export async function releaseName(name: string, admin: Admin, io: ProgramIo): Promise<number> {
  const { released } = await admin({ act: 'release', name });
  if (!released) throw new AdminError(`No removed account had the name ${safeLine(name)}.`);
  io.stdout.write(`${name} can be registered again.\n`);
  return 0;
}

export async function makeInvite(
  options: { uses: number; forMs: number },
  admin: Admin,
  io: ProgramIo,
): Promise<number> {
  const { code, expiresAtMs, usesLeft } = await admin({ act: 'invite', ...options });
  const info = await admin({ act: 'info' });
  const host = info && !isWildcard(info.host) ? info.host : 'HOST';
  io.stdout.write(`${code}\n`);
  io.stderr.write(
    `This code is good for ${countOf(usesLeft, 'account')} until ${tellDate(expiresAtMs)}, and is shown only here. To register with it:\n` +
      `    peer ${host} ${info?.port ?? 'PORT'} --register --invite ${code}\n`,
  );
  return 0;
}

export async function listInvites(options: { json?: boolean }, admin: Admin, io: ProgramIo): Promise<number> {
  const invites: InviteRow[] = await admin({ act: 'invites' });
  if (!options.json && invites.length > 0) io.stdout.write(`${inviteHeading}\n`);
  for (const one of invites) io.stdout.write(`${options.json ? JSON.stringify(one) : inviteLine(one)}\n`);
  if (!options.json)
    io.stderr.write(`${invites.length === 0 ? 'No invite' : countOf(invites.length, 'invite')} open.\n`);
  return 0;
}

/** Waits where the reader is slow, so that a long list is not held in memory. */
async function print(lines: string[], { stdout }: ProgramIo): Promise<void> {
  if (lines.length > 0 && !stdout.write(`${lines.join('\n')}\n`)) await once(stdout, 'drain');
}

// --- what is printed ------------------------------------------------------------------------------

const userHeading = `${'NAME'.padEnd(25)}  ${'ID'.padStart(15)}  ${'CREATED'.padEnd(20)}  ONLINE  WAITING  STATE`;

function userLine(account: AccountRow): string {
  const online = account.online === null ? '-' : account.online ? 'yes' : 'no';
  return [
    account.name.padEnd(25),
    String(account.id).padStart(15),
    tellDate(account.createdAtMs).padEnd(20),
    online.padEnd(6),
    String(account.waiting).padStart(7),
    stateOf(account),
  ]
    .join('  ')
    .trimEnd();
}

function stateOf({ banned, state }: AccountRow): string {
  if (state === 'removed') return 'removed, name reserved';
  const parts = state === 'closing' ? ['closing'] : [];
  if (banned) {
    const until = banned.untilMs === null ? 'banned' : `banned until ${tellDate(banned.untilMs)}`;
    parts.push(banned.reason === '' ? until : `${until}: ${safeLine(banned.reason)}`);
  }
  return parts.join(', ');
}

const inviteHeading = 'ID        MADE                  GOOD UNTIL            USES LEFT';

function inviteLine(one: InviteRow): string {
  return `${one.id}  ${tellDate(one.createdAtMs)}  ${tellDate(one.expiresAtMs)}  ${String(one.usesLeft).padStart(9)}`;
}

function nameTaken(account: AccountRow): AdminError {
  const how = account.state === 'removed' ? 'was removed, and its name is reserved' : 'exists already';
  const what = account.state === 'removed' ? 'release' : 'passwd';
  const why = account.state === 'removed' ? 'gives the name back' : 'sets its password';
  return new AdminError(`${account.name} ${how}. \`center user ${what} ${account.name}\` ${why}.`);
}

/** The address of no host in particular: peers cannot use it. */
function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
