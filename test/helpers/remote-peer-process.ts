// A peer in a process of its own, for tests that put it on another machine: calls of its API come in as JSON lines, and
// results and events go out so.
import { createInterface } from 'node:readline';
import { Peer } from '../../peer/peer.ts';
import { asParleyError } from '../../shared/errors.ts';

interface Call {
  id: number;
  method: string;
  args: unknown[];
}

const peer = new Peer(JSON.parse(process.argv[2] ?? '{}'));

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function answer({ id, method, args }: Call): Promise<void> {
  try {
    const act = peer[method as keyof Peer] as unknown as (...args: unknown[]) => unknown;
    say({ id, result: (await act.apply(peer, args)) ?? null });
  } catch (error) {
    const { code, message } = asParleyError(error);
    say({ id, error: { code, message } });
  }
}

peer.on((event) => say({ event, atMs: Date.now() }));
createInterface({ input: process.stdin })
  .on('line', (line) => void answer(JSON.parse(line)))
  // Whoever asks is gone.
  .on('close', () => process.exit());
