// Delivery: the way of a message from its outbox to its recipient's mailbox.
import type { ChunkPool } from '../chunks.ts';
import type { Clock } from '../clock.ts';
import type { CenterLimits } from '../limits.ts';
import type { Logger } from '../log.ts';
import { type Store, StoreError } from '../store/store.ts';
import type { Turn } from '../turn.ts';
import { Arrivals } from './arrivals.ts';
import { accountOf, deliverRoom, emptyView, type MessageView } from './codec.ts';
import type { Mailbox } from './mailbox.ts';
import { Mailboxes } from './mailboxes.ts';
import { Notices } from './notices.ts';
import type { Office } from './office.ts';
import { type Flow, type Outbox, type RefusalCode, refuse } from './outbox.ts';
import { Outboxes } from './outboxes.ts';
import { Receipts } from './receipts.ts';
import { Schedule } from './schedule.ts';

/** When stopping: what still fails then is lost to this run, but nothing of it was accepted. */
const maxStopTries = 20;
/** Mailboxes and outboxes that nobody used for so long leave memory. */
const sweepMs = 10_000;

export interface MailOptions {
  store: Store;
  limits: CenterLimits;
  turn: Turn;
  pool: ChunkPool;
  clock: Clock;
  log: Logger;
  maxStoreBytes: number;
  /** Bytes in the store at the start. */
  storedBytes: number;
  /** Called when one of these wrote to the other for the first time in this run. */
  onContact(sender: number, recipient: number): void;
}

export class Mail implements Office {
  readonly store: Store;
  readonly pool: ChunkPool;
  readonly limits: CenterLimits;
  /** Bytes in all mailboxes on disk. */
  storedBytes: number;
  readonly receipts: Receipts;
  readonly schedule: Schedule;
  readonly notices: Notices;
  /** Of the message that was read last, which is sent before the next one is read. */
  readonly view = emptyView();
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #maxStoreBytes: number;
  readonly #onContact: MailOptions['onContact'];
  readonly #mailboxes: Mailboxes;
  readonly #outboxes: Outboxes;
  /** What came for mailboxes that are being opened. */
  readonly #arrivals: Arrivals;
  readonly #sweeping: NodeJS.Timeout;
  #receivedAtMs = 0;

  constructor(options: MailOptions) {
    this.store = options.store;
    this.pool = options.pool;
    this.limits = options.limits;
    this.storedBytes = options.storedBytes;
    this.receipts = new Receipts(options.turn, options.limits);
    this.schedule = new Schedule(options.turn);
    this.notices = new Notices(this);
    this.#mailboxes = new Mailboxes(this, options.clock);
    this.#arrivals = new Arrivals(this.#mailboxes, options.store, (error) => this.storeFailed(error));
    this.#outboxes = new Outboxes(options.store, this.schedule);
    this.#clock = options.clock;
    this.#log = options.log;
    this.#maxStoreBytes = options.maxStoreBytes;
    this.#onContact = options.onContact;
    options.turn.addStep(() => this.#endTurn());
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs).unref();
  }

  // --- mailboxes and outboxes -----------------------------------------------------------------------

  /** What is in memory. */
  get counts(): { mailboxes: number; outboxes: number; flows: number } {
    return { mailboxes: this.#mailboxes.count, outboxes: this.#outboxes.count, flows: this.#outboxes.flowCount };
  }

  /** The mailbox if it is in memory. */
  mailbox(account: number): Mailbox | undefined {
    return this.#mailboxes.get(account);
  }

  /** The mailbox of an account, read from the store where it is not in memory; null if the account is gone. */
  openMailbox(account: number): Promise<Mailbox | null> {
    return this.#mailboxes.open(account);
  }

  /**
   * Does this to a mailbox that is not in memory, or can leave it, and lets nobody open it meanwhile; nothing where
   * somebody reads it.
   */
  whileAway(account: number, act: () => Promise<void>): Promise<void> {
    return this.#mailboxes.whileAway(account, act);
  }

  /** Resolves when all that has a place in the mailbox is committed or stored. */
  settle(mailbox: Mailbox): Promise<void> {
    return this.#mailboxes.settle(mailbox);
  }

  /** Takes a mailbox out of memory, and no more mail with it: all it holds is in the store when this resolves. */
  closeMailbox(account: number): Promise<void> {
    return this.#mailboxes.close(account);
  }

  /** Takes a mailbox out of memory for good: its account is removed. What is not committed is refused to its senders. */
  forget(account: number): void {
    this.#mailboxes.get(account)?.vanish();
  }

  /** An outbox with its marks; its refusals are forgotten, since unresolved messages come again from the oldest. */
  openOutbox(sender: number, name: string, id: Uint8Array, own: Mailbox): Promise<Outbox> {
    return this.#outboxes.open(sender, name, id, own);
  }

  // --- sending --------------------------------------------------------------------------------------

  /** Takes the message that the view is of, in these bytes: gives it a place, answers a repeat, or refuses it. */
  send(outbox: Outbox, bytes: Buffer, view: MessageView = this.view): void {
    let flow: Flow;
    if (outbox.lastFlow && outbox.lastToLow === view.toLow && outbox.lastToHigh === view.toHigh) flow = outbox.lastFlow;
    else {
      flow = outbox.flow(accountOf(view));
      outbox.lastFlow = flow;
      outbox.lastToLow = view.toLow;
      outbox.lastToHigh = view.toHigh;
    }
    const number = view.number;
    if (number <= flow.placed) {
      flow.toldAccepted = 0;
      flow.toldStored = 0;
      this.receipts.tell(flow);
      return;
    }
    if (flow.refused !== 0 && number > flow.refused) {
      outbox.session?.refused(flow.recipient, number, 'earlier_refused');
      return;
    }
    // Sent again: those behind it can come.
    if (number === flow.refused) outbox.goOn(flow);
    let mailbox = flow.mailbox;
    if (!mailbox) {
      mailbox = this.#mailboxes.get(flow.recipient) ?? null;
      if (!mailbox) {
        this.#sendWhenOpen(flow, view, Buffer.from(bytes.subarray(view.tailStart, view.tailEnd)));
        return;
      }
      mailbox.adopt(flow);
      this.#onContact(outbox.sender, flow.recipient);
    }
    const refusal = this.#problem(flow, mailbox, view);
    if (refusal) refuse(flow, number, refusal);
    else mailbox.place(flow, number, bytes, view.tailStart, view.tailEnd);
  }

  #problem(flow: Flow, mailbox: Mailbox, view: MessageView): RefusalCode | null {
    if (view.bodyBytes === 0) return 'empty_body';
    if (view.bodyBytes > this.limits.maxBodyBytes) return 'body_too_long';
    if (view.text === 'not_utf8') return 'bad_text';
    if (mailbox.state !== 'open') return 'unknown_account';
    const sender = flow.outbox.sender;
    if (mailbox.blocks.size > 0 && mailbox.blocks.has(sender)) return 'blocked';
    const own = flow.outbox.own;
    if (own && own.blocks.size > 0 && own.blocks.has(flow.recipient)) return 'blocked';
    return this.#quotaProblem(flow, mailbox, view.tailEnd - view.tailStart);
  }

