// Whom an account has blocked, written to, heard from, and where its owner has logged in from.
import type { DatabaseSync } from 'node:sqlite';
import { type Acts, query } from './acts.ts';

/** How many pairs of key and address are remembered for each account. */
export const maxFamiliar = 64;

export function peopleActs(
  db: DatabaseSync,
): Pick<Acts, 'setBlock' | 'blocks' | 'addFamiliar' | 'isFamiliar' | 'contacts'> {
  const block = query(
    db,
    "INSERT OR IGNORE INTO blocks SELECT id, ? FROM accounts WHERE id = ? AND state <> 'removed'",
  );
  const unblock = query(db, 'DELETE FROM blocks WHERE blocked = ? AND account = ?');
  const blocks = query<{ blocked: number }>(db, 'SELECT blocked FROM blocks WHERE account = ?');
  const newest = query<{ key: string; address: string }>(
    db,
    'SELECT key, address FROM familiar WHERE account = ? ORDER BY id DESC LIMIT 1',
  );
  const forgetOne = query(db, 'DELETE FROM familiar WHERE account = ? AND key = ? AND address = ?');
  const addOne = query(
    db,
    `INSERT INTO familiar (account, key, address)
     SELECT id, ?, ? FROM accounts WHERE id = ? AND state <> 'removed'`,
  );
  const forgetOldest = query(
    db,
    `DELETE FROM familiar WHERE account = ?1 AND id <=
       (SELECT id FROM familiar WHERE account = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${maxFamiliar})`,
  );
  const familiar = query<{ 1: number }>(
    db,
    'SELECT 1 FROM familiar WHERE account = ? AND (key = ? OR address = ?) LIMIT 1',
  );
  const contacts = query<{ id: number }>(
    db,
    `SELECT c.id FROM
       (SELECT recipient AS id FROM marks WHERE sender = ?1 UNION SELECT sender FROM marks WHERE recipient = ?1) c
     JOIN accounts a ON a.id = c.id AND a.state <> 'removed'
     LIMIT ?2`,
  );

  return {
    setBlock(id, blocked, on) {
      (on ? block : unblock).run(blocked, id);
    },

    blocks(id) {
      return blocks.all(id).map((row) => row.blocked);
    },

    addFamiliar(id, key, address) {
      const last = newest.get(id);
      // Most come from where they came from last.
      if (last?.key === key && last.address === address) return;
      forgetOne.run(id, key, address);
      addOne.run(key, address, id);
      forgetOldest.run(id);
    },

    isFamiliar(id, key, address) {
      return familiar.get(id, key, address) !== undefined;
    },

    contacts(id, limit) {
      return contacts.all(id, limit).map((row) => row.id);
    },
  };
}
