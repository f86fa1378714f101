// The self-test as a program: what it cannot do it says, with the exit code that is not that of a loss.
import { globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { program, Running } from '../../helpers/programs.ts';

describe('center selftest', function () {
  this.timeout(60_000);

  async function run(...args: string[]): Promise<{ code: unknown; stderr: string }> {
    const running = new Running([...program('center'), 'selftest', ...args]);
    const code = await running.ended();
    return { code, stderr: running.stderr };
  }

  it('ends with 2 where it cannot run', async () => {
    const { code, stderr } = await run('--dir', '/dev/null/parley', '--seed', '7');
    expect(stderr).to.match(/^\nThe self-test could not be run to its end \(seed 7\): Cannot keep data in .*\n$/);
    expect(code).to.equal(2);
  });

  for (const [signal, exitCode] of [
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`leaves nothing behind at ${signal}`, async () => {
      const dir = mkdtempSync(join(tmpdir(), 'parley-selftest-'));
      const main = new URL('../../../scripts/selftest/main.ts', import.meta.url).pathname;
      const running = new Running([process.execPath, main, '--dir', dir, '--rounds', '100']);
      try {
        while (globSync(join(dir, '*', 'center', 'center.db')).length === 0) await wait(20);
        running.child.kill(signal);
        expect(await running.ended()).to.equal(exitCode);
        expect(running.stderr).to.match(/^seed \d+\n/);
        expect(readdirSync(dir)).to.deep.equal([]);
      } finally {
        await running.kill();
        rmSync(dir, { recursive: true });
      }
    });
  }

  for (const [option, least] of [
    ['--peers', 2],
    ['--rounds', 1],
    ['--messages', 1],
  ] as const) {
    it(`takes ${option} from ${least} up`, async () => {
      const { code, stderr } = await run(option, String(least - 1));
      expect(stderr).to.include(`from ${least} up`);
      expect(code).to.equal(2);
    });
  }
});
