// What the self-test says at its end: the verdict, and how to run it again.
import type { Result } from './run.ts';

/** How it was run. */
export interface Done {
  rounds: number;
  seed: number;
  peers: number;
  messages: number;
  plain: boolean;
  seconds: number;
}

export const usualRun = { peers: 6, messages: 1200 } as const;

/** Whether the promise was kept, and nothing ended by itself. */
export function keepsPromise({ lost, duplicated, reordered, crashed }: Result): boolean {
  return lost + duplicated + reordered + crashed === 0;
}

export function tellResult(result: Result, done: Done): string {
  const rows: [string, number | string][] = [
    ['accepted', result.accepted],
    ['private', result.private],
    ['shown', result.shown],
    ['lost', result.lost],
    ['duplicated', result.duplicated],
    ['reordered', result.reordered],
    ['again', result.again],
    ['failed', result.failed],
    ['crashed', result.crashed],
    ['links', counts(result.links)],
    ['faults', counts(result.faults)],
    ['rounds', done.rounds],
    ['seconds', done.seconds],
    ['seed', `${done.seed}   (run it again: ${optionsOf(done)})`],
  ];
  const lines = rows.map(([name, value]) => name.padEnd(12) + value);
  return [...lines, ...result.examples.map((example) => `  ${example}`), ''].join('\n');
}

/** The options with which the same decisions are taken again. */
function optionsOf({ rounds, seed, peers, messages, plain }: Done): string {
  const others = [
    peers === usualRun.peers ? '' : ` --peers ${peers}`,
    messages === usualRun.messages ? '' : ` --messages ${messages}`,
    plain ? ' --plain' : '',
  ];
  return `--rounds ${rounds} --seed ${seed}${others.join('')}`;
}

function counts(of: Readonly<Record<string, number>>): string {
  return Object.entries(of)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
