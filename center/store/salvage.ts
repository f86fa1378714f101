// Makes a good database of a damaged one: takes every row that can still be read, and says what is missing.
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { query } from './acts.ts';
import { followChain, type MailboxEnds, type RunRow, runChecksum } from './chain.ts';
import { countContents, type Damage, findDamage } from './damage.ts';
import { findFileDamage, readPageBytes } from './file-damage.ts';
import { countPages, type ImageKind, makeImage } from './image.ts';
import { readImage } from './image-rows.ts';
import { Rescued } from './rescued.ts';
import { rewind } from './rewind.ts';
import { mailboxSum, migrate } from './schema.ts';

export interface Salvage {
  accounts: number;
  /** Waiting messages. */
  messages: number;
  /** What could not be rescued. */
  lost: Damage[];
  /** The center's time, as it was saved last. */
  timeMs: number;
}

/**
 * Writes what can be rescued of a database, which nobody has open, into a new one. Nothing of the old files is changed.
 * @throws Error where there is no room, or where nothing good came of it
 */
export function salvage(file: string, to: string): Salvage {
  const scratch = mkdtempSync(join(dirname(to), 'salvage-'));
  closeSync(openSync(to, 'wx', 0o600));
  const db = new DatabaseSync(to);
  try {
    // Until it is whole it is worth nothing: it need not survive a crash.
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
    migrate(db, to);
    db.exec('BEGIN');
    const rescued = new Rescued(db);
    const image = join(scratch, 'image.db');
    const lost = unnamedLoss(file);
    for (const kind of ['whole', 'sure'] satisfies ImageKind[]) {
      if (!makeImage(file, kind, image)) continue;
      if (kind === 'whole') lost.push(...missingPages(image));
      readImage(image, readPageBytes(file), rescued);
    }
    rescued.finish();
    lost.push(...rescued.doubts, ...joinMailboxes(db));
    rewind(db);
    db.exec('COMMIT');
    const [damage] = findDamage(db);
    if (damage) throw new Error(`What was rescued is damaged itself (${damage.text}). Restore a backup.`);
    const timeMs = query<{ time_ms: number }>(db, 'SELECT time_ms FROM center').get()?.time_ms ?? 0;
    return { ...countContents(db), timeMs, lost };
  } finally {
    db.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function unnamedLoss(file: string): Damage[] {
  const damage = findFileDamage(file);
  if (damage === null || damage.lost === 'nothing') return [];
  const what = damage.lost === 'the newest' ? 'the newest changes are lost' : 'what was in it is lost';
  return [{ account: null, positions: null, text: `${damage.text}: ${what}` }];
}

function missingPages(image: string): Damage[] {
  const { counted, found } = countPages(image);
  if (found >= counted) return [];
  const text = `it is cut short: ${counted - found} of its ${counted} pages are lost, with all that was on them`;
  return [{ account: null, positions: null, text }];
}

/** Makes whole chains of the runs that there are, and gives what is missing in them. */
function joinMailboxes(db: DatabaseSync): Damage[] {
  const lost: Damage[] = [];
  const strays = query<{ account: number; first: number; last: number }>(
    db,
    `SELECT account, min(first) AS first, max(last) AS last FROM runs
     WHERE account NOT IN (SELECT id FROM accounts WHERE state <> 'removed') GROUP BY account`,
  );
  for (const { account, first: from, last: to } of strays.all()) {
    const text = `the account itself is lost, and its mail with it (positions ${from} to ${to} were found)`;
    lost.push({ account, positions: null, text });
    query(db, 'DELETE FROM runs WHERE account = ?').run(account);
  }
  db.exec("DELETE FROM mailboxes WHERE account NOT IN (SELECT id FROM accounts WHERE state <> 'removed')");
  const accounts = query<{ id: number }>(db, "SELECT id FROM accounts WHERE state <> 'removed' ORDER BY id");
  const join = joiner(db);
  for (const { id } of accounts.all()) lost.push(...join(id));
  return lost;
}

function joiner(db: DatabaseSync): (account: number) => Damage[] {
  const endsOf = query<MailboxEnds>(db, 'SELECT acked_to, last FROM mailboxes WHERE account = ?');
  const empty = { account: '?1', ackedTo: '?2', last: '?2', reservedTo: '?2 + 1' };
  const insert = query(db, `INSERT INTO mailboxes VALUES (?1, ?2, ?2, ?2 + 1, ${mailboxSum(empty)})`);
  const end = { last: '?2', reservedTo: 'max(reserved_to, last + 1, ?2 + 1)' };
  const setLast = query(
    db,
    `UPDATE mailboxes SET last = ?2, reserved_to = ${end.reservedTo}, checksum = ${mailboxSum(end)} WHERE account = ?1`,
  );
  const dropStored = query(db, 'DELETE FROM runs WHERE account = ? AND last <= ?');
  const runs = query<RunRow>(db, 'SELECT * FROM runs WHERE account = ? ORDER BY first');
  const ids = query<{ id: number }>(db, 'SELECT id FROM runs WHERE account = ? ORDER BY first');
  const run = query<RunRow>(db, 'SELECT * FROM runs WHERE id = ?');
  const link = query(db, 'UPDATE runs SET previous = ?, checksum = ? WHERE id = ?');

  return (account) => {
    const lost: Damage[] = [];
    let ends = endsOf.get(account);
    if (!ends) {
      // The first run that there is tells what came before it; whether that was stored nobody knows.
      const start = runs.get(account)?.previous ?? 0;
      ends = { acked_to: start, last: start };
      insert.run(account, start);
      lost.push({ account, positions: null, text: 'up to where its mail had been stored is lost' });
    }
    dropStored.run(account, ends.acked_to);
    for (const step of followChain(account, ends, runs.iterate(account), ends.acked_to)) {
      if ('row' in step) continue;
      const { from, to } = step.damage;
      lost.push({ account, positions: { from, to }, text: 'lost' });
    }
    let previous = ends.acked_to;
    for (const { id } of ids.all(account)) {
      const row = run.get(id);
      if (!row) continue;
      link.run(previous, runChecksum(account, { ...row, previous }), id);
      previous = row.last;
    }
    setLast.run(account, previous);
    return lost;
  };
}
