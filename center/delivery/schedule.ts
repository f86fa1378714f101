// When mailboxes commit and save: at the end of a turn, after a moment of patience, or again after a failure.
import type { Turn } from '../turn.ts';

/** How long a delivered message waits for its recipient's Ack before it is committed all the same; at most twice this. */
const patienceMs = 5;
/** How long acknowledged positions and marks gather before they are saved. */
const saveMs = 100;
/** How long mailboxes whose peers came gather before positions are reserved for them: when all come back, for many at once. */
const reserveMs = 1000;
/** Of those gathered, so many at once; the next ones a little later. */
const mostReserved = 512;
/** After a failed write. */
const retryMs = 1000;

/** What is scheduled: a mailbox. */
export interface Scheduled {
  // In which lists it is: each holds it once.
  commitsNow: boolean;
  commitsSoon: boolean;
  savesSoon: boolean;
  commit(): void;
  /** False when nothing is left to wait for. */
  commitPatiently(): boolean;
  save(): void;
}

export class Schedule {
  readonly #turn: Turn;
  #dueNow: Scheduled[] = [];
  #patient: Scheduled[] = [];
  #toSave: Scheduled[] = [];
  #patience: NodeJS.Timeout | null = null;
  #saving: NodeJS.Timeout | null = null;
  readonly #toReserve: Scheduled[] = [];
  #reserving: NodeJS.Timeout | null = null;
  readonly #later = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** At the end of this turn. */
  commitNow(mailbox: Scheduled): void {
    if (mailbox.commitsNow) return;
    mailbox.commitsNow = true;
    this.#dueNow.push(mailbox);
    this.#turn.schedule();
  }

  /** When its peer had time to acknowledge. */
  commitSoon(mailbox: Scheduled): void {
    // The turn has to end in any case: what was written goes out, the time is read anew.
    this.#turn.schedule();
    if (mailbox.commitsSoon) return;
    mailbox.commitsSoon = true;
    this.#patient.push(mailbox);
    this.#bePatient();
  }

  /** After a failed write. */
  commitLater(mailbox: Scheduled): void {
    this.retry(() => this.commitNow(mailbox));
  }

  saveSoon(mailbox: Scheduled): void {
    if (mailbox.savesSoon) return;
    mailbox.savesSoon = true;
    this.#toSave.push(mailbox);
    if (!this.#stopped) this.#saving ??= setTimeout(() => this.saveAll(), saveMs);
  }

  /** Its positions are reserved soon; until then its messages wait for their commit. */
  reserveSoon(mailbox: Scheduled): void {
    this.#toReserve.push(mailbox);
    if (!this.#stopped) this.#reserving ??= setTimeout(() => this.#reserveAll(), reserveMs);
  }

  #reserveAll(): void {
    for (const mailbox of this.#toReserve.splice(0, mostReserved)) mailbox.save();
    this.#reserving = this.#toReserve.length > 0 ? setTimeout(() => this.#reserveAll(), saveMs) : null;
  }

  saveLater(mailbox: Scheduled): void {
    this.retry(() => this.saveSoon(mailbox));
  }

  /** In a second, unless the center stops before. */
  retry(act: () => void): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      act();
    }, retryMs);
    this.#later.add(timer);
  }

  endTurn(): void {
    const due = this.#dueNow;
    this.#dueNow = [];
    for (const mailbox of due) {
      mailbox.commitsNow = false;
      mailbox.commit();
    }
  }

  /** All that waits to be saved is given to the store. */
  saveAll(): void {
    if (this.#saving) clearTimeout(this.#saving);
    this.#saving = null;
    const toSave = this.#toSave;
    this.#toSave = [];
    for (const mailbox of toSave) {
      mailbox.savesSoon = false;
      mailbox.save();
    }
  }

  /** Nothing is done later any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#later) clearTimeout(timer);
    if (this.#patience) clearTimeout(this.#patience);
    if (this.#saving) clearTimeout(this.#saving);
    if (this.#reserving) clearTimeout(this.#reserving);
  }

  #bePatient(): void {
    if (!this.#stopped) this.#patience ??= setTimeout(() => this.#commitPatient(), patienceMs);
  }

  #commitPatient(): void {
    this.#patience = null;
    const patient = this.#patient;
    this.#patient = [];
    for (const mailbox of patient) {
      mailbox.commitsSoon = mailbox.commitPatiently();
      if (mailbox.commitsSoon) this.#patient.push(mailbox);
    }
    if (this.#patient.length > 0) this.#bePatient();
  }
}
