import { expect } from 'chai';
import { firstOf, interleaved } from '../../peer/race.ts';
import { codeOf } from '../helpers/peers.ts';

describe('a race of several ways', () => {
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));

  it('takes the first that works, and aborts the others', async () => {
    const aborted: string[] = [];
    const won = await firstOf(['slow', 'fast'], {
      attempt: (way, signal) => {
        signal.addEventListener('abort', () => aborted.push(way));
        return way === 'fast' ? Promise.resolve(way) : never(signal);
      },
      discard: () => undefined,
      delayMs: 5,
    });
    expect(won).to.equal('fast');
    expect(aborted).to.include('slow');
  });

  it('begins the next at once when one has failed', async () => {
    const won = await firstOf(['broken', 'good'], {
      attempt: async (way) => {
        if (way === 'broken') throw new Error('broken');
        return way;
      },
      discard: () => undefined,
      delayMs: 1_000_000,
    });
    expect(won).to.equal('good');
  });

  it('lets go of what was won too late', async () => {
    const late = Promise.withResolvers<string>();
    const discarded: string[] = [];
    await firstOf(['late', 'fast'], {
      attempt: (way) => (way === 'late' ? late.promise : Promise.resolve(way)),
      discard: (won) => discarded.push(won),
      delayMs: 1,
    });
    late.resolve('late');
    await late.promise;
    expect(discarded).to.deep.equal(['late']);
  });

  it('fails as the last one did, and when there is none', async () => {
    const attempt = (way: string): Promise<never> => Promise.reject(Object.assign(new Error(way), { code: way }));
    const race = { attempt, discard: () => undefined, delayMs: 1 };
    expect(await codeOf(firstOf(['one', 'two'], race))).to.equal('two');
    expect(await codeOf(firstOf([], race))).to.equal('disconnected');
  });

  it('can be given up', async () => {
    const abort = new AbortController();
    const race = firstOf(['one'], {
      attempt: (_way, signal) => never(signal),
      discard: () => undefined,
      delayMs: 1,
      signal: abort.signal,
    });
    abort.abort();
    expect(await codeOf(race)).to.equal('cancelled');
  });

  it('takes the families of addresses in turn', () => {
    const isIPv6 = (address: string): boolean => address.includes(':');
    expect(interleaved(['::1', '::2', '1.1', '::3', '2.2'], isIPv6)).to.deep.equal(['::1', '1.1', '::2', '2.2', '::3']);
    expect(interleaved(['1.1', '::1', '::2'], isIPv6)).to.deep.equal(['1.1', '::1', '::2']);
    expect(interleaved([], isIPv6)).to.deep.equal([]);
  });
});
