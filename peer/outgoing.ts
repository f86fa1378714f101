// One's own messages in the store: the outbox, and what became of what left it.
import { randomBytes } from 'node:crypto';
import { ParleyError } from '../shared/errors.ts';
import type { OutgoingMessage } from './events.ts';
import type { Statement } from './statement.ts';
import type { Store } from './store.ts';
import { outboxIdBytes } from './store-schema.ts';

/** A message in the outbox, as the pump handles it. */
export interface Pending {
  readonly id: number;
  /** In the outbox. */
  number: number;
  name: string;
  /** The recipient; null until its name was looked up. */
  account: number | null;
  /** Of the text in UTF-8. */
  readonly bytes: number;
  /** Null: only in the store. */
  text: string | null;
  /** A connection may have carried it to the center. */
  written: boolean;
}

const selectMessage = `SELECT s.id AS id, h.name AS name, h.text AS text, h.sent_at_ms AS createdAtMs, s.state AS state,
  s.reason AS reason FROM sent s JOIN history h ON h.row = s.row`;

export class Outgoing {
  /** Names the numbers on the wire. */
  outboxId: Buffer;
  /** The highest number given. */
  #highest: number;
  #isOutboxSaved = true;
  readonly #store: Store;
  readonly #insertRow: Statement;
  readonly #insertSent: Statement;
  readonly #setState: Statement;
  readonly #setWritten: Statement;
  readonly #setAccount: Statement;
  readonly #setRecipient: Statement;
  readonly #byId: Statement;
  readonly #byNumber: Statement;
  readonly #unstored: Statement;
  readonly #setStored: Statement;

