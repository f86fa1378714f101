// The outboxes in memory, of all senders.
import type { Store } from '../store/store.ts';
import type { Mailbox } from './mailbox.ts';
import { type Flow, Outbox, outboxKey } from './outbox.ts';
import type { Schedule } from './schedule.ts';

export class Outboxes {
  readonly #store: Store;
  readonly #schedule: Schedule;
  readonly #outboxes = new Map<string, Outbox>();
  /** What is read back from a mailbox comes in stretches of one outbox. */
  #last: Outbox | null = null;

  constructor(store: Store, schedule: Schedule) {
    this.#store = store;
    this.#schedule = schedule;
  }

  get count(): number {
    return this.#outboxes.size;
  }

  /** How many recipients they have been on their way to, all told. */
  get flowCount(): number {
    let count = 0;
    for (const { flows } of this.#outboxes.values()) count += flows.size;
    return count;
  }

  /** An outbox with its marks; its refusals are forgotten, since unresolved messages come again from the oldest. */
  async open(sender: number, name: string, id: Uint8Array, own: Mailbox): Promise<Outbox> {
    const outbox = this.#outbox(sender, id);
    outbox.belongTo(name, own);
    outbox.forgetRefusals();
    if (outbox.isRead) return outbox;
    outbox.reading ??= this.#read(outbox, id).finally(() => {
      outbox.reading = null;
    });
    await outbox.reading;
    return outbox;
  }

  async #read(outbox: Outbox, id: Uint8Array): Promise<void> {
    // What its recipients stored meanwhile must be in the store before it is read.
    this.#schedule.saveAll();
    for (const mark of await this.#store.outbox(outbox.sender, id)) {
      const flow = outbox.flow(mark.recipient);
      flow.placed = Math.max(flow.placed, mark.accepted);
      flow.marked = Math.max(flow.marked, mark.accepted);
      flow.accepted = Math.max(flow.accepted, mark.accepted);
      flow.stored = Math.max(flow.stored, mark.stored);
    }
    outbox.isRead = true;
  }

  /** The flow of a message that was read back from the store; its outbox id is in these bytes, from start to end. */
  flowOf(sender: number, bytes: Buffer, start: number, end: number, recipient: number): Flow {
    const last = this.#last;
    if (last?.sender === sender && last.id.compare(bytes, start, end) === 0) return last.flow(recipient);
    return this.#outbox(sender, bytes.subarray(start, end)).flow(recipient);
  }

  #outbox(sender: number, id: Uint8Array): Outbox {
    const last = this.#last;
    if (last && last.sender === sender && last.id.equals(id)) return last;
    const key = outboxKey(sender, id);
    let outbox = this.#outboxes.get(key);
    if (!outbox) {
      outbox = new Outbox(sender, key);
      this.#outboxes.set(key, outbox);
    }
    this.#last = outbox;
    return outbox;
  }

  /** What nobody uses leaves memory; release is called with each of its flows. */
  sweep(release: (flow: Flow) => void): void {
    for (const [key, outbox] of this.#outboxes) {
      if (!outbox.idle) continue;
      this.#outboxes.delete(key);
      for (const flow of outbox.flows.values()) release(flow);
      if (this.#last === outbox) this.#last = null;
    }
  }
}
