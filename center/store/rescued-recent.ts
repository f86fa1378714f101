// Of a damaged database: the short runs that had not come to their places yet.
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { query } from './acts.ts';
import { runChecksum } from './chain.ts';
import type { Damage } from './damage.ts';
import type { Value } from './page-scan.ts';
import { type RecentEnds, type RecentRun, rowChecksum, wholeRuns } from './recent-rows.ts';
import { rowSum } from './schema.ts';

export class NewestMail {
  readonly #overlapping;
  readonly #into: { marks(values: Value[]): void; runs(values: SQLInputValue[]): void };
  readonly #runs: RecentRun[] = [];
  /** Rows of which nothing is missing. */
  readonly #whole = new Set<number>();
  #ends: RecentEnds | null = null;

  /** into: what takes rows of these tables. */
  constructor(db: DatabaseSync, into: { marks(values: Value[]): void; runs(values: SQLInputValue[]): void }) {
    this.#into = into;
    this.#overlapping = query(db, 'SELECT 1 FROM runs WHERE account = ? AND first <= ? AND last >= ? LIMIT 1');
  }

  takeRow([id, checksum, runs]: Value[]): void {
    if (typeof id !== 'number' || !(runs instanceof Uint8Array) || this.#whole.has(id)) return;
    if (rowChecksum(id, runs) === checksum) this.#whole.add(id);
    for (const run of wholeRuns(runs)) {
      this.#runs.push(run);
      for (const { sender, outbox, accepted, stored } of run.marks) {
        const sum = rowSum(sender, run.account, accepted, stored);
        this.#into.marks([sender, outbox, run.account, accepted, stored, sum]);
      }
    }
  }

  /** Of several, the newest counts. */
  takeEnds([, settledTo, writtenTo]: Value[]): void {
    if (typeof settledTo !== 'number' || typeof writtenTo !== 'number') return;
    if (this.#ends && this.#ends.written_to >= writtenTo) return;
    this.#ends = { settled_to: settledTo, written_to: writtenTo };
  }

  /** Puts what has not come to its place there, and gives what may be missing. */
  finish(): Damage[] {
    for (const run of this.#runs) {
      const { account, first, last, previous, count, received_at_ms, frames } = run;
      if (this.#overlapping.get(account, last, first)) continue;
      const sum = runChecksum(account, run);
      this.#into.runs([account, first, last, previous, count, frames.length, received_at_ms, sum, frames]);
    }
    return this.#isWhole() ? [] : [{ account: null, positions: null, text: 'some of the newest mail is lost' }];
  }

  #isWhole(): boolean {
    if (!this.#ends) return false;
    const { settled_to, written_to } = this.#ends;
    if (written_to - settled_to > this.#whole.size) return false;
    for (let id = settled_to + 1; id <= written_to; id++) if (!this.#whole.has(id)) return false;
    return true;
  }
}
