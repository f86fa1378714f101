// The commands `center backup` and `center restore`: the whole center in one file, and a center from such a file.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DirectoryInUse, type DirectoryLock, makeDirectory } from '../shared/directory.ts';
import { safeLine } from '../shared/text.ts';
import { AdminError } from './acts.ts';
import { storeFile } from './center.ts';
import { connectControl } from './control.ts';
import { identityFile, parseIdentity } from './identity.ts';
import type { ProgramIo } from './io.ts';
import { lockStopped, noCenterIn } from './operate.ts';
import { countOf, tellDate, tellTime } from './quantities.ts';
import { type BackupFacts, readBackup, unpackBackup, writeBackup } from './store/backup.ts';
import { findFileDamage } from './store/file-damage.ts';
import { replaceDatabase } from './store/place.ts';

const minuteMs = 60_000;

/** Resolves with the exit code; rejects with an error whose text is for the operator. */
export async function backupCenter(
  target: string,
  options: { dataDir: string; replace: boolean },
  io: ProgramIo,
): Promise<number> {
  const { dataDir, replace } = options;
  const to = resolve(target);
  const file = join(dataDir, storeFile);
  if (!existsSync(file)) throw noCenterIn(dataDir, file);
  if (existsSync(to) && !replace) {
    throw new AdminError(`${safeLine(to)} exists already. Choose another name, or give --replace.`);
  }
  const identityPath = join(dataDir, identityFile);
  const identity = readFileSync(identityPath, 'utf8');
  parseIdentity(identityPath, identity);
  const lock = await lockUnlessRunning(dataDir, io);
  let facts: BackupFacts;
  try {
    // A running center has the log in hand; where none runs, SQLite would pass over what is wrong with it.
    const damage = lock && findFileDamage(file);
    if (damage) throw new AdminError(`${file} is damaged: ${damage.text}. \`center check\` tells more.`);
    facts = writeBackup({ file, to, identity, nowMs: Date.now() });
  } catch (error) {
    throw unwritable(to, error);
  } finally {
    lock?.release();
  }
  io.stdout.write(
    `${safeLine(to)} holds ${tellFacts(facts)}, as of ${tellDate(facts.takenAtMs)}, and the center's keys: keep it safe.\n`,
  );
  return 0;
}

/** null: a center has the directory. */
async function lockUnlessRunning(dataDir: string, io: ProgramIo): Promise<DirectoryLock | null> {
  const client = await connectControl(dataDir);
  if (client) {
    client.close();
    return null;
  }
  try {
    return lockStopped(dataDir, io.userId);
  } catch (error) {
    // It is just starting or stopping, which is no reason to wait.
    if (error instanceof DirectoryInUse) return null;
    throw error;
  }
}

/**
 * Makes a data directory of a backup. What was there before is kept, in a directory of its own beside it.
 * Resolves with the exit code; rejects with an error whose text is for the operator.
 */
export async function restoreCenter(source: string, options: { dataDir: string }, io: ProgramIo): Promise<number> {
  const { dataDir } = options;
  const facts = readBackup(resolve(source));
  parseIdentity(`the identity in ${safeLine(source)}`, facts.identity);
  makeDirectory(dataDir);
  const lock = lockStopped(dataDir, io.userId);
  const stamp = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15);
  const aside = join(dataDir, `before-restore-${stamp}`);
  const scratch = join(dataDir, `restoring-${stamp}`);
  try {
    const lastMs = lastTimeOf(join(dataDir, storeFile));
    mkdirSync(scratch, { mode: 0o700 });
    const fresh = join(scratch, storeFile);
    writeFileSync(fresh, '', { mode: 0o600 });
    copyFileSync(source, fresh);
    unpackBackup(fresh, lastMs ?? 0);
    const freshIdentity = join(scratch, identityFile);
    writeFileSync(freshIdentity, facts.identity, { mode: 0o600 });
    const hadOne = replaceDatabase({
      file: join(dataDir, storeFile),
      fresh,
      aside,
      more: [{ file: join(dataDir, identityFile), fresh: freshIdentity }],
    });
    io.stdout.write(tellRestored({ facts, dataDir, lastMs, aside: hadOne ? aside : null }));
    return 0;
  } catch (error) {
    throw unwritable(dataDir, error);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    lock.release();
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such directory',
  ENOTDIR: 'there is a file where a directory should be',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left',
};
const sqliteFull = 13;

/** The same error, or one that names the place where it cannot be written. */
function unwritable(path: string, error: unknown): unknown {
  const { code, errcode } = error as { code?: string; errcode?: number };
  const why = errcode === sqliteFull ? reasons.ENOSPC : reasons[code ?? ''];
  return why === undefined ? error : new AdminError(`Cannot write ${safeLine(path)}: ${why}.`);
}

function tellRestored(done: {
  facts: BackupFacts;
  dataDir: string;
  lastMs: number | null;
  aside: string | null;
}): string {
  const { facts, dataDir, lastMs, aside } = done;
  const from = tellDate(facts.takenAtMs);
  const spanMs = (lastMs ?? 0) - facts.takenAtMs;
  const span = spanMs > 0 ? ` until ${tellDate(lastMs ?? 0)} (${tellTime(roundUp(spanMs))})` : '';
  const lines = [
    `Restored ${tellFacts(facts)} into ${dataDir}, as of ${from}.`,
    `What the center accepted from then on${span} is missing, and so are changes to accounts since then.`,
    'All sessions have ended: everybody logs in again with the password they had then.',
  ];
  if (aside !== null) lines.push(`What was there before is kept in ${aside}.`);
  return `${lines.join('\n')}\n`;
}

function roundUp(timeMs: number): number {
  return timeMs < minuteMs ? timeMs : Math.ceil(timeMs / minuteMs) * minuteMs;
}

function tellFacts({ accounts, messages }: BackupFacts): string {
  return `${countOf(accounts, 'account')} and ${countOf(messages, 'waiting message')}`;
}

/** The time of the center that is about to be replaced, as it saved it last; null where that cannot be read. */
function lastTimeOf(file: string): number | null {
  if (!existsSync(file)) return null;
  try {
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      return Number(db.prepare('SELECT time_ms FROM center').get()?.time_ms) || null;
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}
