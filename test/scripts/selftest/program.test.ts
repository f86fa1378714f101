// The self-test as a program: what it cannot do it says, with the exit code that is not that of a loss.
import { expect } from 'chai';
import { program, Running } from '../../helpers/programs.ts';

describe('center selftest', function () {
  this.timeout(20_000);

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
