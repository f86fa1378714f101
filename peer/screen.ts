// What stands at the bottom of a terminal (status lines, the prompt, the line being typed) and the bytes that draw it.
import { cutToWidth, graphemes, graphemeWidth, rowsOf, textWidth } from './text-width.ts';

/** What is drawn below everything that was printed. */
export interface Footer {
  /** Each is cut to one row. */
  status: readonly string[];
  /** null: nothing is being asked. */
  input: { prompt: string; text: string; cursor: number } | null;
}

/** A line as it is printed: `painted` is what is written for `text`; an empty key means nothing. */
export interface Printed {
  text: string;
  painted: string;
  key: string;
}

interface Layout {
  rows: string[];
  cursorRow: number;
  cursorColumn: number;
}

/** Rows of at most `columns`, and at most `maxRows` of the typed text: those around the cursor. */
export function layOut(footer: Footer, columns: number, maxRows: number): Layout {
  const status = footer.status.map((line) => cutToWidth(line, columns));
  if (footer.input === null) {
    return { rows: [...status, ''], cursorRow: status.length, cursorColumn: 0 };
  }
  const typed = wrap(footer.input, columns);
  const room = Math.max(1, maxRows - status.length);
  const first = Math.max(0, Math.min(typed.cursorRow - room + 1, typed.rows.length - room));
  return {
    rows: [...status, ...typed.rows.slice(first, first + room)],
    cursorRow: status.length + typed.cursorRow - first,
    cursorColumn: typed.cursorColumn,
  };
}

function wrap(input: { prompt: string; text: string; cursor: number }, columns: number): Layout {
  const rows: string[] = [''];
  let used = 0;
  let cursor: { row: number; column: number } | null = null;
  const put = (shown: string) => {
    const width = graphemeWidth(shown);
    if (used + width > columns) {
      rows.push('');
      used = 0;
    }
    rows[rows.length - 1] += shown;
    used += width;
  };
  for (const grapheme of graphemes(input.prompt)) put(grapheme);
  let index = 0;
  for (const grapheme of graphemes(input.text)) {
    const shown = grapheme === '\n' ? '↵' : grapheme;
    if (index === input.cursor) {
      // Before a character that goes to the next row, the cursor does too.
      const next = used + graphemeWidth(shown) > columns;
      cursor = next ? { row: rows.length, column: 0 } : { row: rows.length - 1, column: used };
    }
    put(shown);
    index += grapheme.length;
  }
  if (cursor === null) {
    if (used >= columns) {
      rows.push('');
      used = 0;
    }
    cursor = { row: rows.length - 1, column: used };
  }
  return { rows, cursorRow: cursor.row, cursorColumn: cursor.column };
}

function moveUp(rows: number): string {
  return rows > 0 ? `\x1b[${rows}A` : '';
}

/**
 * Clears so many rows from this one on. Not with one sequence: at the top left, tmux takes that for clearing the
 * screen and puts what was there into its history.
 */
function clearBelow(rows: number): string {
  return rows > 1 ? '\x1b[K\x1b[B\x1b[J\x1b[A' : '\x1b[K';
}

/** Keeps what is drawn, so that the next drawing can take its place. Returns bytes; never touches a terminal. */
export class Screen {
  #drawn: Layout | null = null;
  /** The last printed line, while nothing else was printed after it. */
  #last: { key: string; text: string } | null = null;

  /** Takes the footer off and leaves the cursor where it began. */
  erase(columns: number): string {
    const drawn = this.#drawn;
    this.#drawn = null;
    if (drawn === null) return '';
    // After the window became narrower the terminal has wrapped what we drew.
    const heights = drawn.rows.map((row) => Math.max(1, Math.ceil(textWidth(row) / columns)));
    const sum = (all: readonly number[]) => all.reduce((total, height) => total + height, 0);
    const up = sum(heights.slice(0, drawn.cursorRow)) + Math.floor(drawn.cursorColumn / columns);
    return `${moveUp(up)}\r${clearBelow(sum(heights))}`;
  }

  draw(footer: Footer, columns: number, rows: number): string {
    const before = this.erase(columns);
    if (footer.input === null && footer.status.length === 0) return before;
    const layout = layOut(footer, columns, Math.max(1, rows - 1));
    this.#drawn = layout;
    const up = layout.rows.length - 1 - layout.cursorRow;
    const right = layout.cursorColumn;
    return `${before}${layout.rows.join('\r\n')}${moveUp(up)}\r${right > 0 ? `\x1b[${right}C` : ''}`;
  }

  /**
   * Prints lines above the footer, which must be drawn again after it. A line whose key is that of the line printed
   * last takes its place: a message that was accepted and then stored is one line.
   */
  print(line: Printed, columns: number, rows: number): string {
    const before = this.erase(columns);
    let up = 0;
    if (line.key !== '' && this.#last?.key === line.key) up = rowsOf(this.#last.text, columns);
    if (up >= rows) up = 0;
    this.#last = { key: line.key, text: line.text };
    return `${before}${up > 0 ? `${moveUp(up)}\r${clearBelow(up)}` : ''}${line.painted.replaceAll('\n', '\r\n')}\r\n`;
  }

  /** The typed line stays where it is and becomes part of what was printed. */
  keep(columns: number, shown: string): string {
    this.#last = null;
    return `${this.erase(columns)}${shown}\r\n`;
  }

  /** The terminal was cleared or written to by somebody else. */
  forget(): void {
    this.#drawn = null;
    this.#last = null;
  }
}
