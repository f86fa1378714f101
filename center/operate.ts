// Opens a data directory for an operator's command: through the running center, or directly where none runs.
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { DirectoryInUse, type DirectoryLock, lockDirectory, makeDirectory } from '../shared/directory.ts';
import { type Admin, AdminError } from './acts.ts';
import { type AdminServices, runAdmin } from './admin.ts';
import { storeFile } from './center.ts';
import { Clock } from './clock.ts';
import { connectControl } from './control.ts';
import { openIdentity } from './identity.ts';
import { Lockout } from './lockout.ts';
import { Passwords } from './passwords.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { storeNotices } from './undeliverable.ts';

/** A center that starts or stops holds the directory and does not answer. */
const defaultPatienceMs = 5_000;
const pollMs = 100;
/** bcrypt runs on the thread pool, which has four threads unless told otherwise. */
const maxHashesAtOnce = 4;

export interface OpenOptions {
  dataDir: string;
  /** Make the directory if there is none. */
  create: boolean;
  /** Used where no center runs. */
  bcryptCost?: number;
  userId: number | null;
  patienceMs?: number;
}

export interface OpenAdmin {
  readonly admin: Admin;
  /** running: acts go to the center. stopped: this process has the directory. */
  readonly center: 'running' | 'stopped';
  /** How many passwords it is sensible to have hashed at once. */
  readonly hashesAtOnce: number;
  close(): Promise<void>;
}

/** Why nothing can be done to a center whose file is not to be found. */
export function noCenterIn(dataDir: string, file: string): AdminError {
  try {
    statSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') {
      return new AdminError(`No permission to look into ${dataDir}. Run this as the user who runs the center.`);
    }
  }
  return new AdminError(`There is no center in ${dataDir}. Say where its data is with --data DIR.`);
}

/** Rejects with AdminError, or with what the store says of a database that it cannot open. */
export async function openAdmin(options: OpenOptions): Promise<OpenAdmin> {
  const { dataDir, patienceMs = defaultPatienceMs } = options;
  if (!existsSync(dataDir)) {
    if (!options.create) throw noCenterIn(dataDir, dataDir);
    makeDirectory(dataDir);
  }
  const endMs = performance.now() + patienceMs;
  for (;;) {
    const client = await connectControl(dataDir);
    if (client) {
      // One at a time leaves a place for whoever logs in meanwhile.
      return { admin: client.admin, center: 'running', hashesAtOnce: 1, close: async () => client.close() };
    }
    const lock = tryLock(options, endMs);
    if (lock) return openStopped(options, lock);
    await wait(pollMs);
  }
}

/**
 * Takes the data directory for a command, where no center runs on it.
 * @throws DirectoryInUse; AdminError where files that this user makes there would keep the center itself out
 */
export function lockStopped(dataDir: string, userId: number | null): DirectoryLock {
  const owner = statSync(dataDir).uid;
  if (userId === 0 && owner !== 0) {
    throw new AdminError(
      `${dataDir} belongs to another user (id ${owner}), and no center runs on it. Run this as that user: sudo -u '#${owner}' …`,
    );
  }
  return lockDirectory(dataDir, 'an operator’s command');
}

function tryLock({ dataDir, userId }: OpenOptions, endMs: number): DirectoryLock | null {
  try {
    return lockStopped(dataDir, userId);
  } catch (error) {
    if (!(error instanceof DirectoryInUse)) throw error;
    if (performance.now() < endMs) return null;
    throw new AdminError(
      `${error.message} It does not answer: if it is just starting or stopping, try again in a moment.`,
    );
  }
}

async function openStopped(options: OpenOptions, lock: DirectoryLock): Promise<OpenAdmin> {
  const hashesAtOnce = Math.min(maxHashesAtOnce, availableParallelism());
  try {
    const file = join(options.dataDir, storeFile);
    // Made together, by whoever comes first: a center takes a store without an identity for one that lost it.
    await openIdentity(options.dataDir, { create: !existsSync(file) });
    const store = await openSqliteStore({ file });
    const clock = new Clock(await store.time());
    const passwords = new Passwords({
      atOnce: hashesAtOnce,
      ...(options.bcryptCost === undefined ? {} : { cost: options.bcryptCost }),
    });
    const services: AdminServices = {
      store,
      clock,
      hashPassword: (password) => passwords.hash(password),
      unlock: async (name) => {
        const save = store.setLockouts.bind(store);
        await new Lockout({ clock, saved: await store.lockouts(), save }).unlock(name);
      },
      deliverNotices: storeNotices(store, () => clock.now()),
      live: null,
    };
    return {
      admin: (act) => runAdmin(act, services),
      center: 'stopped',
      hashesAtOnce,
      close: async () => {
        await store.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
