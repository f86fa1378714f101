import { expect } from 'chai';
import { noFaults } from '../../../scripts/selftest/faults.ts';
import { keepsPromise, tellResult } from '../../../scripts/selftest/report.ts';
import type { Result } from '../../../scripts/selftest/run.ts';
import { judge } from '../../../scripts/selftest/verdict.ts';

describe('the report of the self-test', () => {
  const good: Result = { ...judge([]), accepted: 3, shown: 3, faults: noFaults(), crashed: 0 };
  const done = { rounds: 7, seed: 42, peers: 6, messages: 1200, plain: false, seconds: 1 };

  it('is a good one only where nothing is lost, duplicated or reordered, and nothing has crashed', () => {
    expect(keepsPromise(good)).to.equal(true);
    for (const wrong of ['lost', 'duplicated', 'reordered', 'crashed'] as const) {
      expect(keepsPromise({ ...good, [wrong]: 1 }), wrong).to.equal(false);
    }
    expect(keepsPromise({ ...good, again: 5 })).to.equal(true);
  });

  it('tells every count, and what is wrong', () => {
    const text = tellResult({ ...good, lost: 1, examples: ['lost: seas>google#1'] }, done);
    const names = text.split('\n').map((line) => line.split(/ +/)[0]);
    expect(names).to.include.members(['accepted', 'shown', 'lost', 'duplicated', 'reordered', 'again', 'seed']);
    expect(text)
      .to.match(/^lost {8}1$/m)
      .and.to.match(/^ {2}lost: seas>google#1$/m);
  });

  it('tells how to run it again, with all that the decisions hang on', () => {
    expect(tellResult(good, done)).to.include('42   (run it again: --rounds 7 --seed 42)\n');
    const other = { ...done, peers: 3, messages: 50, plain: true };
    expect(tellResult(good, other)).to.include('--rounds 7 --seed 42 --peers 3 --messages 50 --plain)');
  });
});
