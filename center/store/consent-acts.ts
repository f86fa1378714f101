// Who has asked for whose address, and who lets whom reach it directly, until when.
import type { DatabaseSync } from 'node:sqlite';
import { type Acts, query } from './acts.ts';
import type { ConsentRecord } from './store.ts';

interface ConsentRow {
  giver: number;
  asker: number;
  until_ms: number;
  once: number;
}

export function consentActs(
  db: DatabaseSync,
): Pick<Acts, 'askAddress' | 'denyAddress' | 'allowAddress' | 'consents' | 'consentsAndRequests' | 'endConsents'> {
  const request = query<{ asked_at_ms: number; silent_until_ms: number }>(
    db,
    'SELECT asked_at_ms, silent_until_ms FROM address_requests WHERE target = ? AND asker = ?',
  );
  const putRequest = query(
    db,
    `INSERT INTO address_requests (target, asker, asked_at_ms, silent_until_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (target, asker) DO UPDATE SET asked_at_ms = excluded.asked_at_ms, silent_until_ms = excluded.silent_until_ms`,
  );
  const dropRequest = query(db, 'DELETE FROM address_requests WHERE target = ? AND asker = ?');
  const anyRequest = query<{ 1: number }>(db, 'SELECT 1 FROM address_requests WHERE target = ? LIMIT 1');
  const openRequests = query<{ asker: number }>(
    db,
    'SELECT asker FROM address_requests WHERE target = ? AND asked_at_ms > ? AND silent_until_ms = 0 ORDER BY asked_at_ms LIMIT ?',
  );
  const putConsent = query(
    db,
    `INSERT INTO consents (giver, asker, until_ms, once) VALUES (?, ?, ?, ?)
     ON CONFLICT (giver, asker) DO UPDATE SET until_ms = excluded.until_ms, once = excluded.once`,
  );
  const consentsOf = query<ConsentRow>(
    db,
    `SELECT giver, asker, until_ms, once FROM consents WHERE giver = ?1
     UNION ALL SELECT giver, asker, until_ms, once FROM consents WHERE asker = ?1`,
  );
  const dropPair = query(db, 'DELETE FROM consents WHERE (giver = ?1 AND asker = ?2) OR (giver = ?2 AND asker = ?1)');
  const dropOnce = query<{ giver: number; asker: number }>(
    db,
    'DELETE FROM consents WHERE once = 1 AND (giver = ?1 OR asker = ?1) RETURNING giver, asker',
  );
  const dropEnded = query(db, 'DELETE FROM consents WHERE until_ms <= ? AND (giver = ? OR asker = ?)');

  function consents(account: number, nowMs: number): ConsentRecord[] {
    const rows = consentsOf.all(account);
    const live = rows.filter(({ until_ms }) => until_ms > nowMs);
    if (live.length < rows.length) dropEnded.run(nowMs, account, account);
    return live.map(({ giver, asker, until_ms, once }) => ({ giver, asker, untilMs: until_ms, once: once === 1 }));
  }

  function requests(target: number, askedAfterMs: number, limit: number): number[] {
    // Most have none, and looking costs a fraction of sorting nothing.
    if (!anyRequest.get(target)) return [];
    return openRequests.all(target, askedAfterMs, limit).map(({ asker }) => asker);
  }

  return {
    askAddress(target, asker, nowMs, openForMs) {
      const before = request.get(target, asker);
      if (before && before.silent_until_ms > nowMs) return 'silent';
      if (before && before.silent_until_ms === 0 && before.asked_at_ms > nowMs - openForMs) return 'open';
      putRequest.run(target, asker, nowMs, 0);
      return 'asked';
    },

    denyAddress(target, asker, nowMs, silentUntilMs) {
      putRequest.run(target, asker, nowMs, silentUntilMs);
    },

    allowAddress(giver, asker, untilMs, once) {
      dropRequest.run(giver, asker);
      putConsent.run(giver, asker, untilMs, Number(once));
    },

    consents,

    consentsAndRequests(account, nowMs, asked) {
      return { consents: consents(account, nowMs), requests: requests(account, asked.afterMs, asked.limit) };
    },

    endConsents(account, other) {
      if (other !== null) return Number(dropPair.run(account, other).changes) > 0 ? [other] : [];
      const ended = dropOnce.all(account).map(({ giver, asker }) => (giver === account ? asker : giver));
      return [...new Set(ended)];
    },
  };
}
