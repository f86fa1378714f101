// Long lines on a terminal: broken between words, and further rows indented, so that no text begins a row of its own.
import { graphemes, graphemeWidth, textWidth } from './text-width.ts';

/** How far the further rows of a line stand in. */
export const usualIndent = 4;
/** A link to click or copy. It has no characters that could make a row of it look like a line of another. */
const link = /^https?:\/\/[\w.~:/?#@!$&'()*+,;=%[\]-]+$/;

/**
 * The text in rows of at most `columns`, joined by newlines. Broken at blanks where there are any, else within the
 * word; a link that is longer than a row is left in one piece, for the terminal to break. Where an indentation leaves less than
 * half a row, what would stand there stands below, a little indented.
 */
export function wrapWords(text: string, columns: number, indent = usualIndent): string {
  const hasRoom = indent * 2 <= columns;
  const fits = hasRoom ? indent : Math.min(usualIndent, Math.floor(columns / 4));
  return text
    .split('\n')
    .flatMap((part) => {
      if (textWidth(part) <= columns) return part;
      return hasRoom
        ? wrapPart(part, columns, fits)
        : stacked(part, indent, fits).map((one) => wrapPart(one, columns, fits));
    })
    .join('\n');
}

/** Two columns one below the other. */
function stacked(line: string, secondAt: number, indent: number): string[] {
  const first = line.slice(0, secondAt).trimEnd();
  return first.length < secondAt ? [first, ' '.repeat(indent) + line.slice(secondAt)] : [line];
}

function wrapPart(part: string, columns: number, indent: number): string {
  const rows: string[] = [];
  let row = '';
  let used = 0;
  const begin = () => {
    rows.push(row);
    row = ' '.repeat(indent);
    used = indent;
  };
  for (const [, blanks = '', word = ''] of part.matchAll(/( *)([^ ]*)/g)) {
    if (blanks === '' && word === '') continue;
    const width = textWidth(word);
    const isTooLong = width > columns - indent;
    if (used + blanks.length + width <= columns || (isTooLong && link.test(word))) {
      row += blanks + word;
      used += blanks.length + width;
    } else if (!isTooLong) {
      begin();
      row += word;
      used += width;
    } else {
      // Too long for any row: it goes on where the row before ends.
      if (used + blanks.length >= columns) begin();
      else {
        row += blanks;
        used += blanks.length;
      }
      for (const grapheme of graphemes(word)) {
        if (used + graphemeWidth(grapheme) > columns) begin();
        row += grapheme;
        used += graphemeWidth(grapheme);
      }
    }
    // The terminal has broken it: what follows stands on its last row.
    if (used > columns) used = used % columns || columns;
  }
  rows.push(row);
  return rows.join('\n');
}

/** Where the second column of a line begins: behind the first gap that is wider than a blank. */
export function secondColumn(line: string): number {
  const gap = /(?<=\S) {2,}/.exec(line);
  return gap === null ? usualIndent : gap.index + gap[0].length;
}
