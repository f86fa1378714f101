// The acts of a store as they are done inside the engine's thread: one after the other, in the open transaction.
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Store } from './store.ts';

export type ActName = Exclude<keyof Store, 'close'>;

/** Each act of the store, without the waiting. What one throws undoes that act alone. */
export type Acts = {
  [Name in ActName]: (...asked: Parameters<Store[Name]>) => Awaited<ReturnType<Store[Name]>>;
};

/** A prepared statement whose rows have a known shape. */
export interface Query<Row> {
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
  iterate(...values: SQLInputValue[]): IterableIterator<Row>;
  run(...values: SQLInputValue[]): { changes: number | bigint };
}

/** The caller vouches for the shape of the rows: the tables are STRICT. */
export function query<Row = never>(db: DatabaseSync, sql: string): Query<Row> {
  return db.prepare(sql) as unknown as Query<Row>;
}
