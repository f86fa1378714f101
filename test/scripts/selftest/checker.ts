// Runs the self-test, in short, against a center with a fault; the tests beside this say what it must find.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from '../../../scripts/selftest/faults.ts';
import { type Result, runSelftest } from '../../../scripts/selftest/run.ts';

const center = new URL('../../helpers/faulty-center.ts', import.meta.url).pathname;

export async function judgeFaulty(
  fault: 'early' | 'forgets' | 'swaps' | 'crashes',
  faults: readonly Fault[],
): Promise<Result> {
  const dir = mkdtempSync(join(tmpdir(), 'parley-checker-'));
  try {
    const centerCommand = [process.execPath, center, fault];
    return await runSelftest({ rounds: 8, seed: 7, dir, peers: 3, messages: 150, centerCommand, faults });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