  #quotaProblem(flow: Flow, mailbox: Mailbox, tailBytes: number): RefusalCode | null {
    const bytes = deliverRoom(flow.outbox.prefix, tailBytes);
    const problem = mailbox.contents.problem(flow, bytes, this.limits);
    if (problem) return problem;
    return this.storedBytes + bytes > this.#maxStoreBytes ? 'store_full' : null;
  }

  /** The first message to somebody: those after it queue up behind it while the mailbox is read. */
  #sendWhenOpen(flow: Flow, view: MessageView, bytes: Buffer): void {
    const { recipient, outbox } = flow;
    const { number } = view;
    const session = outbox.session;
    outbox.took(bytes.length);
    const copied = { ...view, tailStart: 0, tailEnd: bytes.length };
    const proceed = (failure: RefusalCode | null): void => {
      outbox.resolved(bytes.length);
      // A connection that ended meanwhile sends it again on the next one.
      if (session === null || outbox.session !== session) return;
      if (failure) refuse(flow, number, failure);
      else if (this.#mailboxes.get(recipient)) this.send(outbox, bytes, copied);
      else refuse(flow, number, 'unknown_account');
    };
    this.#arrivals.add({ flow, number, proceed });
  }

  /** True if the center has not got it and never will from what it has read so far. */
  withdraw(outbox: Outbox, to: number, number: number): boolean {
    const flow = outbox.flows.get(to);
    if (!flow) return true;
    const waiting = this.#arrivals.of(flow);
    if (number <= flow.placed || waiting.some((arrival) => arrival.number === number)) return false;
    if (flow.refused === number) outbox.goOn(flow);
    if (waiting.length === 0) outbox.forgetIfEmpty(flow);
    return true;
  }

  /** Counts anew what is in the store: after something was taken away there. */
  async recount(): Promise<void> {
    // What peers have stored is taken off here already, and must be there before it is counted.
    this.schedule.saveAll();
    const before = this.storedBytes;
    this.storedBytes += (await this.store.totalBytes()) - before;
  }

  // --- what mailboxes ask for -------------------------------------------------------------------------

  /** The center's time, read once a turn. */
  get receivedAtMs(): number {
    if (this.#receivedAtMs === 0) this.#receivedAtMs = this.#clock.now();
    return this.#receivedAtMs;
  }

  flowOf(sender: number, bytes: Buffer, start: number, end: number, recipient: number): Flow {
    return this.#outboxes.flowOf(sender, bytes, start, end, recipient);
  }

  adopted(flow: Flow): void {
    this.#mailboxes.adopted(flow);
  }

  vanished(mailbox: { readonly account: number }): void {
    this.#mailboxes.vanished(mailbox);
  }

  storeFailed(error: unknown): void {
    const reason = error instanceof StoreError ? error.reason : 'failed';
    if (!this.schedule.stopped)
      this.#log.error({ err: error, reason }, 'the store failed; what it could not keep is refused');
  }

  readFailed(account: number, error: unknown, again: () => void): void {
    if (this.schedule.stopped) return;
    this.#log.error({ err: error, account }, 'a mailbox cannot be read; nothing of it is skipped');
    this.schedule.retry(again);
  }

  // --- turns and timers -------------------------------------------------------------------------------

  #endTurn(): void {
    this.#receivedAtMs = 0;
    this.schedule.endTurn();
    this.receipts.endTurn();
  }

  #sweep(): void {
    this.#outboxes.sweep((flow) => this.#mailboxes.release(flow));
    this.#mailboxes.sweep(sweepMs, (account) => this.#arrivals.waitFor(account));
  }

  /** Commits and saves everything; no message may come any more. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeping);
    this.schedule.stop();
    this.receipts.stop();
    for (let tries = 0; tries < maxStopTries; tries++) {
      for (const mailbox of this.#mailboxes.all()) {
        mailbox.commit();
        mailbox.save();
      }
      this.#endTurn();
      // What is asked of the store is done in order: an answer to this means that all before it is done.
      const answered = await this.store.time().catch(() => null);
      if (answered === null || [...this.#mailboxes.all()].every((mailbox) => mailbox.isSaved)) break;
    }
  }
}
