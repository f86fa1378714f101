// What one account's peer has written down: its ledger, and its history on the disk.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Account } from './verdict.ts';

export function ledgerPath(dir: string, name: string): string {
  return join(dir, `${name}.ledger`);
}

export function dataDirOf(dir: string, name: string): string {
  return join(dir, name);
}

/** dir: of the self-test. */
export function readAccount(dir: string, name: string): Account {
  // A line cut off by a kill was not told to anybody.
  const ledger = readFileSync(ledgerPath(dir, name), 'utf8').split('\n').slice(0, -1);
  const history: string[] = [];
  const accepted: string[] = [];
  for (const path of globSync(join(dataDirOf(dir, name), 'centers', '*', 'accounts', '*', 'history.db'))) {
    const db = new DatabaseSync(path, { readOnly: true });
    for (const row of db.prepare('SELECT text FROM history WHERE incoming = 1 ORDER BY row').iterate()) {
      history.push(String(row.text));
    }
    const sent = `SELECT h.text AS text FROM sent s JOIN history h ON h.row = s.row WHERE s.state IN ('accepted', 'stored')`;
    for (const row of db.prepare(sent).iterate()) accepted.push(String(row.text));
    db.close();
  }
  return { name, ledger, history, accepted };
}
