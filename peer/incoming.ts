// Messages of others in the store: the history, the marks that make it exactly once, and what was shown of it.
import type { HistoryLine } from './events.ts';
import type { Statement } from './statement.ts';
import type { Store } from './store.ts';

/** Marks kept at hand; the others are in the store. */
const maxMarksAtHand = 10_000;
const defaultHistoryLimit = 50;

export interface IncomingRow {
  row: number;
  account: number;
  name: string;
  text: string;
  sentAtMs: number;
  receivedAtMs: number;
  /** It came over a private link. */
  private: boolean;
}

interface Mark {
  account: number;
  outbox: Buffer;
  number: number;
  saved: boolean;
}

export class Incoming {
  readonly #store: Store;
  readonly #insert: Statement;
  readonly #mark: Statement;
  readonly #marks = new Map<string, Mark>();
  #unsavedMarks: Mark[] = [];
  /** Rows of this session that are not shown, lowest first: as many as the feed holds. */
  readonly #unshown = new Set<number>();
  #highestShown = 0;
  /** All rows up to here were shown. */
  #shownTo = 0;
  #savedShownTo = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#insert = store.prepare(
      'INSERT INTO history (incoming, account, name, text, sent_at_ms, received_at_ms, shown, private) VALUES (1, ?, ?, ?, ?, ?, 0, ?)',
    );
    this.#mark = store.prepare('SELECT number FROM marks WHERE account = ? AND outbox = ?');
    const saveMark = store.prepare(
      'INSERT INTO marks VALUES (?, ?, ?) ON CONFLICT (account, outbox) DO UPDATE SET number = excluded.number',
    );
    const saveShown = store.prepare('UPDATE history SET shown = 1 WHERE shown = 0 AND row <= ?');
    store.beforeCommit(() => {
      for (const mark of this.#unsavedMarks) {
        saveMark.run(mark.account, mark.outbox, mark.number);
        mark.saved = true;
      }
      this.#unsavedMarks = [];
      if (this.#savedShownTo !== this.#shownTo) saveShown.run(this.#shownTo);
      this.#savedShownTo = this.#shownTo;
    });
  }

  /**
   * Files a message and moves the mark of its outbox, both in the commit of this turn.
   * @returns its row; null for a repeat
   */
  add(message: Omit<IncomingRow, 'row'> & { outbox: Uint8Array; number: number }): number | null {
    const { account, name, text, sentAtMs, receivedAtMs, outbox, number } = message;
    const mark = this.#markOf(account, outbox);
    if (number <= mark.number) return null;
    return this.#store.write('now', () => {
      const { lastInsertRowid } = this.#insert.run(
        account,
        name,
        text,
        sentAtMs,
        receivedAtMs,
        Number(message.private),
      );
      mark.number = number;
      if (mark.saved) this.#unsavedMarks.push(mark);
      mark.saved = false;
      const row = Number(lastInsertRowid);
      if (this.#store.durable) this.#unshown.add(row);
      return row;
    });
  }

  /** The highest number of this outbox that is filed; 0 for none. */
  mark(account: number, outbox: Uint8Array): number {
    return this.#markOf(account, outbox).number;
  }

  /** A private message is shown before its commit, and so before what the center brought in the same turn. */
  shown(row: number): void {
    this.#unshown.delete(row);
    this.#highestShown = Math.max(this.#highestShown, row);
    const [oldest = Number.POSITIVE_INFINITY] = this.#unshown;
    const shownTo = Math.min(this.#highestShown, oldest - 1);
    if (shownTo <= this.#shownTo || this.#store.closed) return;
    this.#shownTo = shownTo;
    this.#store.write('soon', () => undefined);
  }

  /** Rows that may not have been shown, oldest first; at most the last ones of this limit. */
  unshown(limit: number): IncomingRow[] {
    const rows = this.#store
      .prepare(
        `SELECT row, account, name, text, sent_at_ms AS sentAtMs, received_at_ms AS receivedAtMs, private
          FROM history WHERE shown = 0 ORDER BY row DESC LIMIT ?`,
      )
      .all(limit) as unknown as (Omit<IncomingRow, 'private'> & { private: number })[];
    return rows.reverse().map((row) => ({ ...row, private: row.private === 1 }));
  }

  /** Newest last. */
  history(query: { with?: string; limit?: number; before?: number } = {}): HistoryLine[] {
    const { limit = defaultHistoryLimit, before = Number.MAX_SAFE_INTEGER } = query;
    const where = query.with === undefined ? '' : 'h.name = ? AND ';
    const parameters = query.with === undefined ? [before, limit] : [query.with, before, limit];
    const rows = this.#store
      .prepare(
        `SELECT h.row AS row, h.name AS name, h.incoming AS incoming, h.text AS text, h.sent_at_ms AS sentAtMs,
          h.received_at_ms AS receivedAtMs, h.private AS private, s.state AS state, s.reason AS reason
          FROM history h LEFT JOIN sent s ON s.row = h.row WHERE ${where}h.row < ? ORDER BY h.row DESC LIMIT ?`,
      )
      .all(...parameters);
    return rows.reverse().map(readLine);
  }

  #markOf(account: number, outbox: Uint8Array): Mark {
    const id = Buffer.from(outbox);
    const key = `${account}:${id.toString('latin1')}`;
    let mark = this.#marks.get(key);
    if (mark !== undefined) return mark;
    const saved = this.#mark.get(account, id);
    mark = { account, outbox: id, number: saved === undefined ? 0 : Number(saved.number), saved: true };
    if (this.#marks.size >= maxMarksAtHand) this.#forgetMarks();
    this.#marks.set(key, mark);
    return mark;
  }

  #forgetMarks(): void {
    for (const [key, mark] of this.#marks) if (mark.saved) this.#marks.delete(key);
  }
}

function readLine(row: Record<string, unknown>): HistoryLine {
  const isIncoming = row.incoming === 1;
  return {
    row: Number(row.row),
    with: String(row.name),
    direction: isIncoming ? 'in' : 'out',
    text: String(row.text),
    atMs: Number(isIncoming ? row.receivedAtMs : row.sentAtMs),
    state: isIncoming ? null : (row.state as HistoryLine['state']),
    reason: row.state === 'failed' ? String(row.reason) : '',
    private: row.private === 1,
  };
}
