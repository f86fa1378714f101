// The wish to delete the account: the center takes it, lets the mailbox drain, and says that the account is gone by ending
// the session.
import { ParleyError } from '../shared/errors.ts';
import type { Outbox } from './outbox.ts';

/** Of the outbox, in the words that refuse a deletion. */
const maxListed = 10;

export class Deletion {
  /** What was asked for and has not come to its end. */
  #open: PromiseWithResolvers<void> | null = null;

  /**
   * Resolves when the account is gone.
   * @param ask asks the center
   * @throws ParleyError wrong_state where it was asked before, what the center answers, disconnected, why the session ended
   */
  async run(ask: () => Promise<unknown>): Promise<void> {
    if (this.#open) throw new ParleyError('wrong_state', 'The account is being deleted.');
    const open = Promise.withResolvers<void>();
    // It may have failed before it is awaited.
    open.promise.catch(() => undefined);
    this.#open = open;
    // Where the end has come before the answer, the end counts.
    ask().catch(open.reject);
    await open.promise.finally(() => {
      this.#open = null;
    });
  }

  /** The connection broke, and with it what was asked for. */
  broke(): void {
    const text = 'The connection broke before the account was gone: it is open again.';
    this.#open?.reject(new ParleyError('disconnected', text));
  }

  /** The session has ended, for this reason. */
  ended(reason: ParleyError): void {
    if (reason.code === 'account_deleted') this.#open?.resolve();
    else this.#open?.reject(reason);
  }
}

/** Before the wish is told. Throws wrong_state where anything is unsent and is not to be discarded. */
export async function emptyForDeletion(outbox: Outbox, isDiscarded: boolean): Promise<void> {
  const unsent = outbox.list();
  if (unsent.length > 0 && !isDiscarded) {
    const lines = unsent.slice(0, maxListed).map(({ id, to, reason }) => `${id} to ${to}${reason && ` (${reason})`}`);
    if (unsent.length > maxListed) lines.push(`and ${unsent.length - maxListed} more`);
    const text = `The outbox is not empty: ${lines.join(', ')}. Cancel them, wait, or delete the account all the same.`;
    throw new ParleyError('wrong_state', text);
  }
  // What the center has by now is on its way, and cannot be discarded.
  for (const { id } of unsent) await outbox.cancel(id).catch(() => undefined);
}
