// Makes remote text safe to show: nothing that comes over a socket may steer a terminal or a log.

// Controls but newline, lone surrogates, bidi controls, line and paragraph separators, interlinear annotation, and what is
// invisible (tags, zero-width and filler characters), which hides or fakes text. What joins letters and picks the look of
// an emoji stays: U+200C, U+200D and the variation selectors U+FE00 to U+FE0F.
const unsafe =
  /[[\p{Cc}--\n]\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\u{fff9}-\u{fffb}[\p{Default_Ignorable_Code_Point}--[\u{200c}\u{200d}\u{fe00}-\u{fe0f}]]]/gv;

// ANSI sequences (ECMA-48), whole, so that no letters of them stay: control sequences, strings with their terminator, and
// the shorter escapes. The 8-bit forms are not: of U+009D and its like only the character goes, for wrongly decoded text is
// full of them.
const ansi =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g;

/** Text with newlines as its only control characters: no ANSI sequences, bidi overrides or invisible characters. */
export function safeText(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').replace(ansi, '').replace(unsafe, '');
}

/** As safeText, on one line. */
export function safeLine(text: string): string {
  return safeText(text).replaceAll('\n', ' ');
}

/** Further lines of a message, indented so that remote text never begins a line. */
export function indentFurtherLines(text: string): string {
  return text.replaceAll('\n', '\n    ');
}
