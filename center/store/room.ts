// What is kept free on the disk, so that receipts, logouts and deletion still work where nothing else fits.
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';

/** A file of zeros beside the database, given up when the disk is full and made again when there is room. */
export class ReserveFile {
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Whether the reserve is there now; a disk without room for it is full. */
  make(): boolean {
    if (statSync(this.#path, { throwIfNoEntry: false })?.size === this.#bytes) return true;
    try {
      const file = openSync(this.#path, 'w', 0o600);
      try {
        const zeros = new Uint8Array(Math.min(this.#bytes, 1024 * 1024));
        for (let left = this.#bytes; left > 0; ) left -= writeSync(file, zeros, 0, Math.min(left, zeros.length));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      return true;
    } catch {
      this.giveUp();
      return false;
    }
  }

  giveUp(): void {
    rmSync(this.#path, { force: true });
  }
}
