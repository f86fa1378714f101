// Where a peer keeps what: <data>/centers/<center id>/ with names.json, and accounts/<account id>/ with key, token,
// orders and history.db.
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { makeDirectory, waitForLock } from '../shared/directory.ts';
import { asParleyError, ParleyError } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import { readFileIfAny, removeFile, writeFileWhole } from './files.ts';
import { readKey, writeKey } from './key-file.ts';

/** Names are changed in an instant; who waits longer waits for somebody who is stuck. */
const namesTimeoutMs = 5_000;

/** makeDirectory, with a code. */
export function makePeerDirectory(path: string): void {
  try {
    makeDirectory(path);
  } catch (error) {
    throw new ParleyError('bad_data', error instanceof Error ? error.message : String(error));
  }
}

/** The files of one account in one data directory. */
export class AccountFiles {
  readonly path: string;

  constructor(centerPath: string, account: number) {
    this.path = join(centerPath, 'accounts', String(account));
  }

  make(): void {
    makePeerDirectory(this.path);
  }

  get historyPath(): string {
    return join(this.path, 'history.db');
  }

  key(): KeyObject | null {
    return readKey(join(this.path, 'key'));
  }

  saveKey(key: KeyObject): void {
    writeKey(join(this.path, 'key'), key);
  }

  /** The token of the last session, null if there is none. */
  token(): string | null {
    return readFileIfAny(join(this.path, 'token'))?.trim() || null;
  }

  saveToken(token: string): void {
    // A center gives the same at most resumes, and a whole town of peers may come back to it at once.
    if (this.token() === token) return;
    writeFileWhole(join(this.path, 'token'), `${token}\n`);
  }

  removeToken(): void {
    removeFile(join(this.path, 'token'));
  }

  /** What the center has yet to hear, null if there never was anything. */
  orders(): string | null {
    return readFileIfAny(join(this.path, 'orders'));
  }

  saveOrders(text: string): void {
    writeFileWhole(join(this.path, 'orders'), text);
  }
}

/** What is filed under one center's id. */
export class CenterFiles {
  readonly path: string;

  constructor(dataDir: string, centerId: Uint8Array) {
    this.path = join(dataDir, 'centers', Buffer.from(centerId).toString('hex'));
  }

  account(id: number): AccountFiles {
    return new AccountFiles(this.path, id);
  }

  /** The account that logged in here under this name, null if none did. */
  accountNamed(name: string): number | null {
    return this.#names().get(foldName(name)) ?? null;
  }

  /** Throws busy where others keep the names from being changed. */
  async saveName(name: string, account: number): Promise<void> {
    if (this.accountNamed(name) === account) return;
    await this.#change((names) => names.set(foldName(name), account));
  }

  async removeName(name: string, account: number): Promise<void> {
    if (this.accountNamed(name) !== account) return;
    await this.#change((names) => names.delete(foldName(name)));
  }

  /** Peers of several accounts share the file. */
  async #change(act: (names: Map<string, number>) => void): Promise<void> {
    makePeerDirectory(this.path);
    const lock = await waitForLock(this.path, namesTimeoutMs, 'peer').catch((error: unknown) => {
      throw new ParleyError('busy', asParleyError(error).message);
    });
    try {
      const names = this.#names();
      act(names);
      writeFileWhole(this.#namesPath, `${JSON.stringify(Object.fromEntries(names), null, 2)}\n`);
    } finally {
      lock.release();
    }
  }

  get #namesPath(): string {
    return join(this.path, 'names.json');
  }

  #names(): Map<string, number> {
    const text = readFileIfAny(this.#namesPath);
    if (text === null) return new Map();
    const names = readNames(text);
    if (names === null) throw new ParleyError('bad_data', `${this.#namesPath} is damaged. Remove it and log in again.`);
    return names;
  }
}

function readNames(text: string): Map<string, number> | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const names = new Map<string, number>();
    for (const [name, account] of Object.entries(value)) {
      if (!Number.isSafeInteger(account) || (account as number) <= 0) return null;
      names.set(name, account as number);
    }
    return names;
  } catch {
    return null;
  }
}
