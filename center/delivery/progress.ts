// What the store has yet to be told of a mailbox: how far its peer has stored, and marks of messages that need no disk.
import type { Mark } from '../store/store.ts';
import type { Office } from './office.ts';
import type { Flow } from './outbox.ts';
import type { Positions } from './positions.ts';
import type { Scheduled } from './schedule.ts';
import type { Window } from './window.ts';

/** Whose progress it is: a mailbox. */
export interface ProgressOwner extends Scheduled {
  readonly account: number;
  /** The store was told. */
  saved(): void;
}

export class Progress {
  readonly #owner: ProgressOwner;
  readonly #office: Office;
  readonly #positions: Positions;
  readonly #window: Window;
  #generation: number;
  /** How far the peer has stored, as the store knows. */
  #advancedTo: number;
  /** Those whose marks the store does not know. */
  #unsaved: Flow[] | null = null;
  /** forgotten: the mailbox is gone, and what was on its way to the store comes back to nobody. */
  #state: 'idle' | 'on its way' | 'forgotten' = 'idle';

  constructor(owner: ProgressOwner, office: Office, positions: Positions, window: Window, generation: number) {
    this.#owner = owner;
    this.#office = office;
    this.#positions = positions;
    this.#window = window;
    this.#generation = generation;
    this.#advancedTo = window.ackedTo;
  }

  /** The store was told all there is. */
  get isSaved(): boolean {
    return this.#state !== 'on its way' && !this.isToSave;
  }

  /** There is something that the store has not been told, and is not being told. */
  get isToSave(): boolean {
    return this.#unsaved !== null || this.#window.ackedTo > this.#advancedTo;
  }

  /** What is stored from now on is stored by the session of this login. */
  setGeneration(generation: number): void {
    this.#generation = Math.max(this.#generation, generation);
  }

  /** The mark of this flow is not what the store knows. */
  mark(flow: Flow): void {
    if (flow.unsaved || this.#state === 'forgotten') return;
    flow.unsaved = true;
    this.#unsaved ??= [];
    this.#unsaved.push(flow);
  }

  /** The marks that the store is to be given, for which the caller answers from here on. */
  takeMarks(accepted: (flow: Flow) => number): { flows: Flow[]; marks: Mark[] } {
    const flows = this.#unsaved ?? [];
    this.#unsaved = null;
    const marks = flows.map((flow) => {
      flow.unsaved = false;
      return { sender: flow.outbox.sender, outbox: flow.outbox.id, accepted: accepted(flow), stored: flow.stored };
    });
    return { flows, marks };
  }

  /** The peer stored what the disk has nothing of: its marks say all. before: how far it had stored until then. */
  skipDisk(before: number): void {
    if (this.#advancedTo === before) this.#advancedTo = this.#window.ackedTo;
  }

  /** Tells the store, unless it is just being told. */
  save(): void {
    if (this.#state !== 'idle') return;
    const position = this.#window.ackedTo;
    const isAdvance = position > this.#advancedTo;
    if (!isAdvance && !this.#unsaved && !this.#positions.wantsMore) return;
    this.#state = 'on its way';
    // Not what is on its way to the store: that may still be refused.
    const { flows, marks } = this.takeMarks((flow) => flow.accepted);
    const reservedTo = this.#positions.wanted;
    const { store } = this.#office;
    const act = isAdvance
      ? store.advance(this.#owner.account, this.#generation, position, marks)
      : store.saveMarks(this.#owner.account, marks, reservedTo);
    act.then(
      (result) => {
        if (this.#state === 'forgotten') return;
        this.#state = 'idle';
        if (result === 'stale') return this.#keep(flows);
        if (isAdvance) this.#advancedTo = Math.max(this.#advancedTo, position);
        else this.#positions.reserved(reservedTo);
        if (this.isToSave) this.#office.schedule.saveSoon(this.#owner);
        this.#owner.saved();
      },
      (error: unknown) => {
        this.#office.storeFailed(error);
        if (this.#state === 'forgotten') return;
        this.#state = 'idle';
        this.#keep(flows);
      },
    );
  }

  /** Nobody will ask for it. */
  forget(): void {
    this.#state = 'forgotten';
    for (const flow of this.#unsaved ?? []) flow.unsaved = false;
    this.#unsaved = null;
  }

  #keep(flows: Flow[]): void {
    for (const flow of flows) this.mark(flow);
    this.#office.schedule.saveLater(this.#owner);
  }
}
