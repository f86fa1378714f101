// What senders hear of their messages: one receipt for all of a flow that a turn has resolved, or a few turns.
import type { CenterLimits } from '../limits.ts';
import type { Turn } from '../turn.ts';
import { receiptRoom, writeReceipt } from './codec.ts';
import type { Flow, Outbox } from './outbox.ts';

/** How long a receipt waits for those of later messages. */
const patienceMs = 5;

export class Receipts {
  readonly #turn: Turn;
  readonly #limits: CenterLimits;
  #changed: Flow[] = [];
  /** Those whose receipts wait for more. */
  #held: Flow[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(turn: Turn, limits: CenterLimits) {
    this.#turn = turn;
    this.#limits = limits;
  }

  /** The sender hears at the end of the turn how far this flow got. */
  tell(flow: Flow): void {
    if (flow.changed) return;
    flow.changed = true;
    this.#changed.push(flow);
    this.#turn.schedule();
  }

  /** Tells a sender that attached how far each flow of its outbox got. */
  tellAll(outbox: Outbox): void {
    for (const flow of outbox.flows.values()) {
      flow.toldAccepted = 0;
      flow.toldStored = 0;
      this.#write(flow);
    }
    this.#changed = this.#changed.filter((flow) => flow.changed);
  }

  endTurn(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const flow of changed) {
      if (this.#canWait(flow)) this.#hold(flow);
      else this.#write(flow);
    }
  }

  /** What is held is not told any more: its senders ask when they come back. */
  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
  }

  /**
   * A sender that has sent more already does not wait for this receipt: one for several is told when the last of them
   * is resolved, or a moment later.
   */
  #canWait({ accepted, placed, outbox }: Flow): boolean {
    return accepted < placed && outbox.unresolvedMessages * 2 < this.#limits.maxUnresolvedMessages;
  }

  #hold(flow: Flow): void {
    flow.changed = false;
    if (flow.held) return;
    flow.held = true;
    this.#held.push(flow);
    this.#timer ??= setTimeout(() => this.#tellHeld(), patienceMs);
  }

  #tellHeld(): void {
    this.#timer = null;
    const held = this.#held;
    this.#held = [];
    for (const flow of held) if (flow.held) this.#write(flow);
  }

  #write(flow: Flow): void {
    flow.changed = false;
    flow.held = false;
    const session = flow.outbox.session;
    if (!session || (flow.accepted === flow.toldAccepted && flow.stored === flow.toldStored)) return;
    const chunk = session.reserve(receiptRoom * 2);
    // Stored implies accepted: one frame where both are true of the same number.
    if (flow.accepted > flow.toldAccepted && flow.accepted > flow.stored) {
      chunk.used = writeReceipt(chunk.buffer, chunk.used, 'accepted', flow.recipient, flow.accepted);
    }
    if (flow.stored > flow.toldStored) {
      chunk.used = writeReceipt(chunk.buffer, chunk.used, 'stored', flow.recipient, flow.stored);
    }
    flow.toldAccepted = flow.accepted;
    flow.toldStored = flow.stored;
  }
}
