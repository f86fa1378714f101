// The screen of a terminal that cannot move its cursor: everything is written after what is there already.

import type { Footer, Printed } from './screen.ts';
import { graphemes } from './text-width.ts';

export class DumbScreen {
  /** What stands on the last row, unfinished. */
  #row: string | null = null;

  /** Status lines are left out: they could never be taken off. */
  draw(footer: Footer): string {
    if (footer.input === null) return this.#fresh();
    const wanted = footer.input.prompt + footer.input.text.replaceAll('\n', '↵');
    const row = this.#row;
    this.#row = wanted;
    if (row === null) return wanted;
    if (wanted.startsWith(row)) return wanted.slice(row.length);
    const gone = row.startsWith(wanted) ? row.slice(wanted.length) : null;
    if (gone !== null && /^[\x20-\x7e]*$/.test(gone)) return '\b \b'.repeat(graphemes(gone).length);
    return `\r\n${wanted}`;
  }

  print(line: Printed): string {
    return `${this.#fresh()}${line.painted.replaceAll('\n', '\r\n')}\r\n`;
  }

  /** The typed line has its end. */
  keep(): string {
    this.#row = null;
    return '\r\n';
  }

  erase(): string {
    return this.#fresh();
  }

  forget(): void {
    this.#row = null;
  }

  #fresh(): string {
    const begun = this.#row !== null;
    this.#row = null;
    return begun ? '\r\n' : '';
  }
}
