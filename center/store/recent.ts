// Short runs that came lately. Each in its place would cost a commit a page of every table for every mailbox; here all of
// one commit are one row, and in memory too, until enough have gathered: then they go to their places, joined.
import type { DatabaseSync } from 'node:sqlite';
import { type Query, query } from './acts.ts';
import { failureOf } from './failures.ts';
import type { MailboxRows, Place } from './mailbox-rows.ts';
import {
  firstAt,
  lastAt,
  RecentBytes,
  type RecentEnds,
  type RecentRun,
  readRecent,
  rowChecksum,
  runAt,
} from './recent-rows.ts';
import { type AppendRun, type Mark, StoreError } from './store.ts';

/** Longer runs go to their place at once. */
const maxRunBytes = 4096;
/** When so much, or of so many mailboxes, has gathered, it is time to settle: longer, and the others wait too long for it. */
const enough = { bytes: 2 * 1024 * 1024, mailboxes: 1024 };
/** More than this is never gathered, be it that settling fails. */
const maxBytes = 4 * enough.bytes;
/** Of a mailbox with at least so many runs they are joined; where damage comes, a joined run is lost as a whole. */
const joinRuns = 8;
const joinedBytes = 4096;

type RecentPlace = Pick<Place, 'state' | 'acked_to' | 'last' | 'reserved_to'>;

/** What the appends to a mailbox since it was settled last have made of its place. */
interface RecentMailbox extends RecentPlace {
  /** Where each run begins. */
  readonly runs: number[];
}

export class Recent {
  readonly #db: DatabaseSync;
  readonly #rows: MailboxRows;
  readonly #insert: Query<never>;
  readonly #setEnds: Query<never>;
  readonly #mailboxes = new Map<number, RecentMailbox>();
  readonly #bytes = new RecentBytes();
  /** Up to here they are in rows. */
  #written = 0;
  #ends: RecentEnds = { settled_to: 0, written_to: 0 };
  /** Gathering: appends may be taken here. Otherwise each act must be in its place when it is done. */
  #isGathering = false;
  #isChanged = false;

  constructor(db: DatabaseSync, rows: MailboxRows) {
    this.#db = db;
    this.#rows = rows;
    this.#insert = query(db, 'INSERT INTO recent (id, checksum, runs) VALUES (?, ?, ?)');
    this.#setEnds = query(db, 'UPDATE recent_ends SET settled_to = ?, written_to = ?');
    this.load();
  }

  /** In memory. */
  get bytes(): number {
    return this.#bytes.length;
  }

  get isEnough(): boolean {
    return this.bytes > enough.bytes || this.#mailboxes.size > enough.mailboxes;
  }

