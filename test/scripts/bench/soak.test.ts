// The soak as a program: what it cannot judge it does not call flat.
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';

const soak = new URL('../../../scripts/bench/soak.ts', import.meta.url).pathname;

describe('npm run soak', () => {
  it('takes no time that ends before there is anything to compare', function () {
    this.timeout(60_000);
    const { status, stderr } = spawnSync(process.execPath, [soak, '--minutes', '3'], {
      encoding: 'utf8',
      timeout: 45_000,
    });
    expect(stderr).to.include('at least 4');
    expect(status).to.equal(2);
  });
});
