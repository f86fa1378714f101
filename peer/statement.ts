// A prepared statement of the peer's file, whose errors are told to who keeps the file.
import type { SQLInputValue, StatementSync } from 'node:sqlite';

type Row = Record<string, unknown>;

export class Statement {
  readonly #statement: StatementSync;
  readonly #told: (error: unknown) => unknown;

  /** told: gets each error, and gives the one to be thrown. */
  constructor(statement: StatementSync, told: (error: unknown) => unknown) {
    this.#statement = statement;
    this.#told = told;
  }

  run(...values: SQLInputValue[]): ReturnType<StatementSync['run']> {
    try {
      return this.#statement.run(...values);
    } catch (error) {
      throw this.#told(error);
    }
  }

  get(...values: SQLInputValue[]): Row | undefined {
    try {
      return this.#statement.get(...values);
    } catch (error) {
      throw this.#told(error);
    }
  }

  all(...values: SQLInputValue[]): Row[] {
    try {
      return this.#statement.all(...values);
    } catch (error) {
      throw this.#told(error);
    }
  }
}
