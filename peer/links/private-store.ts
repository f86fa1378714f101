// What a peer keeps about links: an outbox for each other account, the messages in it, and the keys that are known.
import { randomBytes } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import type { OutgoingMessage } from '../events.ts';
import type { Incoming, IncomingRow } from '../incoming.ts';
import type { Store } from '../store.ts';
import { outboxIdBytes } from '../store-schema.ts';

/** A private message that the other side has not stored. */
export interface PrivatePending {
  id: number;
  number: number;
  sentAtMs: number;
  text: string;
}

/** In the place of keys that the user has taken back: an account with it is known, by no key. */
const noKey = '';

export interface KnownKey {
  /** Fingerprint. */
  key: string;
  verified: boolean;
}

const selectMessage = `SELECT s.id AS id, s.number AS number, h.name AS name, h.text AS text, h.sent_at_ms AS sentAtMs,
  s.state AS state, s.reason AS reason FROM sent s JOIN history h ON h.row = s.row`;

export class PrivateStore {
  readonly #store: Store;
  readonly #incoming: Incoming;
  readonly #outbox: StatementSync;
  readonly #newOutbox: StatementSync;
  readonly #setHighest: StatementSync;
  readonly #insertRow: StatementSync;
  readonly #insertSent: StatementSync;
  readonly #pending: StatementSync;
  readonly #allPending: StatementSync;
  readonly #upTo: StatementSync;
  readonly #named: StatementSync;
  readonly #setState: StatementSync;
  readonly #keys: StatementSync;
  readonly #putKey: StatementSync;
  readonly #dropKeys: StatementSync;
  readonly #dropKey: StatementSync;

