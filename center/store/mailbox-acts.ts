// Mailboxes in SQLite: what is appended, read and taken away, and the marks of outboxes.
import type { DatabaseSync } from 'node:sqlite';
import { type Acts, query } from './acts.ts';
import { followChain, type RunRow } from './chain.ts';
import { firstFrame, storedFrames } from './frames.ts';
import type { MailboxRows, Place } from './mailbox-rows.ts';
import type { Recent } from './recent.ts';
import { markSum } from './schema.ts';
import { type AppendRun, type MailboxRun, StoreError } from './store.ts';

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

type StoredRun = Pick<RunRow, 'first' | 'last' | 'count' | 'frames'>;

export function mailboxActs(db: DatabaseSync, rows: MailboxRows, recent: Recent): MailboxActs {
  const marksOf = query<{ recipient: number; accepted: number; stored: number; sound: number }>(
    db,
    `SELECT recipient, accepted, stored, checksum = ${markSum()} AS sound FROM marks WHERE sender = ? AND outbox = ?`,
  );
  const blocksOf = query<{ blocked: number }>(db, 'SELECT blocked FROM blocks WHERE account = ?');
  const olderThan = query<{ account: number }>(
    db,
    'SELECT DISTINCT account FROM runs WHERE received_at_ms < ? AND account > ? ORDER BY account LIMIT ?',
  );
  const sumOfBytes = query<{ bytes: number }>(db, 'SELECT coalesce(sum(bytes), 0) AS bytes FROM runs');

  function takeAway(account: number, position: number): void {
    rows.takeAway(account, position);
    recent.takeAway(account, position);
  }

  /** The runs with anything above `after`, each found whole and none missing, or a StoreError. */
  function* runsAfter(account: number, place: Place, after: number): Generator<StoredRun> {
    for (const step of followChain(account, place, rows.runsAfter(account, after), after)) {
      if ('damage' in step) throw damaged(account, step.damage.position, step.damage.text);
      yield step.row;
    }
    yield* recent.runsAfter(account, after);
  }

  /** Whether a run that is not new is one that was appended before. */
  function isRepeat(account: number, run: AppendRun): boolean {
    if (recent.has(account, run)) return true;
    const row = rows.runAround(account, run.first);
    if (!row || row.last < run.last) return false;
    return (row.first === run.first && row.last === run.last) || Buffer.from(row.frames).includes(run.frames);
  }

  return {
    openMailbox(id) {
      const place = rows.place(id);
      if (place?.state !== 'open') return 'gone';
      const senders = new Map<number, { sender: number; count: number; bytes: number }>();
      let count = 0;
      let bytes = 0;
      for (const run of runsAfter(id, place, place.acked_to)) {
        for (const frame of storedFrames(run.frames)) {
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
      const { last, reserved_to } = recent.mailbox(id) ?? place;
      const next = Math.max(place.reserved_to, reserved_to, last + 1, place.acked_to + 1);
      return {
        generation: place.generation,
        ackedTo: place.acked_to,
        next,
        blocks: blocksOf.all(id).map((row) => row.blocked),
        count,
        bytes,
        senders: [...senders.values()],
      };
    },

    append(id, run) {
      const place = recent.mailbox(id) ?? rows.place(id);
      if (!place) return 'gone';
      const { first, last, count, frames, marks, reservedTo } = run;
      if (first <= place.last || last <= place.acked_to) {
        if (last > place.acked_to && !isRepeat(id, run)) {
          throw new StoreError(
            'failed',
            `positions ${first} to ${last} of account ${id} come after ${place.last} was written`,
          );
        }
        rows.raiseMarks(id, marks);
        rows.reserve(id, reservedTo);
        return 'repeat';
      }
      const receivedAtMs = receivedAt(run);
      if (recent.takes(run)) {
        recent.append(id, place, receivedAtMs, run);
        return 'accepted';
      }
      recent.settle(id);
      rows.insertRun(id, { first, last, previous: place.last, count, received_at_ms: receivedAtMs, frames });
      rows.grow(id, last, reservedTo);
      rows.raiseMarks(id, marks);
      return 'accepted';
    },

    saveMarks(id, marks, reservedTo) {
      rows.raiseMarks(id, marks);
      rows.reserve(id, reservedTo);
    },

    advance(id, generation, position, marks) {
      if (rows.place(id)?.generation !== generation) return 'stale';
      takeAway(id, position);
      rows.raiseMarks(id, marks);
      return 'done';
    },

    read(id, after, maxBytes) {
      const place = rows.place(id);
      if (!place) return [];
      const runs: StoredRun[] = [];
      let bytes = 0;
      for (const run of runsAfter(id, place, after)) {
        runs.push(run);
        bytes += run.frames.length;
        if (bytes >= maxBytes) break;
      }
      return joined(runs, bytes);
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

    mailboxesOlderThan(receivedAtMs, { after, limit }) {
      return olderThan.all(receivedAtMs, after, limit).map((row) => row.account);
    },

    totalBytes() {
      return sumOfBytes.get()?.bytes ?? 0;
    },
  };
}

/** When the oldest message of a run reached the center. */
function receivedAt(run: AppendRun): number {
  const frame = run.first <= run.last && run.count > 0 ? firstFrame(run.frames) : null;
  if (frame?.position === run.first) return frame.receivedAtMs;
  throw new StoreError('failed', `the frames of a run do not begin at its first position, ${run.first}`);
}

/** One run of them all: what goes to the other thread costs by the piece. */
function joined(runs: StoredRun[], bytes: number): MailboxRun[] {
  const [run] = runs;
  if (!run) return [];
  const { first, last, count, frames } = run;
  // A whole buffer, which can be given away.
  if (runs.length === 1 && frames.length === frames.buffer.byteLength) return [{ first, last, count, frames }];
  const all: MailboxRun = { first, last, count: 0, frames: new Uint8Array(bytes) };
  let at = 0;
  for (const { last, count, frames } of runs) {
    all.frames.set(frames, at);
    at += frames.length;
    all.last = last;
    all.count += count;
  }
  return [all];
}

function damaged(account: number, position: number, what: string): StoreError {
  return new StoreError('damaged', `the mailbox of account ${account} is damaged at position ${position}: ${what}`);
}