  constructor(store: Store) {
    this.#store = store;
    const outbox = store.prepare('SELECT id, highest FROM outbox').get()!;
    this.outboxId = Buffer.from(outbox.id as Uint8Array);
    this.#highest = Number(outbox.highest);
    this.#insertRow = store.prepare(
      'INSERT INTO history (incoming, account, name, text, sent_at_ms, received_at_ms, shown) VALUES (0, ?, ?, ?, ?, 0, 1)',
    );
    this.#insertSent = store.prepare(
      "INSERT INTO sent (row, outbox, number, account, state, reason, written) VALUES (?, ?, ?, ?, 'pending', '', ?)",
    );
    this.#setState = store.prepare('UPDATE sent SET state = ?, reason = ? WHERE id = ?');
    this.#setWritten = store.prepare('UPDATE sent SET written = 1 WHERE id = ?');
    this.#setAccount = store.prepare('UPDATE sent SET account = ? WHERE id = ?');
    this.#setRecipient = store.prepare(
      'UPDATE history SET account = ?, name = ? WHERE row = (SELECT row FROM sent WHERE id = ?)',
    );
    this.#byId = store.prepare(`${selectMessage} WHERE s.id = ?`);
    this.#byNumber = store.prepare('SELECT id, state FROM sent WHERE outbox = ? AND number = ?');
    this.#unstored = store.prepare(
      `${selectMessage} WHERE s.account = ? AND s.number <= ? AND s.outbox = ? AND s.state = 'accepted' ORDER BY s.number`,
    );
    this.#setStored = store.prepare("UPDATE sent SET state = 'stored' WHERE id = ?");
    const saveOutbox = store.prepare('UPDATE outbox SET id = ?, highest = ?');
    store.beforeCommit(() => {
      if (!this.#isOutboxSaved) saveOutbox.run(this.outboxId, this.#highest);
      this.#isOutboxSaved = true;
    });
  }

  /**
   * True if the center knows a number of this outbox that was never given here: these files are an old backup, and the
   * next numbers would be taken for repeats. To be asked before any number is given.
   */
  isOlderThan(highestNumber: number): boolean {
    return highestNumber > this.#highest;
  }

  /** Puts a message in the outbox; it may be sent after the commit. */
  add(
    to: { name: string; account: number | null },
    text: string,
    createdAtMs: number,
    written: boolean,
  ): { pending: Pending; message: OutgoingMessage } {
    return this.#store.write('now', () => {
      const { name, account } = to;
      const number = this.#highest + 1;
      const { lastInsertRowid: row } = this.#insertRow.run(account, name, text, createdAtMs);
      const sent = this.#insertSent.run(row, this.outboxId, number, account, Number(written));
      this.#highest = number;
      this.#isOutboxSaved = false;
      const id = Number(sent.lastInsertRowid);
      return {
        pending: { id, number, name, account, bytes: Buffer.byteLength(text), text, written },
        message: { id, to: name, text, createdAtMs, state: 'pending', reason: '', private: false },
      };
    });
  }

  /** What is in the outbox, oldest first, without the texts. */
  allPending(): Pending[] {
    const rows = this.#store
      .prepare(
        `SELECT s.id AS id, s.number AS number, h.name AS name, s.account AS account,
          length(CAST(h.text AS BLOB)) AS bytes, s.written AS written
          FROM sent s JOIN history h ON h.row = s.row WHERE s.state = 'pending' AND s.private = 0 ORDER BY s.id`,
      )
      .all() as unknown as (Omit<Pending, 'written' | 'text'> & { written: number })[];
    return rows.map((row) => ({ ...row, text: null, written: row.written === 1 }));
  }

  /** The same, as it is shown. */
  outbox(): OutgoingMessage[] {
    const rows = this.#store
      .prepare(`${selectMessage} WHERE s.state = 'pending' AND s.private = 0 ORDER BY s.id`)
      .all();
    return rows.map(readMessage);
  }

  /** Null if there is none of this id. */
  message(id: number): OutgoingMessage | null {
    const row = this.#byId.get(id);
    return row === undefined ? null : readMessage(row);
  }

  textOf(pending: Pending): string {
    return pending.text ?? this.#existing(pending.id).text;
  }

  /** Sends of these may begin after the commit. */
  markWritten(all: Pending[]): void {
    this.#store.write('now', () => {
      for (const pending of all) {
        this.#setWritten.run(pending.id);
        pending.written = true;
      }
    });
  }

  /** The name was looked up. */
  setRecipient(pending: Pending, account: number, name: string): void {
    this.#store.write('soon', () => {
      this.#setAccount.run(account, pending.id);
      this.#setRecipient.run(account, name, pending.id);
    });
    pending.account = account;
    pending.name = name;
  }

  setReason(pending: Pending, reason: string): OutgoingMessage {
    this.#store.write('soon', () => this.#setState.run('pending', reason, pending.id));
    return this.#existing(pending.id);
  }

  /** The center has it. If the peer forgets this in a crash the center says it again. */
  accept(pending: Pending): OutgoingMessage {
    this.#store.write('soon', () => this.#setState.run('accepted', '', pending.id));
    return this.#existing(pending.id);
  }

  /** It will not be delivered. Nothing later may be sent to its recipient before this is committed. */
  fail(id: number, reason: string): OutgoingMessage {
    this.#store.write('now', () => this.#setState.run('failed', reason, id));
    return this.#existing(id);
  }

  /** All accepted ones to this account up to this number are stored: those that were not known to be. */
  store(account: number, number: number): OutgoingMessage[] {
    const rows = this.#unstored.all(account, number, this.outboxId);
    if (rows.length === 0) return [];
    this.#store.write('soon', () => {
      for (const row of rows) this.#setStored.run(Number(row.id));
    });
    return rows.map((row) => ({ ...readMessage(row), state: 'stored' }));
  }

  /** The id of what was sent under this number and has not failed yet, null if there is none. */
  find(outbox: Uint8Array, number: number): number | null {
    const row = this.#byNumber.get(outbox, number);
    return row === undefined || row.state === 'failed' ? null : Number(row.id);
  }

  /** Begins a new outbox: what is pending gets new numbers in the old order. */
  renew(all: Pending[]): void {
    this.#store.write('now', () => {
      const setNumber = this.#store.prepare('UPDATE sent SET outbox = ?, number = ?, written = 0 WHERE id = ?');
      this.outboxId = randomBytes(outboxIdBytes);
      this.#highest = 0;
      this.#isOutboxSaved = false;
      for (const pending of all) {
        this.#highest += 1;
        pending.number = this.#highest;
        pending.written = false;
        setNumber.run(this.outboxId, pending.number, pending.id);
      }
    });
  }

  #existing(id: number): OutgoingMessage {
    const message = this.message(id);
    if (message === null) throw new ParleyError('bad_data', `The history has lost message ${id}.`);
    return message;
  }
}

function readMessage(row: Record<string, unknown>): OutgoingMessage {
  return {
    id: Number(row.id),
    to: String(row.name),
    text: String(row.text),
    createdAtMs: Number(row.createdAtMs),
    state: row.state as OutgoingMessage['state'],
    reason: String(row.reason),
    private: false,
  };
}