  constructor(store: Store, incoming: Incoming) {
    this.#store = store;
    this.#incoming = incoming;
    this.#outbox = store.prepare('SELECT id, highest FROM private_outboxes WHERE account = ?');
    this.#newOutbox = store.prepare('INSERT INTO private_outboxes VALUES (?, ?, 0)');
    this.#setHighest = store.prepare('UPDATE private_outboxes SET highest = ? WHERE account = ?');
    this.#insertRow = store.prepare(
      `INSERT INTO history (incoming, account, name, text, sent_at_ms, received_at_ms, shown, private)
        VALUES (0, ?, ?, ?, ?, 0, 1, 1)`,
    );
    this.#insertSent = store.prepare(
      `INSERT INTO sent (row, outbox, number, account, state, reason, written, private)
        VALUES (?, ?, ?, ?, 'pending', '', 0, 1)`,
    );
    this.#pending = store.prepare(
      `${selectMessage} WHERE s.private = 1 AND s.state = 'pending' AND s.account = ? AND s.number > ? ORDER BY s.number LIMIT ?`,
    );
    this.#allPending = store.prepare(`${selectMessage} WHERE s.private = 1 AND s.state = 'pending' ORDER BY s.id`);
    this.#upTo = store.prepare(
      `${selectMessage} WHERE s.private = 1 AND s.state = 'pending' AND s.account = ? AND s.number <= ? ORDER BY s.number`,
    );
    this.#named = store.prepare(
      'SELECT account, name FROM history WHERE name = ? AND account IS NOT NULL ORDER BY row DESC LIMIT 1',
    );
    this.#setState = store.prepare('UPDATE sent SET state = ?, reason = ? WHERE id = ?');
    this.#keys = store.prepare('SELECT key, verified FROM known_keys WHERE account = ?');
    this.#putKey = store.prepare(
      `INSERT INTO known_keys VALUES (?, ?, ?) ON CONFLICT (account, key) DO UPDATE SET verified = max(verified, excluded.verified)`,
    );
    this.#dropKeys = store.prepare('DELETE FROM known_keys WHERE account = ?');
    this.#dropKey = store.prepare('DELETE FROM known_keys WHERE account = ? AND key = ?');
  }

  /** The outbox for this account, made where there is none. */
  outboxId(account: number): Buffer {
    const found = this.#outbox.get(account);
    if (found) return Buffer.from(found.id as Uint8Array);
    const id = randomBytes(outboxIdBytes);
    this.#store.write('now', () => this.#newOutbox.run(account, id));
    return id;
  }

  /** The highest number ever given in the outbox for this account. */
  highest(account: number): number {
    return Number(this.#outbox.get(account)?.highest ?? 0);
  }

  /** Begins a new outbox for this account: what is pending gets new numbers in the old order. */
  renew(account: number): void {
    this.#store.write('now', () => {
      const pending = this.#upTo.all(account, Number.MAX_SAFE_INTEGER);
      const id = randomBytes(outboxIdBytes);
      this.#store
        .prepare('UPDATE private_outboxes SET id = ?, highest = ? WHERE account = ?')
        .run(id, pending.length, account);
      const setNumber = this.#store.prepare('UPDATE sent SET outbox = ?, number = ? WHERE id = ?');
      for (const [index, row] of pending.entries()) setNumber.run(id, index + 1, Number(row.id));
    });
  }

  /** Up to where the other side's outbox is in the history. */
  mark(account: number, outbox: Uint8Array): number {
    return this.#incoming.mark(account, outbox);
  }

  /** Puts a message in the outbox for this account; it may be sent after the commit. */
  add(to: { account: number; name: string }, text: string): OutgoingMessage {
    const outbox = this.outboxId(to.account);
    return this.#store.write('now', () => {
      const sentAtMs = Date.now();
      const number = Number(this.#outbox.get(to.account)?.highest) + 1;
      this.#setHighest.run(number, to.account);
      const { lastInsertRowid: row } = this.#insertRow.run(to.account, to.name, text, sentAtMs);
      const { lastInsertRowid: id } = this.#insertSent.run(row, outbox, number, to.account);
      const { name } = to;
      return { id: Number(id), to: name, text, createdAtMs: sentAtMs, state: 'pending', reason: '', private: true };
    });
  }

  /** The next messages above this number, oldest first. */
  pending(account: number, after: number, limit: number): PrivatePending[] {
    return this.#pending.all(account, after, limit).map((row) => ({
      id: Number(row.id),
      number: Number(row.number),
      sentAtMs: Number(row.sentAtMs),
      text: String(row.text),
    }));
  }

  /** The account that was last written to or heard from under this name, null if none was. */
  accountNamed(name: string): { account: number; name: string } | null {
    const row = this.#named.get(name);
    return row === undefined ? null : { account: Number(row.account), name: String(row.name) };
  }

  allPending(): OutgoingMessage[] {
    return this.#allPending.all().map(readMessage);
  }

  /** Those that have just become stored. */
  stored(account: number, number: number): OutgoingMessage[] {
    const rows = this.#upTo.all(account, number);
    if (rows.length === 0) return [];
    this.#store.write('soon', () => {
      for (const row of rows) this.#setState.run('stored', '', Number(row.id));
    });
    return rows.map((row) => ({ ...readMessage(row), state: 'stored' }));
  }

  /** Takes a message out of the outbox. */
  cancel(id: number): void {
    this.#store.write('now', () => this.#setState.run('failed', 'cancelled', id));
  }

  /** Files a message of the other side; null for a repeat. */
  file(message: Omit<IncomingRow, 'row' | 'private'> & { outbox: Uint8Array; number: number }): number | null {
    return this.#incoming.add({ ...message, private: true });
  }

  // --- keys -------------------------------------------------------------------------------------------

  keys(account: number): KnownKey[] {
    return this.#keys.all(account).map((row) => ({ key: String(row.key), verified: row.verified === 1 }));
  }

  trust(account: number, key: string, verified: boolean): void {
    this.#store.write('now', () => {
      this.#dropKey.run(account, noKey);
      this.#putKey.run(account, key, Number(verified));
    });
  }

  /** Forgets all keys; none is taken at first sight from here on. */
  untrust(account: number): void {
    this.#store.write('now', () => {
      this.#dropKeys.run(account);
      this.#putKey.run(account, noKey, 0);
    });
  }
}

function readMessage(row: Record<string, unknown>): OutgoingMessage {
  return {
    id: Number(row.id),
    to: String(row.name),
    text: String(row.text),
    createdAtMs: Number(row.sentAtMs),
    state: row.state as OutgoingMessage['state'],
    reason: String(row.reason),
    private: true,
  };
}
