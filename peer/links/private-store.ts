// What a peer keeps about links: an outbox for each other account, the messages in it, and the keys that are known.
import { randomBytes } from 'node:crypto';
import type { OutgoingMessage } from '../events.ts';
import type { Incoming, IncomingRow } from '../incoming.ts';
import type { Statement } from '../statement.ts';
import type { Store } from '../store.ts';
import { outboxIdBytes } from '../store-schema.ts';

/** On their way to one account and not stored there, at most. */
export const maxUnstored = 1024;
/** Numbers left out at each start: more than could have been sent before a crash and not committed. */
const skippedNumbers = 2 * maxUnstored;

/** A private message that the other side has not stored. */
export interface PrivatePending {
  /** In the outbox for its account. */
  readonly number: number;
  /** A link may have carried it. */
  readonly written: boolean;
  readonly message: OutgoingMessage;
}

/** The outbox for one account. */
interface Outbox {
  readonly id: Buffer;
  /** The highest number given. */
  highest: number;
  /** Numbers up to here may have been given by an earlier run of this peer. */
  readonly earlierTo: number;
}

/** In the place of keys that the user has taken back: an account with it is known, by no key. */
const noKey = '';

export interface KnownKey {
  /** Fingerprint. */
  key: string;
  verified: boolean;
}

const selectMessage = `SELECT s.id AS id, s.number AS number, h.name AS name, h.text AS text, h.sent_at_ms AS sentAtMs,
  s.state AS state, s.reason AS reason, s.written AS written FROM sent s JOIN history h ON h.row = s.row`;

export class PrivateStore {
  readonly #store: Store;
  readonly #incoming: Incoming;
  /** Those that this run has used: as many as it has written to. */
  readonly #outboxes = new Map<number, Outbox>();
  readonly #unsaved = new Set<number>();
  readonly #outbox: Statement;
  readonly #newOutbox: Statement;
  readonly #setHighest: Statement;
  readonly #insertRow: Statement;
  readonly #insertSent: Statement;
  readonly #pending: Statement;
  readonly #allPending: Statement;
  readonly #upTo: Statement;
  readonly #named: Statement;
  readonly #setState: Statement;
  readonly #setStored: Statement;
  readonly #setWritten: Statement;
  readonly #keys: Statement;
  readonly #putKey: Statement;
  readonly #dropKeys: Statement;
  readonly #dropKey: Statement;

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
        VALUES (?, ?, ?, ?, 'pending', '', ?, 1)`,
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
    this.#setStored = store.prepare(
      `UPDATE sent SET state = 'stored', reason = '' WHERE private = 1 AND state = 'pending' AND account = ? AND number <= ?`,
    );
    this.#setWritten = store.prepare(
      `UPDATE sent SET written = 1 WHERE private = 1 AND state = 'pending' AND account = ? AND number <= ? AND written = 0`,
    );
    this.#setState = store.prepare('UPDATE sent SET state = ?, reason = ? WHERE id = ?');
    this.#keys = store.prepare('SELECT key, verified FROM known_keys WHERE account = ?');
    this.#putKey = store.prepare(
      `INSERT INTO known_keys VALUES (?, ?, ?) ON CONFLICT (account, key) DO UPDATE SET verified = max(verified, excluded.verified)`,
    );
    this.#dropKeys = store.prepare('DELETE FROM known_keys WHERE account = ?');
    this.#dropKey = store.prepare('DELETE FROM known_keys WHERE account = ? AND key = ?');
    store.beforeCommit(() => {
      for (const account of this.#unsaved) this.#setHighest.run(this.#outboxOf(account).highest, account);
      this.#unsaved.clear();
    });
  }

  /**
   * The id of the outbox for this account, made where there is none. Messages may be sent, and before their own commit,
   * when what this wrote is committed.
   */
  outboxId(account: number): Buffer {
    return this.#outboxOf(account).id;
  }

  /**
   * Messages go before they are committed, so a crash may forget some that the other side has. Their numbers must not be
   * given to others, which would be taken for repeats: each run begins above all that the one before can have sent.
   */
  #outboxOf(account: number): Outbox {
    const known = this.#outboxes.get(account);
    if (known) return known;
    const found = this.#outbox.get(account);
    const outbox = found
      ? this.#begin(Buffer.from(found.id as Uint8Array), Number(found.highest) + skippedNumbers)
      : this.#begin(randomBytes(outboxIdBytes), 0);
    this.#outboxes.set(account, outbox);
    this.#store.write('now', () => {
      if (found) this.#setHighest.run(outbox.highest, account);
      else this.#newOutbox.run(account, outbox.id);
    });
    return outbox;
  }

  #begin(id: Buffer, highest: number): Outbox {
    return { id, highest, earlierTo: highest };
  }

  /** The highest number ever given in the outbox for this account. */
  highest(account: number): number {
    return this.#outboxOf(account).highest;
  }

  /** A run of this peer before this one gave the number. */
  isOfEarlierRun(account: number, number: number): boolean {
    return number <= this.#outboxOf(account).earlierTo;
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
      this.#outboxes.set(account, this.#begin(id, pending.length));
    });
  }

  /** Up to where the other side's outbox is in the history. */
  mark(account: number, outbox: Uint8Array): number {
    return this.#incoming.mark(account, outbox);
  }

  /** Puts a message in the outbox for this account. written: it goes onto a link at once. */
  add(to: { account: number; name: string }, text: string, written: boolean): PrivatePending {
    const outbox = this.#outboxOf(to.account);
    return this.#store.write('now', () => {
      const createdAtMs = Date.now();
      const number = outbox.highest + 1;
      const { lastInsertRowid: row } = this.#insertRow.run(to.account, to.name, text, createdAtMs);
      const sent = this.#insertSent.run(row, outbox.id, number, to.account, Number(written));
      outbox.highest = number;
      this.#unsaved.add(to.account);
      const { name } = to;
      const id = Number(sent.lastInsertRowid);
      return {
        number,
        written,
        message: { id, to: name, text, createdAtMs, state: 'pending', reason: '', private: true },
      };
    });
  }

  /** The next messages above this number, oldest first. */
  pending(account: number, after: number, limit: number): PrivatePending[] {
    return this.#pending.all(account, after, limit).map((row) => ({
      number: Number(row.number),
      written: row.written === 1,
      message: readMessage(row),
    }));
  }

  /** All up to this number are on a link. */
  markWritten(account: number, number: number): void {
    this.#store.write('soon', () => this.#setWritten.run(account, number));
  }

  /** The account that was last written to or heard from under this name, null if none was. */
  accountNamed(name: string): { account: number; name: string } | null {
    const row = this.#named.get(name);
    return row === undefined ? null : { account: Number(row.account), name: String(row.name) };
  }

  allPending(): OutgoingMessage[] {
    return this.#allPending.all().map(readMessage);
  }

  /** What is pending up to this number, as what it becomes: stored. */
  pendingTo(account: number, number: number): OutgoingMessage[] {
    return this.#upTo.all(account, number).map((row) => ({ ...readMessage(row), state: 'stored' }));
  }

  /** All up to this number are stored over there. */
  stored(account: number, number: number): void {
    this.#store.write('soon', () => this.#setStored.run(account, number));
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
