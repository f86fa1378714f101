// Messages that came for mailboxes which are not in memory: they wait in their order while those are read.
import type { Store } from '../store/store.ts';
import type { Mailboxes } from './mailboxes.ts';
import type { Flow, RefusalCode } from './outbox.ts';

export interface Arrival {
  readonly flow: Flow;
  readonly number: number;
  /** failure: the mailbox could not be read. */
  proceed(failure: RefusalCode | null): void;
}

export class Arrivals {
  readonly #mailboxes: Mailboxes;
  readonly #store: Store;
  readonly #onFailure: (error: unknown) => void;
  readonly #arrivals = new Map<number, Arrival[]>();

  constructor(mailboxes: Mailboxes, store: Store, onFailure: (error: unknown) => void) {
    this.#mailboxes = mailboxes;
    this.#store = store;
    this.#onFailure = onFailure;
  }

  /** Whether any wait for the mailbox of this account. */
  waitFor(account: number): boolean {
    return this.#arrivals.has(account);
  }

  /** Those of this flow. */
  of(flow: Flow): Arrival[] {
    return this.#arrivals.get(flow.recipient)?.filter((arrival) => arrival.flow === flow) ?? [];
  }

  /** It proceeds when the mailbox is there, or is known not to be. */
  add(arrival: Arrival): void {
    const { recipient } = arrival.flow;
    const waiting = this.#arrivals.get(recipient);
    if (waiting) {
      waiting.push(arrival);
      return;
    }
    const arrivals = [arrival];
    this.#arrivals.set(recipient, arrivals);
    this.#mailboxes.open(recipient).then(
      (mailbox) => {
        this.#arrivals.delete(recipient);
        for (const { proceed } of arrivals) proceed(null);
        if (!mailbox) void this.#judge(recipient, new Set(arrivals.map(({ flow }) => flow)));
      },
      (error: unknown) => {
        this.#arrivals.delete(recipient);
        this.#onFailure(error);
        for (const { proceed } of arrivals) proceed('internal');
      },
    );
  }

  /**
   * What was refused because there is no mailbox: is that for good? Only asked when it is refused: where the account is
   * opened again meanwhile, a later message must not find the mailbox first.
   */
  async #judge(recipient: number, flows: Iterable<Flow>): Promise<void> {
    const account = await this.#store.account(recipient).catch(() => 'unread' as const);
    const isGone = account === null || (account !== 'unread' && account.state === 'removed');
    for (const flow of flows) flow.outbox.judge(flow, isGone);
  }
}
