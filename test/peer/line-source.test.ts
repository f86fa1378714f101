import { expect } from 'chai';
import { LineSource, maxLineBytes } from '../../peer/line-source.ts';

async function* chunks(...parts: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function lines(source: LineSource): Promise<string[]> {
  const all: string[] = [];
  for (let line = await source.next(); line !== null; line = await source.next())
    all.push(`${line.number} ${line.text}`);
  return all;
}

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: Error) => error.message,
  );
}

describe('lines of a pipe', () => {
  it('are numbered, with or without CR, also the last without an end', async () => {
    expect(await lines(new LineSource(chunks('a\nb\r\n\nc')))).to.deep.equal(['1 a', '2 b', '3 ', '4 c']);
    expect(await lines(new LineSource(chunks('a\n')))).to.deep.equal(['1 a']);
    expect(await lines(new LineSource(chunks()))).to.deep.equal([]);
  });

  it('do not depend on how the bytes arrive', async () => {
    const bytes = Buffer.from('é日\n👍x\n');
    expect(await lines(new LineSource(chunks(...[...bytes].map((byte) => Buffer.of(byte)))))).to.deep.equal([
      '1 é日',
      '2 👍x',
    ]);
  });

  it('that are not UTF-8 are refused alone', async () => {
    const source = new LineSource(chunks(Buffer.from([0xff, 0x0a]), 'ok\n'));
    expect(await failure(source.next())).to.include('not UTF-8');
    expect(await lines(source)).to.deep.equal(['2 ok']);
  });

  it('over the limit end it', async () => {
    const most = 'x'.repeat(maxLineBytes);
    expect(await lines(new LineSource(chunks(`${most}\nb`)))).to.have.length(2);
    const source = new LineSource(chunks(most, 'x', '\nb\n'));
    expect(await failure(source.next())).to.include('too long');
    expect(await source.next()).to.equal(null);
  });

  it('end while they are waited for', async () => {
    async function* silent(): AsyncGenerator<Uint8Array> {
      await new Promise(() => undefined);
    }
    const source = new LineSource(silent());
    const next = source.next();
    source.end();
    expect(await next).to.equal(null);
  });
});
