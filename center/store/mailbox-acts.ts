// Mailboxes in SQLite: one row a run of frames, in a chain that shows what is missing, and the marks of outboxes.
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { type Acts, query } from './acts.ts';
import { storedFrames } from './frames.ts';
import { type AccountRecord, type AppendRun, type MailboxRun, type Mark, StoreError } from './store.ts';

/** How many positions opening a mailbox sets apart for this run of the center. */
export const positionBlock = 65_536;

interface Place {
  state: AccountRecord['state'];
  generation: number;
  acked_to: number;
  /** The last position that ever was on disk. */
  last: number;
  reserved_to: number;
}

interface RunRow {
  first: number;
  last: number;
  /** What `last` of the mailbox was before this run. */
  previous: number;
  count: number;
  received_at_ms: number;
  checksum: number;
  frames: Uint8Array;
}

type MailboxActs = Pick<
  Acts,
  | 'openMailbox'
  | 'append'
  | 'saveMarks'
  | 'advance'
  | 'read'
  | 'discard'
  | 'outbox'
  | 'mailboxesOlderThan'
  | 'totalBytes'
>;

export function mailboxActs(db: DatabaseSync): MailboxActs {
  const placeOf = query<Place>(
    db,
    `SELECT a.state, a.generation, m.acked_to, m.last, m.reserved_to
     FROM accounts a JOIN mailboxes m ON m.account = a.id WHERE a.id = ?`,
  );
  const reserve = query(db, 'UPDATE mailboxes SET reserved_to = max(reserved_to, ?) WHERE account = ?');
  const grow = query(db, 'UPDATE mailboxes SET last = ?, reserved_to = max(reserved_to, ?) WHERE account = ?');
  const ack = query(db, 'UPDATE mailboxes SET acked_to = max(acked_to, ?) WHERE account = ?');
  const insertRun = query(
    db,
    `INSERT INTO runs (account, first, last, previous, count, bytes, received_at_ms, checksum, frames)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const lastOfRun = query<{ last: number }>(db, 'SELECT last FROM runs WHERE account = ? AND first = ?');
  // Runs do not overlap: the first with anything above ?2 is the one that begins at or below it, or the next.
  const runsAfter = query<RunRow>(
    db,
    `SELECT first, last, previous, count, received_at_ms, checksum, frames FROM runs
     WHERE account = ?1 AND last > ?2
       AND first >= coalesce((SELECT max(first) FROM runs WHERE account = ?1 AND first <= ?2), 0)
     ORDER BY first`,
  );
  const deleteRuns = query(db, 'DELETE FROM runs WHERE account = ? AND first <= ? AND last <= ?');
  const setMark = query(
    db,
    `INSERT INTO marks (sender, outbox, recipient, accepted, stored) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET accepted = max(accepted, excluded.accepted), stored = max(stored, excluded.stored)`,
  );
  const marksOf = query<{ recipient: number; accepted: number; stored: number }>(
    db,
    'SELECT recipient, accepted, stored FROM marks WHERE sender = ? AND outbox = ?',
  );
  const blocksOf = query<{ blocked: number }>(db, 'SELECT blocked FROM blocks WHERE account = ?');
  const olderThan = query<{ account: number }>(
    db,
    'SELECT DISTINCT account FROM runs WHERE received_at_ms < ? ORDER BY account LIMIT ?',
  );
  const sumOfBytes = query<{ bytes: number }>(db, 'SELECT coalesce(sum(bytes), 0) AS bytes FROM runs');

  const head = new Float64Array(6);
  /** CRC-32 of the account, all numbers of the run and its frames. */
  function checksum(account: number, run: Omit<RunRow, 'checksum'>): number {
    head[0] = account;
    head[1] = run.first;
    head[2] = run.last;
    head[3] = run.previous;
    head[4] = run.count;
    head[5] = run.received_at_ms;
    return crc32(run.frames, crc32(head));
  }

  function setMarks(recipient: number, marks: Mark[]): void {
    for (const mark of marks) setMark.run(mark.sender, mark.outbox, recipient, mark.accepted, mark.stored);
  }

  function takeAway(account: number, position: number): void {
    ack.run(position, account);
    deleteRuns.run(account, position, position);
  }

  /** The runs with anything above `after`, each found whole and none missing, or a StoreError. */
  function* checkedRuns(account: number, place: Place, after: number): Generator<RunRow> {
    // Up to here rows may rightly be missing.
    let reached = Math.max(after, place.acked_to);
    let before = -1;
    for (const row of runsAfter.iterate(account, after)) {
      if (row.checksum !== checksum(account, row)) throw damaged(account, row.first, 'a checksum does not match');
      if (before < 0 ? row.previous > reached : row.previous !== before) {
        throw damaged(account, row.previous, 'a run is missing');
      }
      before = row.last;
      reached = Math.max(reached, row.last);
      yield row;
    }
    if (place.last > reached) throw damaged(account, place.last, 'a run is missing');
  }

  return {
    openMailbox(id) {
      const place = placeOf.get(id);
      if (place?.state !== 'open') return 'gone';
      const senders = new Map<number, { sender: number; count: number; bytes: number }>();
      let count = 0;
      let bytes = 0;
      for (const row of checkedRuns(id, place, place.acked_to)) {
        for (const frame of storedFrames(row.frames)) {
          if (frame.position <= place.acked_to) continue;
          count++;
          bytes += frame.bytes;
          const sums = senders.get(frame.from);
          if (sums) {
            sums.count++;
            sums.bytes += frame.bytes;
          } else senders.set(frame.from, { sender: frame.from, count: 1, bytes: frame.bytes });
        }
      }
      const next = Math.max(place.reserved_to, place.last + 1, place.acked_to + 1);
      const reservedTo = next + positionBlock;
      reserve.run(reservedTo, id);
      return {
        generation: place.generation,
        ackedTo: place.acked_to,
        next,
        reservedTo,
        blocks: blocksOf.all(id).map((row) => row.blocked),
        count,
        bytes,
        senders: [...senders.values()],
      };
    },

    append(id, run) {
      const place = placeOf.get(id);
      if (!place) return 'gone';
      if (run.first <= place.last || run.last <= place.acked_to) {
        if (run.last > place.acked_to && lastOfRun.get(id, run.first)?.last !== run.last) {
          throw new StoreError(
            'failed',
            `positions ${run.first} to ${run.last} of account ${id} come after ${place.last} was written`,
          );
        }
        setMarks(id, run.marks);
        reserve.run(run.reservedTo, id);
        return 'repeat';
      }
      if (place.state !== 'open') return 'gone';
      const { first, last, count, frames } = run;
      const receivedAtMs = receivedAt(run);
      const sum = checksum(id, { first, last, previous: place.last, count, received_at_ms: receivedAtMs, frames });
      insertRun.run(id, first, last, place.last, count, frames.length, receivedAtMs, sum, frames);
      grow.run(last, run.reservedTo, id);
      setMarks(id, run.marks);
      return 'accepted';
    },

    saveMarks(id, marks, reservedTo) {
      setMarks(id, marks);
      reserve.run(reservedTo, id);
    },

    advance(id, generation, position, marks) {
      if (placeOf.get(id)?.generation !== generation) return 'stale';
      takeAway(id, position);
      setMarks(id, marks);
      return 'done';
    },

    read(id, after, maxBytes) {
      const place = placeOf.get(id);
      if (!place) return [];
      const rows: RunRow[] = [];
      let bytes = 0;
      for (const row of checkedRuns(id, place, after)) {
        rows.push(row);
        bytes += row.frames.length;
        if (bytes >= maxBytes) break;
      }
      return joined(rows, bytes);
    },

    discard(id, position) {
      takeAway(id, position);
    },

    outbox(sender, outbox) {
      return marksOf.all(sender, outbox).map(({ recipient, accepted, stored }) => ({ recipient, accepted, stored }));
    },

    mailboxesOlderThan(receivedAtMs, limit) {
      return olderThan.all(receivedAtMs, limit).map((row) => row.account);
    },

    totalBytes() {
      return sumOfBytes.get()?.bytes ?? 0;
    },
  };
}

/** When the oldest message of a run reached the center. */
function receivedAt(run: AppendRun): number {
  for (const frame of storedFrames(run.frames)) {
    if (frame.position === run.first && run.first <= run.last && run.count > 0) return frame.receivedAtMs;
    break;
  }
  throw new StoreError('failed', `the frames of a run do not begin at its first position, ${run.first}`);
}

/** One run of them all: what goes to the other thread costs by the piece. */
function joined(rows: RunRow[], bytes: number): MailboxRun[] {
  const first = rows[0];
  if (!first) return [];
  const run: MailboxRun = { first: first.first, last: first.last, count: 0, frames: first.frames };
  if (rows.length > 1) run.frames = new Uint8Array(bytes);
  let at = 0;
  for (const row of rows) {
    if (rows.length > 1) run.frames.set(row.frames, at);
    at += row.frames.length;
    run.last = row.last;
    run.count += row.count;
  }
  return [run];
}

function damaged(account: number, position: number, what: string): StoreError {
  return new StoreError('damaged', `the mailbox of account ${account} is damaged at position ${position}: ${what}`);
}
