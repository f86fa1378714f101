// How much slower than meant this machine is now: what has to come within a time is given so much more of it.
import { spawnSync } from 'node:child_process';

/** A machine as the times are meant for starts Node in so many milliseconds. */
const startMs = 100;

/** 1 or more: how much longer than they are meant to be everything takes here and now. */
export function slownessOfMachine(): number {
  const tookMs = [1, 2, 3].map(() => {
    const beforeMs = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - beforeMs;
  });
  return Math.max(1, Math.max(...tookMs) / startMs);
}
