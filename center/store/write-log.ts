// SQLite's write-ahead log of the open database: how much of it is not in the database too, moving it there, and the
// record of where it ends.
import type { DatabaseSync } from 'node:sqlite';
import { type Query, query } from './acts.ts';
import { EngineStopped, fsyncText } from './failures.ts';
import { TailFile } from './tail.ts';

export class WriteLog {
  readonly #db: DatabaseSync;
  readonly #pageBytes: number;
  readonly #tail: TailFile;
  readonly #stateOf: Query<{ log: number; checkpointed: number }>;
  /** In pages: how long it is, and how much of it is in the database too. */
  #state = { log: 0, checkpointed: 0 };

  /** file: of the database, which has a log from its first commit on. */
  constructor(db: DatabaseSync, file: string, pageBytes: number) {
    this.#db = db;
    this.#pageBytes = pageBytes;
    this.#tail = new TailFile(file, pageBytes);
    this.#stateOf = query(db, 'PRAGMA wal_checkpoint(NOOP)');
  }

  /** How much was not in the database after the last commit. */
  get waitingBytes(): number {
    const { log, checkpointed } = this.#state;
    return (log - checkpointed) * this.#pageBytes;
  }

  /** A commit has returned: the record says so. */
  committed(): void {
    const { log, checkpointed } = this.#look();
    try {
      this.#tail.keep(log, checkpointed);
    } catch {
      // What it said before is still true.
    }
  }

  /**
   * Moves it into the database, as much as nobody else reads.
   * @throws what SQLite throws; all that was not moved is still in the log
   */
  move(): void {
    this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /**
   * Moves it, and gives back its room where nobody reads it.
   * @throws as move does
   */
  empty(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /**
   * It may go from now on. false: it must stay.
   * @throws EngineStopped
   */
  letGo(): boolean {
    try {
      this.#tail.clear();
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === 'fsync') throw new EngineStopped(fsyncText, { cause: error });
      return false;
    }
  }

  /** Closes the database, and with it the log. */
  close(): void {
    const { log, checkpointed } = this.#look();
    // Closing takes away a log that is all in the database. What could not be moved there is still known by its tail.
    if (log === checkpointed) this.letGo();
    this.#db.close();
    this.#tail.close();
  }

  #look(): { log: number; checkpointed: number } {
    this.#state = this.#stateOf.get() ?? { log: 0, checkpointed: 0 };
    return this.#state;
  }
}
