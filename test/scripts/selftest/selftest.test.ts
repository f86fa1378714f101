// A short form of the self-test: real programs, killed and cut off at random, and nothing lost.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runSelftest } from '../../../scripts/selftest/run.ts';
import { program } from '../../helpers/programs.ts';

/** Another one: PARLEY_TEST_SEED=7 mocha test/scripts/selftest/selftest.test.ts */
const seed = Number(process.env.PARLEY_TEST_SEED ?? 20261121);

describe('the self-test, in short', function () {
  this.timeout(120_000);
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'parley-selftest-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  for (const plain of [false, true]) {
    it(`finds nothing lost, duplicated or reordered, ${plain ? 'without' : 'over'} TLS`, () => findsNothing(plain));
  }

  async function findsNothing(plain: boolean): Promise<void> {
    const centerCommand = program('center');
    const verdict = await runSelftest({ rounds: 8, seed, dir, peers: 4, messages: 400, centerCommand, plain });
    const { lost, duplicated, reordered, failed, crashed, examples } = verdict;
    expect({ lost, duplicated, reordered, failed, crashed }, `seed ${seed}: ${examples.join('; ')}`).to.deep.equal({
      lost: 0,
      duplicated: 0,
      reordered: 0,
      failed: 0,
      crashed: 0,
    });
    expect(verdict.accepted).to.be.greaterThan(1000);
  }
});
