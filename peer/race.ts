// Several ways to one end, each begun a little after the one before: the first that works is taken (RFC 8305, 5).
import { ParleyError } from '../shared/errors.ts';

export interface Race<Way, Won> {
  /** The signal is aborted when another has won, or nobody waits any more. */
  attempt(way: Way, signal: AbortSignal): Promise<Won>;
  /** Lets go of what was won too late. */
  discard(won: Won): void;
  /** Between two beginnings; a failure begins the next one at once. */
  delayMs: number;
  signal?: AbortSignal | undefined;
}

/** Resolves with what was won first. Rejects as the last way that failed did, or with cancelled. */
export function firstOf<Way, Won>(ways: readonly Way[], race: Race<Way, Won>): Promise<Won> {
  const { promise, resolve, reject } = Promise.withResolvers<Won>();
  const abort = new AbortController();
  const waiting = [...ways];
  let underWay = 0;
  let timer: NodeJS.Timeout | undefined;

  function end(): void {
    clearTimeout(timer);
    race.signal?.removeEventListener('abort', giveUp);
    abort.abort();
  }
  function giveUp(): void {
    end();
    reject(new ParleyError('cancelled', 'It was given up.'));
  }
  function begin(): void {
    clearTimeout(timer);
    const way = waiting.shift();
    if (way === undefined) return;
    underWay++;
    if (waiting.length > 0) timer = setTimeout(begin, race.delayMs);
    race.attempt(way, abort.signal).then(won, failed);
  }
  function won(result: Won): void {
    if (abort.signal.aborted) return race.discard(result);
    end();
    resolve(result);
  }
  function failed(error: unknown): void {
    underWay--;
    if (abort.signal.aborted) return;
    if (waiting.length > 0) return begin();
    if (underWay > 0) return;
    end();
    reject(error);
  }

  if (race.signal?.aborted) giveUp();
  else if (waiting.length === 0) reject(new ParleyError('disconnected', 'There is no way to try.'));
  else {
    race.signal?.addEventListener('abort', giveUp, { once: true });
    begin();
  }
  return promise;
}

/** One of each family in turn, the first one's family first (RFC 8305, 4). */
export function interleaved<Item>(items: readonly Item[], isIPv6: (item: Item) => boolean): Item[] {
  const [first] = items;
  if (first === undefined) return [];
  const begins = isIPv6(first);
  const mine = items.filter((item) => isIPv6(item) === begins);
  const others = items.filter((item) => isIPv6(item) !== begins);
  return mine.flatMap((item, i) => [item, ...others.slice(i, i + 1)]).concat(others.slice(mine.length));
}
