// Both sides look at the same two links, each from its end, and must keep the same one.
import { expect } from 'chai';
import { type Choosable, isBetter } from '../../../peer/links/choice.ts';
import type { Route } from '../../../peer/links/link.ts';

const one = 1;
const two = 2;

interface Seen {
  route: Route;
  /** Which account is the TLS client in it. */
  client: number;
  exporter: number;
}

const young = { isQuiet: false, ageMs: 0 };

function from(self: number, { route, client, exporter }: Seen, more = young): Choosable {
  return { channel: { route, isClient: client === self, exporter: Uint8Array.of(exporter) }, ...more };
}

describe('the choice between two links', () => {
  const routes = ['direct', 'dialled back', 'punched', 'relayed'] as const;
  const links: Seen[] = routes.flatMap((route) =>
    [one, two].flatMap((client) => [1, 2].map((exporter) => ({ route, client, exporter: exporter + 2 * client }))),
  );

  it('is the same at both ends, whichever came first', () => {
    for (const link of links) {
      for (const other of links) {
        if (link === other) continue;
        const what = JSON.stringify([link, other]);
        const here = isBetter(from(one, link), from(one, other), one, two);
        expect(isBetter(from(two, link), from(two, other), two, one), what).to.equal(here);
        const isTie = link.client === other.client && link.exporter === other.exporter;
        const isRanked = (link.route === 'relayed') !== (other.route === 'relayed');
        if (isTie && !isRanked) continue;
        expect(isBetter(from(one, other), from(one, link), one, two), what).to.equal(!here);
      }
    }
  });

  it('takes a direct link for a relayed one', () => {
    const relayed: Seen = { route: 'relayed', client: one, exporter: 1 };
    const direct: Seen = { route: 'direct', client: two, exporter: 2 };
    expect(isBetter(from(one, direct), from(one, relayed), one, two)).to.equal(true);
    expect(isBetter(from(one, relayed), from(one, direct), one, two)).to.equal(false);
  });

  it('takes any for one that is silent, or that the other side would have kept', () => {
    const direct: Seen = { route: 'direct', client: one, exporter: 1 };
    const relayed: Seen = { route: 'relayed', client: one, exporter: 2 };
    expect(isBetter(from(one, relayed), from(one, direct, { isQuiet: true, ageMs: 0 }), one, two)).to.equal(true);
    expect(isBetter(from(one, relayed), from(one, direct, { isQuiet: false, ageMs: 2_001 }), one, two)).to.equal(true);
  });
});
