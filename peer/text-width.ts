// How many columns of a terminal a text takes, and where it may be cut.

// Making one costs as much as cutting a word.
const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
// Latin and Cyrillic without marks of their own: each code unit is a character of one column.
const oneColumnEach = /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0400-\u0481\u048a-\u052f]*$/;
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}\u200b-\u200d]+$/u;
const emoji = /^(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|\p{Regional_Indicator}{2})/u;
// East Asian Wide and Fullwidth (Unicode Standard Annex 11).
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** The characters of a text as a reader counts them: what a cursor key steps over. */
export function graphemes(text: string): string[] {
  if (oneColumnEach.test(text)) return text.split('');
  return Array.from(segmenter.segment(text), (part) => part.segment);
}

/** Columns that one grapheme takes: 0, 1 or 2. */
export function graphemeWidth(grapheme: string): number {
  if (zeroWidth.test(grapheme)) return 0;
  return emoji.test(grapheme) || wide.test(grapheme) ? 2 : 1;
}

/** Columns that a text of one line takes. */
export function textWidth(text: string): number {
  if (oneColumnEach.test(text)) return text.length;
  return graphemes(text).reduce((columns, grapheme) => columns + graphemeWidth(grapheme), 0);
}

/** The text, cut to at most so many columns with `…` where something was cut. */
export function cutToWidth(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let taken = '';
  let width = 1; // of the `…`
  for (const grapheme of graphemes(text)) {
    width += graphemeWidth(grapheme);
    if (width > columns) break;
    taken += grapheme;
  }
  return `${taken}…`;
}

/** Rows that a printed line takes where the terminal wraps it. */
export function rowsOf(line: string, columns: number): number {
  let rows = 0;
  for (const part of line.split('\n')) {
    let used = 0;
    rows += 1;
    for (const grapheme of graphemes(part)) {
      const width = graphemeWidth(grapheme);
      if (used + width > columns) {
        rows += 1;
        used = 0;
      }
      used += width;
    }
  }
  return rows;
}
