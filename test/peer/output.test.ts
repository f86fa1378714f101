// What has arrived of a program's output, and when that is known.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fileWrite, Output } from '../../peer/output.ts';
import { Unshown } from '../../peer/unshown.ts';
import { temporaryDirectory } from '../helpers/programs.ts';

describe('output', () => {
  let waiting: ((error?: Error) => void)[];
  let output: Output;
  let told: string[];

  beforeEach(() => {
    waiting = [];
    told = [];
    output = new Output((_text, done) => waiting.push(done));
  });

  const tell = (what: string) => (hasArrived: boolean) => told.push(`${what} ${hasArrived}`);
  const arrives = (error?: Error) => waiting.shift()!(error);

  it('tells when all that was written until then has arrived', () => {
    output.whenArrived(tell('nothing'));
    output.write('one');
    output.write('two');
    output.whenArrived(tell('two'));
    output.write('three');
    output.whenArrived(tell('three'));
    arrives();
    expect(told).to.deep.equal(['nothing true']);
    arrives();
    expect(told).to.deep.equal(['nothing true', 'two true']);
    arrives();
    expect(told).to.deep.equal(['nothing true', 'two true', 'three true']);
  });

  it('counts what comes after a loss as lost', () => {
    let losses = 0;
    output.onLost = () => {
      losses += 1;
    };
    output.write('one');
    output.write('two');
    output.whenArrived(tell('two'));
    arrives(new Error('gone'));
    arrives();
    output.write('three');
    output.whenArrived(tell('three'));
    expect(told).to.deep.equal(['two false', 'three false']);
    expect(losses).to.equal(1);
  });

  it('is settled when all has arrived, is lost, or nothing moves any more', async () => {
    await output.settled(60_000);
    output.write('one');
    output.write('two');
    await output.settled(1);
    const settled = output.settled(60_000);
    arrives();
    arrives();
    await settled;
    output.write('three');
    const lost = output.settled(60_000);
    arrives(new Error('gone'));
    await lost;
  });

  it('writes files whole', () => {
    const directory = temporaryDirectory();
    const path = join(directory.path, 'out');
    const fd = openSync(path, 'w');
    const file = new Output(fileWrite(fd));
    file.write('größer\n');
    file.whenArrived(tell('file'));
    closeSync(fd);
    expect(readFileSync(path, 'utf8')).to.equal('größer\n');
    file.write('more');
    file.whenArrived(tell('closed file'));
    expect(told).to.deep.equal(['file true', 'closed file false']);
    directory.remove();
  });

  it('says what is lost where it matters, and what to do', () => {
    const lossOf = (code: string, messages: number, isDone = true): string | null => {
      const unread = new Output((_text, done) => done(Object.assign(new Error(code), { code })));
      const unshown = new Unshown(unread, () => undefined);
      unread.write('line');
      for (let n = 0; n < messages; n++) unshown.watch();
      return unshown.text(isDone);
    };
    expect(lossOf('EPIPE', 0)).to.equal(null);
    expect(lossOf('EPIPE', 0, false)).to.match(/not all of the input was done/);
    expect(lossOf('EPIPE', 1)).to.match(/: 1 message was not shown\. Start again/);
    expect(lossOf('ECONNRESET', 2)).to.match(/: 2 messages were not shown\. Start again/);
    expect(lossOf('ENOSPC', 0)).to.match(/\(ENOSPC\)\. Make room, then start again/);
    expect(lossOf('EIO', 0)).to.match(/\(EIO\)\. Give it another output, then start again/);
  });
});
