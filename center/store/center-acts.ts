// What the center keeps for itself: invites, locks of logins, and its time.
import type { DatabaseSync } from 'node:sqlite';
import { type Acts, query } from './acts.ts';

export function centerActs(
  db: DatabaseSync,
): Pick<Acts, 'createInvite' | 'invites' | 'setLockouts' | 'lockouts' | 'saveTime' | 'time'> {
  const dropExpired = query(db, 'DELETE FROM invites WHERE expires_at_ms <= ?');
  const insertInvite = query(
    db,
    `INSERT INTO invites (code, created_at_ms, expires_at_ms, uses_left) VALUES (?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  );
  const invites = query<{ code: string; created_at_ms: number; expires_at_ms: number; uses_left: number }>(
    db,
    'SELECT * FROM invites ORDER BY created_at_ms, code',
  );
  const dropLockouts = query(db, 'DELETE FROM lockouts');
  const insertLockout = query(db, 'INSERT OR REPLACE INTO lockouts (key, until_ms) VALUES (?, ?)');
  const lockouts = query<{ key: string; until_ms: number }>(db, 'SELECT key, until_ms FROM lockouts');
  const saveTime = query(db, 'UPDATE center SET time_ms = max(time_ms, ?)');
  const time = query<{ time_ms: number }>(db, 'SELECT time_ms FROM center');

  return {
    createInvite({ code, createdAtMs, expiresAtMs, usesLeft }) {
      dropExpired.run(createdAtMs);
      insertInvite.run(code, createdAtMs, expiresAtMs, usesLeft);
    },

    invites() {
      return invites.all().map((row) => ({
        code: row.code,
        createdAtMs: row.created_at_ms,
        expiresAtMs: row.expires_at_ms,
        usesLeft: row.uses_left,
      }));
    },

    setLockouts(all) {
      dropLockouts.run();
      for (const { key, untilMs } of all) insertLockout.run(key, untilMs);
    },

    lockouts() {
      return lockouts.all().map((row) => ({ key: row.key, untilMs: row.until_ms }));
    },

    saveTime(timeMs) {
      saveTime.run(timeMs);
    },

    time() {
      return time.get()?.time_ms ?? 0;
    },
  };
}
