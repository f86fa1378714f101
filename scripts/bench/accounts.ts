// Accounts for the bench, made in a center's store before it starts: they all have one password, hashed once.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { storeFile } from '../../center/center.ts';
import { openIdentity } from '../../center/identity.ts';
import { Passwords } from '../../center/passwords.ts';
import { openSqliteStore } from '../../center/store/sqlite.ts';
import { makeDirectory } from '../../shared/directory.ts';

/** The account with number n has the id firstId + n. */
export const firstId = 2 ** 32;
/** As load/parley_login.c and load/xmpp.c have it. */
export const password = 'bench password';
/** Asked of the store at once. */
const sliceAccounts = 1000;

export function accountName(n: number): string {
  return `u${String(n).padStart(5, '0')}`;
}

/** Makes a data directory with so many accounts, and the identity as PEM files beside it for a bare relay over TLS. */
export async function makeDataDir(
  dataDir: string,
  accounts: { count: number; bcryptCost: number },
): Promise<{ keyFile: string; certFile: string }> {
  makeDirectory(dataDir);
  const identity = await openIdentity(dataDir);
  const store = await openSqliteStore({ file: join(dataDir, storeFile) });
  const passwords = new Passwords({ cost: accounts.bcryptCost });
  const passwordHash = await passwords.hash(password);
  await passwords.close();
  for (let from = 0; from < accounts.count; from += sliceAccounts) {
    const slice = Math.min(sliceAccounts, accounts.count - from);
    await Promise.all(
      Array.from({ length: slice }, (_, i) => {
        const name = accountName(from + i);
        return store.createAccount({ id: firstId + from + i, name, passwordHash, createdAtMs: Date.now() });
      }),
    );
  }
  await store.close();
  const files = { keyFile: `${dataDir}-key.pem`, certFile: `${dataDir}-cert.pem` };
  writeFileSync(files.keyFile, identity.tls.key, { mode: 0o600 });
  writeFileSync(files.certFile, identity.tls.cert);
  return files;
}
