// What is kept free on the disk, so that receipts, logouts and deletion still work where nothing else fits.
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';

const stepBytes = 1024 * 1024;

/** A file of zeros beside the database: its room is given back when the disk is full. */
export class ReserveFile {
  readonly #path: string;
  #bytes: number;

  constructor(path: string) {
    this.#path = path;
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Makes it at least this long. false: the disk has no room for that. */
  hold(bytes: number): boolean {
    if (this.#bytes >= bytes) return true;
    const zeros = new Uint8Array(stepBytes);
    let file: number | undefined;
    try {
      file = openSync(this.#path, 'a', 0o600);
      while (this.#bytes < bytes) this.#bytes += writeSync(file, zeros);
      return true;
    } catch {
      // Which error it is makes no difference: this room is not there.
      return false;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  giveUp(): void {
    rmSync(this.#path, { force: true });
    this.#bytes = 0;
  }
}
