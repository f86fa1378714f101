// Those who wait for what becomes of a message of theirs.
import { ParleyError } from '../shared/errors.ts';
import type { OutgoingMessage } from './events.ts';

export type Until = 'outbox' | 'accepted' | 'stored';

const steps: readonly Until[] = ['outbox', 'accepted', 'stored'];

interface Waiter {
  until: Until;
  resolve(message: OutgoingMessage): void;
  reject(error: ParleyError): void;
}

export class Waiters {
  readonly #waiters = new Map<number, Waiter>();

  /** Resolves when the message of this id is as far as that; rejects when it failed, or with cancelled by the signal. */
  add(id: number, until: Until, signal?: AbortSignal): Promise<OutgoingMessage> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(id);
        reject(new ParleyError('cancelled', 'The waiting was given up; the message stays in the outbox.'));
      };
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.set(id, {
        until,
        resolve: (message) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(message);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      });
    });
  }

  reached(message: OutgoingMessage, step: Until): void {
    const waiter = this.#waiters.get(message.id);
    if (waiter === undefined || steps.indexOf(step) < steps.indexOf(waiter.until)) return;
    this.#waiters.delete(message.id);
    waiter.resolve(message);
  }

  failed(id: number, error: ParleyError): void {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    waiter?.reject(error);
  }

  /** The session is over. */
  failAll(error: ParleyError): void {
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
  }
}
