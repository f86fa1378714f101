// The command `center check`: what of a center's data is damaged, and with --salvage a good database of what is not.
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DirectoryInUse, type DirectoryLock } from '../shared/directory.ts';
import { safeLine } from '../shared/text.ts';
import { AdminError } from './acts.ts';
import { storeFile } from './center.ts';
import { IdentityError, openIdentity } from './identity.ts';
import type { ProgramIo } from './io.ts';
import { lockStopped, noCenterIn } from './operate.ts';
import { countOf } from './quantities.ts';
import { BackupError, readBackup } from './store/backup.ts';
import { countContents, findDamage, tellDamage } from './store/damage.ts';
import { findFileDamage } from './store/file-damage.ts';
import { replaceDatabase } from './store/place.ts';
import { salvage } from './store/salvage.ts';
import { tailPath } from './store/tail.ts';

/** Nothing is damaged; it could not be looked at (said by an error); something is damaged or was lost. */
export const checkExit = { good: 0, damaged: 3 } as const;

/** As many lines of damage are printed. */
const maxLines = 200;

/** Looks at a backup. Resolves with the exit code. */
export async function checkBackup(source: string, io: ProgramIo): Promise<number> {
  try {
    const { accounts, messages } = readBackup(resolve(source));
    io.stdout.write(
      `${safeLine(source)} is a whole backup: ${countOf(accounts, 'account')}, ${countOf(messages, 'waiting message')}.\n`,
    );
    return checkExit.good;
  } catch (error) {
    if (!(error instanceof BackupError) || !existsSync(source)) throw error;
    io.stdout.write(`${error.message}\n`);
    return checkExit.damaged;
  }
}

/** Looks at a data directory on which no center runs. Resolves with the exit code. */
export async function checkCenter(options: { dataDir: string; salvage: boolean }, io: ProgramIo): Promise<number> {
  const { dataDir } = options;
  const file = join(dataDir, storeFile);
  if (!existsSync(file) && !existsSync(tailPath(file))) throw noCenterIn(dataDir, file);
  const lock = lockForCheck(dataDir, io);
  try {
    const identityDamage = await findIdentityDamage(dataDir);
    const storeDamage = findStoreDamage(file);
    const damage = [...identityDamage, ...storeDamage];
    if (damage.length === 0) {
      io.stdout.write(`${dataDir} is whole: ${tellContents(file)}.\n`);
      return checkExit.good;
    }
    io.stdout.write(`${dataDir} is damaged:\n${listed(damage)}`);
    if (storeDamage.length === 0) return checkExit.damaged;
    if (!options.salvage) {
      io.stdout.write(
        'With --salvage all that can be rescued is, and these files are kept. Or restore a backup: `center restore FILE`.\n',
      );
      return checkExit.damaged;
    }
    const isWhole = salvageStore(dataDir, file, io);
    return isWhole && identityDamage.length === 0 ? checkExit.good : checkExit.damaged;
  } finally {
    lock.release();
  }
}

function lockForCheck(dataDir: string, io: ProgramIo): DirectoryLock {
  try {
    return lockStopped(dataDir, io.userId);
  } catch (error) {
    if (!(error instanceof DirectoryInUse)) throw error;
    throw new AdminError(
      `${error.message} To check without stopping it, take a backup (which looks at everything), or check one: center check FILE.`,
    );
  }
}

async function findIdentityDamage(dataDir: string): Promise<string[]> {
  try {
    await openIdentity(dataDir, { create: false });
    return [];
  } catch (error) {
    if (error instanceof IdentityError) return [error.message];
    throw error;
  }
}

function findStoreDamage(file: string): string[] {
  const inFiles = findFileDamage(file);
  const found = inFiles === null ? [] : [inFiles.text];
  // An empty file is nothing to SQLite, and it would clear the log away.
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) return found;
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    for (const damage of findDamage(db)) {
      found.push(tellDamage(damage, (account) => nameOf(db, account)));
      if (found.length > maxLines) break;
    }
    return found;
  } finally {
    db.close();
  }
}

function nameOf(db: DatabaseSync, account: number): string | null {
  try {
    const name = db.prepare('SELECT name FROM accounts WHERE id = ?').get(account)?.name;
    return typeof name === 'string' ? safeLine(name) : null;
  } catch {
    return null;
  }
}

function listed(lines: string[]): string {
  const shown = lines.slice(0, maxLines).map((line) => `  ${line}\n`);
  if (lines.length > maxLines) shown.push('  and more\n');
  return shown.join('');
}

/** @returns whether nothing was lost */
function salvageStore(dataDir: string, file: string, io: ProgramIo): boolean {
  const stamp = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15);
  const aside = join(dataDir, `damaged-${stamp}`);
  const scratch = join(dataDir, `salvaging-${stamp}`);
  mkdirSync(scratch, { mode: 0o700 });
  try {
    const fresh = join(scratch, storeFile);
    const { accounts, messages, lost } = salvage(file, fresh);
    const db = new DatabaseSync(fresh, { readOnly: true });
    const lines = lost.map((damage) => tellDamage(damage, (account) => nameOf(db, account)));
    db.close();
    replaceDatabase({ file, fresh, aside });
    io.stdout.write(
      `Rescued: ${countOf(accounts, 'account')}, ${countOf(messages, 'waiting message')}.\n` +
        (lines.length === 0 ? 'Nothing is known to be lost.\n' : `Lost:\n${listed(lines)}`) +
        'All sessions have ended: everybody logs in again.\n' +
        `The damaged files are kept in ${aside}.\n`,
    );
    return lost.length === 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function tellContents(file: string): string {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const { accounts, messages } = countContents(db);
    return `${countOf(accounts, 'account')}, ${countOf(messages, 'waiting message')}`;
  } finally {
    db.close();
  }
}
