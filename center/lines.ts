// Cuts a byte stream into lines, holding no more than one, and no more of it than a limit.

export interface Line {
  /** Counted from 1. */
  number: number;
  /** Without the newline; null for a line over the limit. */
  bytes: Buffer | null;
}

const newline = 0x0a;

/** The lines of a stream as they come; the last one needs no newline. */
export async function* readLines(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array) => {
    length += part.length;
    if (length <= maxBytes) parts.push(part);
    else parts = [];
  };
  const finish = (): Line => {
    const bytes = length <= maxBytes ? Buffer.concat(parts) : null;
    parts = [];
    length = 0;
    return { number: number++, bytes };
  };
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      take(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    take(chunk.subarray(start));
  }
  if (length > 0) yield finish();
}
