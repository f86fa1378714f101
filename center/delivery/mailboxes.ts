// The mailboxes in memory: each is read from the store when it is first asked for, and leaves when nobody uses it.
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { StoreError } from '../store/store.ts';
import { Mailbox } from './mailbox.ts';
import type { Office } from './office.ts';
import type { Flow } from './outbox.ts';

/** Until a mailbox has settled, it is looked at so often. */
const settleMs = 20;
const maxSettleTries = 250;

export class Mailboxes {
  readonly #office: Office;
  readonly #clock: Clock;
  readonly #mailboxes = new Map<number, Mailbox>();
  /** Those that know a mailbox in memory, by its account. */
  readonly #flows = new Map<number, Set<Flow>>();
  readonly #opening = new Map<number, Promise<Mailbox | null>>();
  /** Settles when the last act on a mailbox that is away is done. */
  #away: Promise<void> = Promise.resolve();

  constructor(office: Office, clock: Clock) {
    this.#office = office;
    this.#clock = clock;
  }

  get count(): number {
    return this.#mailboxes.size;
  }

  /** The mailbox of an account if it is in memory. */
  get(account: number): Mailbox | undefined {
    return this.#mailboxes.get(account);
  }

  all(): Iterable<Mailbox> {
    return this.#mailboxes.values();
  }

  /** The mailbox of an account, read from the store where it is not in memory; null if the account is gone. */
  open(account: number): Promise<Mailbox | null> {
    const mailbox = this.#mailboxes.get(account);
    if (mailbox) {
      mailbox.usedAtMs = this.#clock.now();
      return Promise.resolve(mailbox);
    }
    let opening = this.#opening.get(account);
    if (!opening) {
      opening = this.#read(account).finally(() => this.#opening.delete(account));
      this.#opening.set(account, opening);
    }
    return opening;
  }

  async #read(account: number): Promise<Mailbox | null> {
    const saved = await this.#office.store.openMailbox(account);
    if (saved === 'gone') return null;
    const mailbox = new Mailbox(account, saved, this.#office);
    mailbox.usedAtMs = this.#clock.now();
    this.#mailboxes.set(account, mailbox);
    return mailbox;
  }

  /**
   * Does this to a mailbox that is not in memory, or can leave it, and lets nobody open it meanwhile; nothing where
   * somebody reads it.
   */
  whileAway(account: number, act: () => Promise<void>): Promise<void> {
    // One after the other: two at once could each wait for the mailbox that the other keeps from opening.
    const acted = this.#away.then(() => this.#whileAway(account, act));
    this.#away = acted.catch(() => undefined);
    return acted;
  }

  async #whileAway(account: number, act: () => Promise<void>): Promise<void> {
    const mailbox = this.#mailboxes.get(account);
    if (mailbox && mailbox.sessions === 0) {
      mailbox.commit();
      mailbox.save();
      await this.#office.store.time();
    }
    // What came meanwhile is wanted. From here on nothing may wait until it is being opened, or others would open it.
    if (this.#opening.has(account) || this.#mailboxes.get(account) !== mailbox) return;
    if (mailbox && (mailbox.state !== 'open' || !mailbox.idle)) return;
    if (mailbox) this.#leave(mailbox);
    const acted = act();
    const opening = acted.then(
      () => this.#read(account),
      () => this.#read(account),
    );
    this.#opening.set(account, opening);
    await Promise.allSettled([opening.finally(() => this.#opening.delete(account))]);
    await acted;
  }

  /** This flow knows the mailbox of its recipient, and forgets it when that leaves memory. */
  adopted(flow: Flow): void {
    const flows = this.#flows.get(flow.recipient);
    if (flows) flows.add(flow);
    else this.#flows.set(flow.recipient, new Set([flow]));
  }

  /** This flow leaves memory itself. */
  release(flow: Flow): void {
    this.#flows.get(flow.recipient)?.delete(flow);
  }

  #leave(mailbox: Mailbox): void {
    this.vanished(mailbox);
    mailbox.leaveMemory();
  }

  /** This one is gone: the next to ask has it read anew. */
  vanished(mailbox: { readonly account: number }): void {
    const { account } = mailbox;
    if (this.#mailboxes.get(account) !== mailbox) return;
    this.#mailboxes.delete(account);
    for (const flow of this.#flows.get(account) ?? []) {
      flow.mailbox = null;
      flow.usage = null;
    }
    this.#flows.delete(account);
  }

  /**
   * Takes a mailbox out of memory, and no more mail with it: all it holds is in the store when this resolves. Where it
   * rejects, because the store did not take that in time, the mailbox goes on as before.
   */
  async close(account: number): Promise<void> {
    const mailbox = await this.open(account);
    if (!mailbox) return;
    mailbox.detach();
    mailbox.close();
    try {
      await this.#until(mailbox, () => mailbox.idle || mailbox.state === 'gone');
    } catch (error) {
      mailbox.reopen();
      throw error;
    }
    this.#leave(mailbox);
  }

  /** Resolves when all that has a place in the mailbox is committed or stored. */
  async settle(mailbox: Mailbox): Promise<void> {
    await this.#until(mailbox, () => mailbox.settled);
  }

  async #until(mailbox: Mailbox, done: () => boolean): Promise<void> {
    for (let tries = 0; !done(); tries++) {
      if (tries === maxSettleTries) throw new StoreError('failed', 'the store does not take what is in the mailbox');
      mailbox.commit();
      mailbox.save();
      // Asked after those, answered after those. What failed is not tried again at once.
      await this.#office.store.time();
      if (tries > 2) await wait(settleMs);
    }
  }

  /** What nobody has used for so long leaves memory, unless something waits for it. */
  sweep(unusedMs: number, isAwaited: (account: number) => boolean): void {
    const now = this.#clock.now();
    for (const [account, mailbox] of this.#mailboxes) {
      if (!mailbox.idle) mailbox.usedAtMs = now;
      else if (mailbox.usedAtMs < now - unusedMs && !isAwaited(account)) this.#leave(mailbox);
    }
  }
}
