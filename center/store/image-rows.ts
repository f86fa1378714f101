// Reads all rows of a database's image: by SQL from both ends of each table, and then page by page.
import { DatabaseSync } from 'node:sqlite';
import { query } from './acts.ts';
import { scanPages, type Value } from './page-scan.ts';
import { columns, type Rescued, type TableName } from './rescued.ts';
import { migrate } from './schema.ts';

/** Gives what can be read. path: of a file that has no write-ahead log and that nobody has open. */
export function readImage(path: string, pageBytes: number, rescued: Rescued): void {
  bringUp(path);
  readTables(path, rescued);
  try {
    for (const row of scanPages(path, pageBytes)) rescued.takeScanned(row);
  } catch {
    // What was read is read.
  }
}

/** Of an older version, mailboxes and marks have no checksums to be known by. */
function bringUp(path: string): void {
  const db = new DatabaseSync(path);
  try {
    migrate(db, path);
  } catch {
    // Then its other tables can be read all the same.
  } finally {
    db.close();
  }
}

function readTables(path: string, rescued: Rescued): void {
  // A wrong bit can make a number larger than JavaScript's.
  const db = new DatabaseSync(path, { readOnly: true, readBigInts: true });
  try {
    for (const table of Object.keys(columns) as TableName[]) {
      // Where it breaks off, the other end may be whole.
      if (!readTable(db, table, 'ASC', rescued)) readTable(db, table, 'DESC', rescued);
    }
  } finally {
    db.close();
  }
}

/** @returns whether it came to the end */
function readTable(db: DatabaseSync, table: TableName, direction: 'ASC' | 'DESC', rescued: Rescued): boolean {
  try {
    const sql = `SELECT ${columns[table].join(', ')} FROM ${table} ORDER BY ${keyOf(table)} ${direction}`;
    for (const row of query<Record<string, unknown>>(db, sql).iterate()) {
      const values = columns[table].map((name) => ownValue(row[name]));
      if (!values.includes(undefined)) rescued.take(table, values as Value[]);
    }
    return true;
  } catch {
    return false;
  }
}

/** The order of the table itself: no index is asked, which may be damaged too. */
function keyOf(table: TableName): string {
  const keys: Partial<Record<TableName, string>> = {
    marks: 'sender',
    blocks: 'account',
    invites: 'code',
    lockouts: 'key',
    address_requests: 'target',
  };
  return keys[table] ?? 'rowid';
}

/** undefined: it is none of ours. */
function ownValue(value: unknown): Value | undefined {
  if (typeof value !== 'bigint') return value as Value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
