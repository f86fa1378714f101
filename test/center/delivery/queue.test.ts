// The queue of a mailbox in memory, held against an array.
import { expect } from 'chai';
import fc from 'fast-check';
import { Queue } from '../../../center/delivery/queue.ts';

type Step = { name: 'push' | 'shift' | 'unshift'; count: number } | { name: 'clear' };

const steps = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.record({ name: fc.constantFrom('push', 'shift'), count: fc.nat(40) }) },
    { weight: 3, arbitrary: fc.record({ name: fc.constant('unshift'), count: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ name: fc.constant('clear') }) },
  ) as fc.Arbitrary<Step>,
);

describe('queue', () => {
  it('gives back what came first, whatever is done with it', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const queue = new Queue<{ n: number }>();
        let expected: { n: number }[] = [];
        let next = 0;
        const items = (count: number) => Array.from({ length: count }, () => ({ n: next++ }));
        for (const step of all) {
          if (step.name === 'clear') {
            queue.clear();
            expected = [];
          } else if (step.name === 'unshift') {
            const first = items(step.count);
            queue.unshift(first);
            expected.unshift(...first);
          } else if (step.name === 'push') {
            for (const item of items(step.count)) {
              queue.push(item);
              expected.push(item);
            }
          } else for (let i = 0; i < step.count; i++) expect(queue.shift()).to.equal(expected.shift());
          expect(queue.length).to.equal(expected.length);
          expect(queue.peek()).to.equal(expected[0]);
          expect(queue.at(expected.length)).to.equal(undefined);
          expect([...queue]).to.deep.equal(expected);
          for (const [i, item] of expected.entries()) expect(queue.at(i)).to.equal(item);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('does not keep what was taken out', async () => {
    const queue = new Queue<object>();
    const taken: WeakRef<object>[] = [];
    for (let i = 0; i < 1000; i++) {
      const item = {};
      queue.push(item);
      queue.push({});
      taken.push(new WeakRef(queue.shift()!));
    }
    await new Promise((resolve) => setImmediate(resolve));
    (globalThis.gc ?? (await collector()))();
    expect(queue.length).to.equal(1000);
    expect(taken.filter((ref) => ref.deref() !== undefined)).to.have.length(0);
  });
});

/** V8's collector, for a process that was not started with it. */
async function collector(): Promise<() => void> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
