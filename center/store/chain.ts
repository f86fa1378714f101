// What makes damage to a mailbox visible: a checksum for each run, and each run naming the one before it.
import { crc32 } from 'node:zlib';

/** A run as it lies in its row. */
export interface RunRow {
  first: number;
  last: number;
  /** What `last` of the mailbox was before this run. */
  previous: number;
  count: number;
  received_at_ms: number;
  checksum: number;
  frames: Uint8Array;
}

/** Up to where a mailbox was emptied, and the last position that ever was on disk. */
export interface MailboxEnds {
  acked_to: number;
  last: number;
}

/** Positions of a mailbox that should be there and are not, or not as they were written. */
export interface ChainDamage {
  /** What does not fit: a position in or next to the damage. */
  position: number;
  from: number;
  to: number;
  text: 'a checksum does not match' | 'a run is missing';
}

const head = Float64Array.of(0, 0, 0, 0, 0, 0);

/** CRC-32 of the account, all numbers of the run and its frames. */
export function runChecksum(account: number, run: Omit<RunRow, 'checksum'>): number {
  head[0] = account;
  head[1] = run.first;
  head[2] = run.last;
  head[3] = run.previous;
  head[4] = run.count;
  head[5] = run.received_at_ms;
  return crc32(run.frames, crc32(head));
}

/**
 * Goes through the runs that have anything above `after`, in order: gives those that are whole, and what is damaged
 * between them.
 */
export function* followChain(
  account: number,
  ends: MailboxEnds,
  rows: Iterable<RunRow>,
  after: number,
): Generator<{ row: RunRow } | { damage: ChainDamage }> {
  // Up to here rows may rightly be missing.
  let reached = Math.max(after, ends.acked_to);
  let before = -1;
  /** The first position of a run that is not whole, and nothing of it is missed yet. */
  let bad: number | null = null;
  const gap = (position: number, to: number): { damage: ChainDamage } => {
    const text = bad === null ? 'a run is missing' : 'a checksum does not match';
    const damage: ChainDamage = { position: bad ?? position, from: reached + 1, to, text };
    bad = null;
    return { damage };
  };
  for (const row of rows) {
    if (row.checksum !== runChecksum(account, row)) {
      bad ??= row.first;
      continue;
    }
    if (before < 0 ? row.previous > reached : row.previous !== before) yield gap(row.previous, row.previous);
    before = row.last;
    reached = Math.max(reached, row.last);
    yield { row };
  }
  if (ends.last > reached) yield gap(ends.last, ends.last);
  // A row that nothing misses: what it was is not known, and that it is wrong is.
  if (bad !== null) yield { damage: { position: bad, from: bad, to: bad, text: 'a checksum does not match' } };
}
