// The client that comes back with a ticket as docs/protocol.md says, against the real center.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { TestCenter } from '../helpers/center.ts';

const clientFile = fileURLToPath(new URL('resume.js', import.meta.url));

describe('a client that comes back with a ticket, written from docs/protocol.md', () => {
  let center: TestCenter;

  beforeEach(async () => {
    center = await TestCenter.start({ plain: false });
  });

  afterEach(() => center.stop());

  it('needs neither certificate nor signature, and goes on where it was', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [clientFile, '127.0.0.1', String(center.center.port), 'google'],
      { env: { ...process.env, PASSWORD: 'summerisover' } },
    );
    const [account, ...lines] = stdout.trimEnd().split('\n');
    expect(account).to.match(/^account [1-9]/);
    expect(lines).to.deep.equal([
      'by ticket',
      `${account}, 1 sent, 1 waiting`,
      'the same token and ticket',
      '<google>: Hello again.',
    ]);
  });
});
