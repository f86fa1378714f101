// Private messages while links come and go: cut with all that was on its way, several at once, relayed and direct. What is
// written arrives once, and in order.
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type Cable, join, type Side, twoSides } from '../../helpers/pairings.ts';
import { until } from '../../helpers/until.ts';

const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: 12 }, (_, i) => i + 1);
const steps = 120;

/** A sequence of numbers from 0 to 1 that is the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('private messages while links come and go', () => {
  for (const seed of seeds) {
    it(`arrive once and in order (SEED=${seed})`, async () => {
      const random = randomFrom(seed);
      const sides = twoSides();
      const written = new Map<Side, string[]>(sides.map((side) => [side, []]));
      const cables: Cable[] = [];
      const open = (): void => {
        const client = sides[random() < 0.5 ? 0 : 1] as Side;
        const route = random() < 0.4 ? 'relayed' : 'direct';
        const slowest = random() * 6;
        const exporter = Buffer.alloc(32, Math.floor(random() * 256));
        cables.push(join(sides, client, { route, exporter, delay: () => random() * slowest }));
      };
      for (let step = 0; step < steps; step++) {
        const dice = random();
        if (dice < 0.5) {
          const side = sides[random() < 0.5 ? 0 : 1] as Side;
          for (let i = Math.floor(random() * 20); i >= 0; i--) {
            const text = `${written.get(side)?.length} ${'x'.repeat(Math.floor(random() * 50))}`;
            written.get(side)?.push(text);
            side.send(text);
          }
        } else if (dice < 0.62) open();
        else if (dice < 0.7) cables.splice(Math.floor(random() * cables.length), 1)[0]?.cut();
        else await wait(random() * 8);
      }
      for (const cable of cables) cable.cut();
      await wait(5);
      join(sides, sides[0]);
      await until(() => sides.every((side) => side.privateStore.allPending().length === 0), 'the end');
      const [one, two] = sides;
      expect(two.shown).to.deep.equal(written.get(one));
      expect(one.shown).to.deep.equal(written.get(two));
      for (const side of sides) {
        expect(side.stored.map(({ text }) => text)).to.deep.equal(written.get(side));
        side.close();
      }
    });
  }
});
