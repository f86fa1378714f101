// Mailboxes in SQLite: one row a run of frames, in a chain that shows what is missing, and the marks of outboxes.
import type { DatabaseSync } from 'node:sqlite';
import { type Acts, type Query, query } from './acts.ts';
import { followChain, type RunRow, runChecksum } from './chain.ts';
import { storedFrames } from './frames.ts';
import { mailboxSum, markSum } from './schema.ts';
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
  /** 0: these numbers are not what was written. */
  sound: number;
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
    `SELECT a.state, a.generation, m.acked_to, m.last, m.reserved_to, m.checksum = ${mailboxSum()} AS sound
     FROM accounts a JOIN mailboxes m ON m.account = a.id WHERE a.id = ?`,
  );
  const reserve = updateMailbox({ reservedTo: 'max(reserved_to, ?1)' }, '?2');
  const grow = updateMailbox({ last: '?1', reservedTo: 'max(reserved_to, ?2)' }, '?3');
  const ack = updateMailbox({ ackedTo: 'max(acked_to, ?1)' }, '?2');
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
  const higher = { accepted: 'max(accepted, excluded.accepted)', stored: 'max(stored, excluded.stored)' };
  const setMark = query(
    db,
    `INSERT INTO marks (sender, outbox, recipient, accepted, stored, checksum)
     VALUES (?1, ?2, ?3, ?4, ?5, ${markSum({ sender: '?1', recipient: '?3', accepted: '?4', stored: '?5' })})
     ON CONFLICT DO UPDATE SET accepted = ${higher.accepted}, stored = ${higher.stored},
       checksum = checksum + (${markSum(higher)}) - (${markSum()})`,
  );
  const marksOf = query<{ recipient: number; accepted: number; stored: number; sound: number }>(
    db,
    `SELECT recipient, accepted, stored, checksum = ${markSum()} AS sound FROM marks WHERE sender = ? AND outbox = ?`,
  );
  const blocksOf = query<{ blocked: number }>(db, 'SELECT blocked FROM blocks WHERE account = ?');
  const olderThan = query<{ account: number }>(
    db,
    'SELECT DISTINCT account FROM runs WHERE received_at_ms < ? ORDER BY account LIMIT ?',
  );
  const sumOfBytes = query<{ bytes: number }>(db, 'SELECT coalesce(sum(bytes), 0) AS bytes FROM runs');

  /** Sets numbers of a mailbox. Its checksum changes by as much as they do, so that what was wrong stays wrong. */
  function updateMailbox(
    values: { ackedTo?: string; last?: string; reservedTo?: string },
    account: string,
  ): Query<never> {
    const columns = { ackedTo: 'acked_to', last: 'last', reservedTo: 'reserved_to' };
    const names = Object.keys(values) as (keyof typeof values)[];
    const sets = names.map((name) => `${columns[name]} = ${values[name]}`);
    sets.push(`checksum = checksum + (${mailboxSum(values)}) - (${mailboxSum()})`);
    return query(db, `UPDATE mailboxes SET ${sets.join(', ')} WHERE account = ${account}`);
  }

  /** The numbers of a mailbox, as they were written, or a StoreError. */
  function placeAt(id: number): Place | undefined {
    const place = placeOf.get(id);
    if (place?.sound === 0) throw new StoreError('damaged', `the numbers of the mailbox of account ${id} are damaged`);
    return place;
  }

  function setMarks(recipient: number, marks: Mark[]): void {
    for (const mark of marks) setMark.run(mark.sender, mark.outbox, recipient, mark.accepted, mark.stored);
  }

  function takeAway(account: number, position: number): void {
    ack.run(position, account);
    deleteRuns.run(account, position, position);
  }

  /** The runs with anything above `after`, each found whole and none missing, or a StoreError. */
  function* checkedRuns(account: number, ends: Place, after: number): Generator<RunRow> {
    for (const step of followChain(account, ends, runsAfter.iterate(account, after), after)) {
      if ('damage' in step) throw damaged(account, step.damage.position, step.damage.text);
      yield step.row;
    }
  }

  return {
    openMailbox(id) {
      const place = placeAt(id);
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
      const place = placeAt(id);
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
      const sum = runChecksum(id, { first, last, previous: place.last, count, received_at_ms: receivedAtMs, frames });
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
      if (placeAt(id)?.generation !== generation) return 'stale';
      takeAway(id, position);
      setMarks(id, marks);
      return 'done';
    },

    read(id, after, maxBytes) {
      const place = placeAt(id);
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
      return marksOf.all(sender, outbox).map(({ recipient, accepted, stored, sound }) => {
        if (sound === 0) throw new StoreError('damaged', `the marks of an outbox of account ${sender} are damaged`);
        return { recipient, accepted, stored };
      });
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
