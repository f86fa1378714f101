// What the self-test does to those who talk, and how often.
import type { Random } from './random.ts';

export type Fault = 'centerKilled' | 'centerStopped' | 'peerKilled' | 'peerStopped' | 'cut' | 'linksCut' | 'away';

/** How often each happens, beside the others. */
const shares: Readonly<Record<Fault, number>> = {
  centerKilled: 0.3,
  peerKilled: 0.25,
  centerStopped: 0.1,
  peerStopped: 0.1,
  cut: 0.1,
  linksCut: 0.1,
  away: 0.05,
};

const allFaults = Object.keys(shares) as Fault[];

export function noFaults(): Record<Fault, number> {
  return { centerKilled: 0, centerStopped: 0, peerKilled: 0, peerStopped: 0, cut: 0, linksCut: 0, away: 0 };
}

/** One of these, each as often as its share says. */
export function chooseFault(random: Random, faults: readonly Fault[] = allFaults): Fault {
  let dice = random.next() * faults.reduce((total, fault) => total + shares[fault], 0);
  for (const fault of faults) {
    dice -= shares[fault];
    if (dice < 0) return fault;
  }
  return random.pick(faults);
}
