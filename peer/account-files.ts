// Where a peer keeps what: <data>/centers/<center id>/ with names.json, and accounts/<account id>/ with key, token and
// history.db.
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { makeDirectory } from '../shared/directory.ts';
import { ParleyError } from '../shared/errors.ts';
import { foldName } from '../shared/names.ts';
import { readFileIfAny, removeFile, writeFileWhole } from './files.ts';
import { readKey, writeKey } from './key-file.ts';

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
    writeFileWhole(join(this.path, 'token'), `${token}\n`);
  }

  removeToken(): void {
    removeFile(join(this.path, 'token'));
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

  saveName(name: string, account: number): void {
    const names = this.#names();
    if (names.get(foldName(name)) === account) return;
    makePeerDirectory(this.path);
    this.#save(names.set(foldName(name), account));
  }

  removeName(name: string, account: number): void {
    const names = this.#names();
    if (names.get(foldName(name)) !== account) return;
    names.delete(foldName(name));
    this.#save(names);
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

  #save(names: Map<string, number>): void {
    writeFileWhole(this.#namesPath, `${JSON.stringify(Object.fromEntries(names), null, 2)}\n`);
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
