// Withdraw requests over one connection, a few at a time: what the user asks for finds room beside them.
import { type ErrorCode, ParleyError } from '../shared/errors.ts';
import type { parley } from '../shared/protocol.js';
import type { Connection } from './connection.ts';
import { longestTimerMs } from './longest-timer.ts';

const maxOpen = 64;
const againMs = 5_000;

/** After these it may be answered another time. */
const passingCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['busy', 'rate_limited', 'internal', 'timeout']);

interface Withdrawal {
  to: number;
  number: number;
  /** It is asked again until it is answered. */
  insists: boolean;
  settle(reply: parley.Frame | ParleyError): void;
}

export class Withdrawals {
  readonly #connection: Connection;
  readonly #waiting: Withdrawal[] = [];
  readonly #retries = new Set<NodeJS.Timeout>();
  #open = 0;
  #isAsking = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add(withdrawal: Withdrawal): void {
    this.#waiting.push(withdrawal);
    this.#ask();
  }

  /** The connection is gone, and what the center has refused over it does not count any more. */
  stop(): void {
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
    const reason = new ParleyError('disconnected', 'The connection broke before the center answered.');
    for (const { settle } of this.#waiting.splice(0)) settle(reason);
  }

  #ask(): void {
    // Where an answer comes in the very call, the loop goes on with the next.
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#open < maxOpen && this.#waiting.length > 0) {
      const withdrawal = this.#waiting.shift()!;
      const { to, number } = withdrawal;
      this.#open += 1;
      this.#connection.ask({ withdraw: { to, number } }, (reply) => {
        this.#open -= 1;
        this.#answered(withdrawal, reply);
        this.#ask();
      });
    }
    this.#isAsking = false;
  }

  #answered(withdrawal: Withdrawal, reply: parley.Frame | ParleyError): void {
    const isPassing = reply instanceof ParleyError && passingCodes.has(reply.code) && !this.#connection.closed;
    if (withdrawal.insists && isPassing) this.#againLater(withdrawal, reply.retryAfterMs);
    else withdrawal.settle(reply);
  }

  #againLater(withdrawal: Withdrawal, retryAfterMs: number): void {
    const again = () => {
      this.#retries.delete(retry);
      this.add(withdrawal);
    };
    const retry = setTimeout(again, Math.min(longestTimerMs, Math.max(againMs, retryAfterMs)));
    this.#retries.add(retry);
  }
}
