// The text of a message, before it is taken.
import { ParleyError } from '../shared/errors.ts';

/** Where the center told no limit. */
const defaultMaxBytes = 16 * 1024;

/** maxBytes: of UTF-8, as the center told; 0: it did not. Throws empty_body, bad_text, body_too_long. */
export function checkBody(text: string, maxBytes: number): void {
  if (text === '') throw new ParleyError('empty_body', 'There is no text.');
  if (!text.isWellFormed()) throw new ParleyError('bad_text', 'The text cannot be written in UTF-8.');
  const most = maxBytes || defaultMaxBytes;
  const bytes = Buffer.byteLength(text);
  if (bytes > most) {
    throw new ParleyError('body_too_long', `The text is too long: ${bytes} bytes, at most ${most}.`);
  }
}
