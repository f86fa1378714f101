import { Readable } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { readLines } from '../../center/lines.ts';

async function linesOf(chunks: Uint8Array[], maxBytes: number): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for await (const { number, bytes } of readLines(Readable.from(chunks), maxBytes)) {
    expect(number).to.equal(lines.length + 1);
    lines.push(bytes?.toString() ?? null);
  }
  return lines;
}

function cut(text: string, every: number): Uint8Array[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / every) }, (_, i) => bytes.subarray(i * every, (i + 1) * every));
}

describe('lines', () => {
  it('gives the lines of a stream, the last with or without a newline', async () => {
    expect(await linesOf(cut('one\n\ntwo\n', 100), 10)).to.deep.equal(['one', '', 'two']);
    expect(await linesOf(cut('one\ntwo', 100), 10)).to.deep.equal(['one', 'two']);
    expect(await linesOf([], 10)).to.deep.equal([]);
  });

  it('gives null for a line over the limit and goes on after it', async () => {
    for (const every of [1, 3, 100]) {
      expect(await linesOf(cut('1234567890\n12345678901\nend\n', every), 10)).to.deep.equal([
        '1234567890',
        null,
        'end',
      ]);
    }
  });

  it('does not depend on where the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'binary', maxLength: 12 }).filter((line) => !line.includes('\n'))),
        fc.integer({ min: 1, max: 20 }),
        async (lines, every) => {
          const text = lines.map((line) => `${line}\n`).join('');
          const expected = Buffer.from(text).toString().split('\n').slice(0, -1);
          expect(await linesOf(cut(text, every), 1000)).to.deep.equal(expected);
        },
      ),
    );
  });
});
