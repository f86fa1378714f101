import { Readable } from 'node:stream';
import { expect } from 'chai';
import { type Credential, maxLineBytes, readCredentials } from '../../center/credentials.ts';

async function read(...chunks: (string | Uint8Array)[]): Promise<Credential[]> {
  const all: Credential[] = [];
  for await (const one of readCredentials(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) all.push(one);
  return all;
}

async function errorOf(line: string | Uint8Array): Promise<string> {
  const [credential] = await read(line);
  if (credential === undefined || 'name' in credential) throw new Error('the line was taken');
  return credential.error;
}

describe('credentials', () => {
  it('reads a name and a password a line, without comments and blank lines', async () => {
    expect(await read('# a comment\n\nseas summerisover\n   \n  # another\ngoogle\thasthesky\n')).to.deep.equal([
      { line: 3, name: 'seas', password: 'summerisover' },
      { line: 6, name: 'google', password: 'hasthesky' },
    ]);
  });

  it('takes the rest of the line as the password, blanks inside included and around not', async () => {
    expect(await read('seas   summer is  over \t\n')).to.deep.equal([
      { line: 1, name: 'seas', password: 'summer is  over' },
    ]);
  });

  it('reads the files of other systems', async () => {
    expect(await read('\ufeffseas summerisover\r\ngoogle hasthesky\r\n')).to.deep.equal([
      { line: 1, name: 'seas', password: 'summerisover' },
      { line: 2, name: 'google', password: 'hasthesky' },
    ]);
  });

  it('takes a password with a # and in any script', async () => {
    expect(await read('seas #sommer-ist-vörbei\n')).to.deep.equal([
      { line: 1, name: 'seas', password: '#sommer-ist-vörbei' },
    ]);
  });

  it('says what is wrong with a line', async () => {
    expect(await errorOf('seas')).to.equal('A line is a name, a blank and a password.');
    expect(await errorOf('seas tiny')).to.include('too short');
    expect(await errorOf(`seas ${'x'.repeat(73)}`)).to.include('too long');
    expect(await errorOf(`${'x'.repeat(26)} summerisover`)).to.include('too long');
    expect(await errorOf('-seas summerisover')).to.include('begins with');
    expect(await errorOf('quit summerisover')).to.include('is a command');
    expect(await errorOf(Buffer.from([0x73, 0x20, 0xff, 0xfe, 0x20, 0x20, 0x20]))).to.include('not UTF-8');
    expect(await errorOf(`seas ${'x'.repeat(maxLineBytes)}`)).to.include(`at most ${maxLineBytes} bytes`);
  });

  it('refuses a name on its second line, without regard to case', async () => {
    expect(await read('seas summerisover\nSeas otherwise\n')).to.deep.equal([
      { line: 1, name: 'seas', password: 'summerisover' },
      { line: 2, error: 'Seas is on line 1 already.' },
    ]);
  });

  it('gives every other line where some are wrong', async () => {
    const all = await read('seas\ngoogle hasthesky\nx\n');
    expect(all.map((one) => ('name' in one ? one.name : one.line))).to.deep.equal([1, 'google', 3]);
  });
});
