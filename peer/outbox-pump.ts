// Takes pending messages to the center, in order for each recipient, one of each in turn, and at the pace that the
// center told in Hello.
import { ParleyError } from '../shared/errors.ts';
import type { parley } from '../shared/protocol.js';
import type { Connection } from './connection.ts';
import { Flight, Lane } from './lane.ts';
import { longestTimerMs } from './longest-timer.ts';
import type { Outgoing, Pending } from './outgoing.ts';
import { Pace } from './pace.ts';
import type { Store } from './store.ts';
import { Withdrawals } from './withdrawals.ts';

/** On their way at once, where the center tells no limit. */
const maxFlying = 4096;
const maxFlyingBytes = 4 * 1024 * 1024;

export class OutboxPump {
  readonly #store: Store;
  readonly #outgoing: Outgoing;
  readonly #lanes = new Map<number, Lane>();
  /** Lanes that may have something to send, in the order of their turns. */
  readonly #ready = new Set<Lane>();
  readonly #flight = new Flight();
  readonly #pace = new Pace();
  #connection: Connection | null = null;
  /** Over this connection. */
  #withdrawals: Withdrawals | null = null;
  #timer: { atMs: number; handle: NodeJS.Timeout } | null = null;

  constructor(store: Store, outgoing: Outgoing) {
    this.#store = store;
    this.#outgoing = outgoing;
  }

  get connected(): boolean {
    return this.#connection !== null;
  }

  /** Begins to send over this connection, from the oldest. */
  attach(connection: Connection): void {
    const { messagesPerSecond, messageBurst } = connection.hello.limits;
    this.#pace.limit(messagesPerSecond, messageBurst);
    this.#connection = connection;
    this.#withdrawals = new Withdrawals(connection);
    for (const lane of this.#lanes.values()) this.#ready.add(lane);
    this.#pump();
  }

  /** The connection is gone: what was on its way goes again over the next one. */
  detach(): void {
    const withdrawals = this.#withdrawals;
    this.#connection = null;
    this.#withdrawals = null;
    withdrawals?.stop();
    this.#flight.clear();
    for (const lane of this.#lanes.values()) lane.reset();
    if (this.#timer) clearTimeout(this.#timer.handle);
    this.#timer = null;
  }

  /** Takes on a message whose recipient is known, and which is durable. */
  enqueue(pending: Pending & { account: number }): void {
    let lane = this.#lanes.get(pending.account);
    if (lane === undefined) {
      lane = new Lane(pending.account, this.#flight);
      this.#lanes.set(pending.account, lane);
    }
    lane.add(pending);
    this.wake(lane);
  }

  /** Where the pending messages to this account are; undefined if there are none. */
  lane(account: number): Lane | undefined {
    return this.#lanes.get(account);
  }

  /** It is on its way to the center: sent over this connection, and not answered. */
  isFlying(pending: Pending): boolean {
    return this.#flight.has(pending);
  }

  /** Something changed in this lane, or there is room for more. */
  wake(lane: Lane): void {
    if (lane.isEmpty && lane.withdrawals === 0) {
      this.#lanes.delete(lane.account);
      this.#ready.delete(lane);
    } else this.#ready.add(lane);
    this.#pump();
  }

  /**
   * Withdraws a message; settle gets the answer, and without it there is none to wait for: it is asked again until the
   * center has answered. Nothing goes to this recipient until what follows from the answer is committed: were a later
   * message accepted before, and this one still pending after a crash, it would be taken for accepted.
   */
  withdraw(lane: Lane, pending: Pending, settle?: (reply: parley.Frame | ParleyError) => void): void {
    const withdrawals = this.#withdrawals;
    lane.withdrawals += 1;
    this.#store.afterCommit(() => {
      if (withdrawals === null || this.#withdrawals !== withdrawals) {
        settle?.(new ParleyError('disconnected', 'The connection broke before the center answered.'));
        return;
      }
      const settled = (reply: parley.Frame | ParleyError): void => {
        settle?.(reply);
        this.#store.afterCommit(() => {
          // A lost connection has reset the lane.
          if (this.#withdrawals !== withdrawals) return;
          lane.withdrawals -= 1;
          this.wake(lane);
        });
      };
      withdrawals.add({ to: lane.account, number: pending.number, insists: settle === undefined, settle: settled });
    });
  }

  #pump(): void {
    const connection = this.#connection;
    if (connection === null) return;
    const batch: Pending[] = [];
    for (const lane of this.#ready) {
      const pending = lane.next(performance.now());
      if (pending === null) {
        this.#ready.delete(lane);
        if (lane.waitsUntilMs !== null) this.#pumpAt(lane.waitsUntilMs);
        continue;
      }
      if (!this.#hasRoom(connection, pending)) break;
      if (!this.#pace.take()) {
        this.#pumpAt(performance.now() + this.#pace.waitMs);
        break;
      }
      // To the end of the row: each lane has its turn.
      this.#ready.delete(lane);
      this.#ready.add(lane);
      lane.sent(pending);
      batch.push(pending);
    }
    if (batch.length > 0) this.#sendAll(connection, batch);
  }

  #hasRoom(connection: Connection, pending: Pending): boolean {
    const { maxUnresolvedMessages, maxUnresolvedBytes } = connection.hello.limits;
    // One always goes: its answer is what makes room.
    if (this.#flight.count === 0) return true;
    if (this.#flight.count >= (maxUnresolvedMessages || maxFlying)) return false;
    return this.#flight.bytesWith(pending) <= (maxUnresolvedBytes || maxFlyingBytes);
  }

  /** That a message may have reached the center must be durable before it does: cancel goes by that. */
  #sendAll(connection: Connection, batch: Pending[]): void {
    const unwritten = batch.filter((pending) => !pending.written);
    if (unwritten.length > 0) this.#outgoing.markWritten(unwritten);
    // The written ones of the batch wait for the others: a number must not overtake a lower one.
    this.#store.afterCommit(() => {
      if (this.#connection !== connection) return;
      for (const pending of batch) {
        const { account: to, number } = pending;
        connection.send({ message: { to, number, sentAtMs: Date.now(), body: this.#outgoing.textOf(pending) } });
      }
    });
  }

  #pumpAt(atMs: number): void {
    if (this.#timer && this.#timer.atMs <= atMs) return;
    if (this.#timer) clearTimeout(this.#timer.handle);
    const pump = () => {
      this.#timer = null;
      for (const lane of this.#lanes.values()) if (lane.waitsUntilMs !== null) this.#ready.add(lane);
      this.#store.guard(() => this.#pump());
    };
    const waitMs = Math.max(1, Math.ceil(atMs - performance.now()));
    // Cut short, it finds that it has to wait on.
    const handle = setTimeout(pump, Math.min(longestTimerMs, waitMs));
    this.#timer = { atMs, handle };
  }
}
