// Accounts in SQLite: from their making to the last of their name, and the one session each may have.
import type { DatabaseSync } from 'node:sqlite';
import { foldName } from '../../shared/names.ts';
import { type Acts, query } from './acts.ts';
import { mailboxSum } from './schema.ts';
import type { AccountRecord, SessionRecord } from './store.ts';

interface AccountRow {
  id: number;
  name: string;
  folded: string;
  password_hash: string;
  created_at_ms: number;
  generation: number;
  jti: string | null;
  next_jti: string | null;
  session_key: string | null;
  session_expires_at_ms: number | null;
  banned_until_ms: number | null;
  ban_reason: string;
  state: AccountRecord['state'];
  online: 0 | 1;
}

type AccountActs = Pick<
  Acts,
  | 'createAccount'
  | 'account'
  | 'accountNamed'
  | 'accounts'
  | 'claimSession'
  | 'resumeSession'
  | 'endSession'
  | 'setPassword'
  | 'changePassword'
  | 'setBan'
  | 'setState'
  | 'removeAccount'
  | 'releaseName'
  | 'reopenClosing'
  | 'onlineAccounts'
  | 'setOffline'
>;

export function accountActs(
  db: DatabaseSync,
  { isFamiliar, addFamiliar }: Pick<Acts, 'isFamiliar' | 'addFamiliar'>,
): AccountActs {
  const byId = query<AccountRow>(db, 'SELECT * FROM accounts WHERE id = ?');
  const byName = query<AccountRow>(db, 'SELECT * FROM accounts WHERE folded = ?');
  const page = query<AccountRow>(db, 'SELECT * FROM accounts WHERE folded > ? ORDER BY folded LIMIT ?');
  const openPage = query<AccountRow>(
    db,
    "SELECT * FROM accounts WHERE folded > ? AND state = 'open' ORDER BY folded LIMIT ?",
  );
  const insert = query(
    db,
    'INSERT INTO accounts (id, name, folded, password_hash, created_at_ms) VALUES (?, ?, ?, ?, ?)',
  );
  const emptyMailbox = { account: '?1', ackedTo: '0', last: '0', reservedTo: '1' };
  const insertMailbox = query(
    db,
    `INSERT INTO mailboxes (account, acked_to, last, reserved_to, checksum)
     VALUES (?1, 0, 0, 1, ${mailboxSum(emptyMailbox)})`,
  );
  const spendInvite = query(
    db,
    'UPDATE invites SET uses_left = uses_left - 1 WHERE code = ? AND uses_left > 0 AND expires_at_ms > ?',
  );
  const setSession = query(
    db,
    'UPDATE accounts SET generation = ?, jti = ?, next_jti = ?, session_key = ?, session_expires_at_ms = ?, online = 1 WHERE id = ?',
  );
  const clearSession = query(
    db,
    'UPDATE accounts SET jti = NULL, next_jti = NULL, session_key = NULL, session_expires_at_ms = NULL, online = 0 WHERE id = ?',
  );
  const setHash = query(db, 'UPDATE accounts SET password_hash = ? WHERE id = ?');
  const setBan = query(db, 'UPDATE accounts SET banned_until_ms = ?, ban_reason = ? WHERE id = ?');
  const setState = query(db, 'UPDATE accounts SET state = ? WHERE id = ?');
  const whoIsOnline = query<{ id: number; name: string }>(db, 'SELECT id, name FROM accounts WHERE online = 1');
  const whomTheyBlock = query<{ account: number; blocked: number }>(
    db,
    'SELECT account, blocked FROM blocks WHERE account IN (SELECT id FROM accounts WHERE online = 1)',
  );
  const setOffline = query(db, 'UPDATE accounts SET online = 0 WHERE id = ?');
  const reopen = query(db, "UPDATE accounts SET state = 'open' WHERE state = 'closing'");
  const anyRun = query<{ 1: number }>(db, 'SELECT 1 FROM runs WHERE account = ? LIMIT 1');
  const forget = [
    'DELETE FROM mailboxes WHERE account = ?',
    'DELETE FROM blocks WHERE account = ?',
    'DELETE FROM familiar WHERE account = ?',
    'DELETE FROM consents WHERE giver = ?1 OR asker = ?1',
    'DELETE FROM address_requests WHERE target = ?1 OR asker = ?1',
    // Not those of its mailbox: they belong to the senders, who still ask what was stored.
    'DELETE FROM marks WHERE sender = ?',
    "UPDATE accounts SET state = 'removed', password_hash = '', banned_until_ms = NULL, ban_reason = '' WHERE id = ?",
  ].map((sql) => query(db, sql));
  const release = query(db, "DELETE FROM accounts WHERE folded = ? AND state = 'removed'");

  /** Not where only the name is left. */
  function find(id: number): AccountRow | undefined {
    const row = byId.get(id);
    return row?.state === 'removed' ? undefined : row;
  }

  /** The generation of this session: a new one, unless the session is there already and this is a retry. */
  function begin(row: AccountRow, session: SessionRecord): number {
    if (row.jti === session.jti) return row.generation;
    const generation = row.generation + 1;
    setSession.run(generation, session.jti, session.nextJti, session.key, session.expiresAtMs, row.id);
    return generation;
  }

  function isAsJudged(row: AccountRow, judged: Parameters<Acts['claimSession']>[0]): boolean {
    const { generation, passwordHash, bannedUntilMs } = judged;
    if (row.generation !== generation || row.password_hash !== passwordHash) return false;
    return row.banned_until_ms === bannedUntilMs;
  }

  return {
    createAccount({ id, name, passwordHash, createdAtMs, invite }) {
      const folded = foldName(name);
      const same = byId.get(id);
      if (same) return same.folded === folded && same.state !== 'removed' ? 'created' : 'taken';
      if (byName.get(folded)) return 'taken';
      if (invite !== undefined && spendInvite.run(invite, createdAtMs).changes === 0) return 'bad_invite';
      insert.run(id, name, folded, passwordHash, createdAtMs);
      insertMailbox.run(id);
      return 'created';
    },

    account(id) {
      const row = byId.get(id);
      return row ? recordOf(row) : null;
    },

    accountNamed(name) {
      const row = byName.get(foldName(name));
      return row ? recordOf(row) : null;
    },

    accounts({ after, limit, all = false }) {
      return (all ? page : openPage).all(foldName(after), limit).map(recordOf);
    },

    claimSession(judged, session, address) {
      const row = find(judged.id);
      if (!row) return 'gone';
      if (row.jti !== session.jti && !isAsJudged(row, judged)) return 'conflict';
      const generation = begin(row, session);
      if (row.state === 'closing') setState.run('open', row.id);
      addFamiliar(row.id, session.key, address);
      return { ...recordOf(row), generation, session, state: 'open' };
    },

    resumeSession(id, jti, next, address) {
      const row = byId.get(id);
      if (!row) return null;
      if (row.state === 'removed' || (row.jti !== jti && row.next_jti !== jti)) return recordOf(row);
      const resumed: AccountRow = { ...row, jti, next_jti: row.jti === jti ? row.next_jti : null, state: 'open' };
      if (next) {
        resumed.next_jti = next.jti;
        resumed.session_expires_at_ms = next.expiresAtMs;
      }
      // Most of the time there is nothing to write, even when all come back at once.
      if (row.state === 'closing') setState.run('open', id);
      if (row.online === 0 || resumed.jti !== row.jti || resumed.next_jti !== row.next_jti) {
        const { generation, next_jti, session_key, session_expires_at_ms } = resumed;
        setSession.run(generation, jti, next_jti, session_key, session_expires_at_ms, id);
      }
      if (!isFamiliar(id, '', address)) addFamiliar(id, row.session_key ?? '', address);
      return recordOf(resumed);
    },

    endSession(id, jti) {
      const row = find(id);
      if (row && (jti === null || row.jti === jti || row.next_jti === jti)) clearSession.run(id);
    },

    setPassword(id, passwordHash) {
      if (!find(id)) return 'gone';
      setHash.run(passwordHash, id);
      clearSession.run(id);
      return 'done';
    },

    changePassword(judged, passwordHash, session) {
      const row = find(judged.id);
      if (!row) return 'gone';
      if (row.jti !== session.jti && !isAsJudged(row, judged)) return 'conflict';
      setHash.run(passwordHash, row.id);
      const generation = begin(row, session);
      return { ...recordOf(row), passwordHash, generation, session };
    },

    setBan(id, untilMs, reason) {
      if (!find(id)) return 'gone';
      setBan.run(untilMs, untilMs === null ? '' : reason, id);
      if (untilMs !== null) clearSession.run(id);
      return 'done';
    },

    setState(id, state) {
      if (!find(id)) return 'gone';
      setState.run(state, id);
      return 'done';
    },

    removeAccount(id) {
      const row = byId.get(id);
      if (!row) return 'gone';
      if (row.state === 'removed') return 'removed';
      if (anyRun.get(id)) return 'waiting';
      clearSession.run(id);
      for (const statement of forget) statement.run(id);
      return 'removed';
    },

    reopenClosing() {
      reopen.run();
    },

    onlineAccounts() {
      const blocks = new Map<number, number[]>();
      for (const { account, blocked } of whomTheyBlock.all()) {
        const known = blocks.get(account);
        if (known) known.push(blocked);
        else blocks.set(account, [blocked]);
      }
      // Most have blocked nobody.
      return whoIsOnline.all().map(({ id, name }) => ({ id, name, blocks: blocks.get(id) ?? [] }));
    },

    setOffline(ids) {
      for (const id of ids) setOffline.run(id);
    },

    releaseName(name) {
      return release.run(foldName(name)).changes === 0 ? 'not_reserved' : 'released';
    },
  };
}

function recordOf(row: AccountRow): AccountRecord {
  const session =
    row.jti === null
      ? null
      : {
          jti: row.jti,
          nextJti: row.next_jti,
          key: row.session_key ?? '',
          expiresAtMs: row.session_expires_at_ms ?? 0,
        };
  return {
    id: row.id,
    name: row.name,
    passwordHash: row.password_hash,
    createdAtMs: row.created_at_ms,
    generation: row.generation,
    session,
    bannedUntilMs: row.banned_until_ms,
    banReason: row.ban_reason,
    state: row.state,
  };
}
