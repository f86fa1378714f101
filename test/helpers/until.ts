// Waiting for what no event tells.
import { setTimeout as wait } from 'node:timers/promises';

const patienceMs = 20_000;
const lookEveryMs = 10;

/** Until it is so; fails, saying what, when it takes too long. */
export async function until(is: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!is()) {
    if (performance.now() > endMs) throw new Error(`${what} did not come to be`);
    await wait(lookEveryMs);
  }
}
