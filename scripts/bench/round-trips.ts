// How long a private message and its receipt, and a private message and its answer, take on a direct link, beside the same
// through the center: as an ordinary message, and as a private one that the center relays.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Peer } from '../../peer/index.ts';
import { startFarEnd } from './links.ts';
import { cores, moveTo } from './processes.ts';

/** Medians in microseconds; one message at a time, all ways in turn. */
export interface RoundTrips {
  /** An ordinary message through the center. */
  throughCenterUs: number;
  /** A private one over a relayed link: what is private, through the center. */
  relayedUs: number;
  directUs: number;
}

export interface LinkTimes {
  /** In a history on disk, or in memory only (--no-history). */
  history: boolean;
  /** Until the sender has the receipt: stored over there. */
  receipt: RoundTrips;
  /** Until the sender sees the answer of the program that runs the other peer. */
  answer: RoundTrips;
}

const password = 'summerisover';
/** Until the peers' code is compiled as it will be. With a history the disk is what takes time. */
const warmups = { memory: 1000, disk: 100 };
const turns = 20;
const turnTrips = 50;

type Way = keyof RoundTrips;
const ways: readonly Way[] = ['throughCenterUs', 'relayedUs', 'directUs'];

/** Runs against a center that is there already, registration open. */
export async function measureRoundTrips(center: { port: number }, dir: string, history: boolean): Promise<LinkTimes> {
  // The center has a core, and the peers the other one.
  moveTo(cores.load);
  try {
    return await measure(center, dir, history);
  } finally {
    moveTo(null);
  }
}

async function measure(center: { port: number }, dir: string, history: boolean): Promise<LinkTimes> {
  const direct = await Pair.begin(center, dir, { route: 'direct', history });
  const relayed = await Pair.begin(center, dir, { route: 'relayed', history });
  const trips = {
    throughCenterUs: { pair: direct, isPrivate: false },
    relayedUs: { pair: relayed, isPrivate: true },
    directUs: { pair: direct, isPrivate: true },
  };
  const receipt = await inTurn(history, (way) => trips[way].pair.receipt(trips[way].isPrivate));
  const answer = await inTurn(history, (way) => trips[way].pair.answer(trips[way].isPrivate));
  await Promise.all([direct.end(), relayed.end()]);
  return { history, receipt, answer };
}

/** Turn and turn about, so that whatever else the machine does befalls all ways alike. */
async function inTurn(history: boolean, trip: (way: Way) => Promise<void>): Promise<RoundTrips> {
  const times: Record<Way, number[]> = { throughCenterUs: [], relayedUs: [], directUs: [] };
  const warmUps = history ? warmups.disk : warmups.memory;
  for (const way of ways) for (let i = 0; i < warmUps; i++) await trip(way);
  for (let turn = 0; turn < turns; turn++) {
    for (const way of ways) {
      for (let i = 0; i < turnTrips; i++) {
        const startMs = performance.now();
        await trip(way);
        times[way].push((performance.now() - startMs) * 1000);
      }
    }
  }
  return {
    throughCenterUs: median(times.throughCenterUs),
    relayedUs: median(times.relayedUs),
    directUs: median(times.directUs),
  };
}

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
}

/** One peer here and one in a process of its own, which answers what it is sent. */
class Pair {
  readonly #near: Peer;
  readonly #otherName: string;
  readonly #endFar: () => void;
  #onAnswer: (() => void) | null = null;

  static async begin(
    center: { port: number },
    dir: string,
    { route, history }: { route: 'direct' | 'relayed'; history: boolean },
  ): Promise<Pair> {
    const suffix = `${route}-${history ? 'kept' : 'memory'}`;
    const [own, other] = [`seas-${suffix}`, `google-${suffix}`];
    for (const name of [own, other]) mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
    const listens = route === 'direct';
    const near = new Peer({
      host: '127.0.0.1',
      port: center.port,
      history,
      dataDir: join(dir, own),
      ...(listens ? { listen: { host: '127.0.0.1', port: 0 } } : {}),
    });
    const pair = new Pair(near, other, () => farEnd.process.disconnect());
    await near.register(own, password);
    const far = { port: center.port, dataDir: join(dir, other), name: other, partner: own };
    const farEnd = await startFarEnd({ kind: 'peer', ...far, listens, history });
    await near.private(other, 'the link is up');
    const [link] = near.links();
    if (!link || (link.route === 'relayed') !== (route === 'relayed')) {
      throw new Error(`The link is ${link?.route ?? 'not there'}, and was to be ${route}.`);
    }
    return pair;
  }

  private constructor(near: Peer, otherName: string, endFar: () => void) {
    this.#near = near;
    this.#otherName = otherName;
    this.#endFar = endFar;
    // Somebody must take what comes: without history it is stored when it was shown.
    near.on((event) => {
      if (event.type === 'message') this.#onAnswer?.();
    });
  }

  async receipt(isPrivate: boolean): Promise<void> {
    if (isPrivate) await this.#near.private(this.#otherName, 'one message', { until: 'stored' });
    else await this.#near.send(this.#otherName, 'one message', { until: 'stored' });
  }

  async answer(isPrivate: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onAnswer = resolve;
    if (isPrivate) await this.#near.private(this.#otherName, questionText, { until: 'outbox' });
    else await this.#near.send(this.#otherName, questionText, { until: 'outbox' });
    await promise;
  }

  async end(): Promise<void> {
    this.#endFar();
    await this.#near.close();
  }
}

/** What the far end answers, by the way on which it came. */
export const questionText = 'is this thing on?';
