// Makes remote text safe to show: nothing that comes over a socket may steer a terminal or a log.

// C0 and C1 controls, DEL, bidi embeddings, overrides, isolates and marks, zero-width and other
// default-ignorable characters used to hide or fake text, line and paragraph separators, lone surrogates.
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|\u17b4|\u17b5|\u180b|\u180c|\u180d|\u180e|\u180f|\p{Cs}/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: ANSI sequences, whole, so that no letters of them stay
const ansi = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;

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