  /**
   * Brings what is in memory to what is in the database: at the start, and after a rollback.
   * @throws StoreError where not all of it is there as it was written
   */
  load(): void {
    this.#clear();
    const { ends, rows, damage } = readRecent(this.#db);
    if (damage[0] !== undefined) throw new StoreError('damaged', damage[0]);
    this.#ends = ends;
    for (const { runs } of rows) {
      for (const start of this.#bytes.addRow(runs)) this.#takeRun(start);
    }
    this.#written = this.#bytes.length;
  }

  #takeRun(start: number): void {
    const { account, last, reserved_to } = runAt(this.#bytes.block, start);
    let mailbox = this.#mailboxes.get(account);
    const place = mailbox ?? this.#rows.place(account);
    // Of a mailbox that was settled alone its runs are still here.
    if (!place || last <= place.last) return;
    mailbox ??= this.#open(account, place);
    mailbox.runs.push(start);
    mailbox.last = last;
    mailbox.reserved_to = Math.max(mailbox.reserved_to, reserved_to);
  }

  // --- a transaction -----------------------------------------------------------------------------------

  /** From now on appends are taken, until the row is written or what was done is undone. */
  gather(): void {
    this.#isGathering = true;
  }

  /** Before the commit: the row with all that was gathered. */
  write(): void {
    this.#isGathering = false;
    const { length, block } = this.#bytes;
    if (length === this.#written) return;
    const id = this.#ends.written_to + 1;
    const runs = block.bytes.subarray(this.#written, length);
    this.#insert.run(id, rowChecksum(id, runs), runs);
    this.#ends.written_to = id;
    this.#setEnds.run(this.#ends.settled_to, id);
    this.#written = length;
  }

  /** What was changed is committed. */
  committed(): void {
    this.#isChanged = false;
  }

  /** What was changed was undone in the database, all since the last commit or the latest of it. */
  undone(): void {
    this.#isGathering = false;
    if (this.#isChanged) this.load();
  }

  // --- runs --------------------------------------------------------------------------------------------

  /** The place of a mailbox that has anything here. */
  mailbox(account: number): Readonly<RecentMailbox> | undefined {
    return this.#mailboxes.get(account);
  }

  takes(run: AppendRun): boolean {
    if (!this.#isGathering || run.frames.length > maxRunBytes) return false;
    return this.bytes < maxBytes;
  }

  /** @param place of the account, used where nothing of it is here */
  append(account: number, place: RecentPlace, receivedAtMs: number, run: AppendRun): void {
    this.#isChanged = true;
    const mailbox = this.#mailboxes.get(account) ?? this.#open(account, place);
    mailbox.runs.push(this.#bytes.add(account, mailbox.last, receivedAtMs, run));
    mailbox.last = run.last;
    mailbox.reserved_to = Math.max(mailbox.reserved_to, run.reservedTo);
  }

  #open(account: number, place: RecentPlace): RecentMailbox {
    const { state, acked_to, last, reserved_to } = place;
    const mailbox: RecentMailbox = { state, acked_to, last, reserved_to, runs: [] };
    this.#mailboxes.set(account, mailbox);
    return mailbox;
  }

  /** A run that begins and ends so is here. */
  has(account: number, { first, last }: AppendRun): boolean {
    const runs = this.#mailboxes.get(account)?.runs ?? [];
    const { block } = this.#bytes;
    return runs.some((start) => firstAt(block, start) === first && lastAt(block, start) === last);
  }

  /** Runs with anything above `after` that is not gone, in order. Their frames are good until the next act. */
  *runsAfter(account: number, after: number): Generator<RecentRun> {
    const mailbox = this.#mailboxes.get(account);
    if (!mailbox) return;
    const above = Math.max(after, mailbox.acked_to);
    const { block } = this.#bytes;
    for (const start of mailbox.runs) {
      if (lastAt(block, start) > above) yield runAt(block, start);
    }
  }

  /** All up to here is gone, as the table says too. */
  takeAway(account: number, position: number): void {
    const mailbox = this.#mailboxes.get(account);
    if (!mailbox) return;
    this.#isChanged = true;
    mailbox.acked_to = Math.max(mailbox.acked_to, position);
  }

  // --- settling ----------------------------------------------------------------------------------------

  /** Brings all to its place. In a transaction of the caller. */
  settleAll(): void {
    if (this.bytes === 0) return;
    this.#isChanged = true;
    // First, so that what follows finds room inside the file.
    this.#db.exec('DELETE FROM recent');
    const { written_to } = this.#ends;
    this.#setEnds.run(written_to, written_to);
    for (const account of [...this.#mailboxes.keys()]) this.settle(account);
    this.#clear();
    this.#ends = { settled_to: written_to, written_to };
  }

  /** Brings what there is of one mailbox to its place; its rows here are then passed over. In a transaction of the caller. */
  settle(account: number): void {
    const mailbox = this.#mailboxes.get(account);
    if (!mailbox) return;
    this.#isChanged = true;
    const runs = mailbox.runs.map((start) => runAt(this.#bytes.block, start));
    const live = runs.filter(({ last }) => last > mailbox.acked_to);
    // What is damaged there stays so, and is found when it is read: it must not be in the way of all the others.
    unlessDamaged(() => this.#rows.grow(account, mailbox.last, mailbox.reserved_to));
    for (const mark of highest(runs)) unlessDamaged(() => this.#rows.raiseMarks(account, [mark]));
    for (const run of live.length < joinRuns ? live : joined(live)) this.#rows.insertRun(account, run);
    this.#mailboxes.delete(account);
  }

  #clear(): void {
    this.#mailboxes.clear();
    this.#bytes.clear();
    this.#written = 0;
  }
}

function unlessDamaged(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (failureOf(error).reason !== 'damaged') throw error;
  }
}

/** As few runs as their length allows. */
function* joined(runs: RecentRun[]): Generator<RecentRun> {
  for (let begin = 0, end = 0; begin < runs.length; begin = end) {
    let bytes = 0;
    while (end < runs.length && bytes < joinedBytes) bytes += runs[end++]!.frames.length;
    const run = { ...runs[begin]!, last: runs[end - 1]!.last, count: 0, frames: new Uint8Array(bytes) };
    let at = 0;
    for (let index = begin; index < end; index++) {
      const { count, frames } = runs[index]!;
      run.frames.set(frames, at);
      at += frames.length;
      run.count += count;
    }
    yield run;
  }
}

/** Of each outbox one mark. */
function highest(runs: RecentRun[]): Mark[] {
  const marks = new Map<string, Mark>();
  let before: Mark | undefined;
  for (const run of runs) {
    for (const mark of run.marks) {
      const isSame = before?.sender === mark.sender && Buffer.compare(before.outbox, mark.outbox) === 0;
      const key = isSame ? '' : `${mark.sender}:${Buffer.from(mark.outbox).toString('latin1')}`;
      const one: Mark | undefined = isSame ? before : marks.get(key);
      if (one) {
        one.accepted = Math.max(one.accepted, mark.accepted);
        one.stored = Math.max(one.stored, mark.stored);
      } else marks.set(key, mark);
      before = one ?? mark;
    }
  }
  return [...marks.values()];
}
