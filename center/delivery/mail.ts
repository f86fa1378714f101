// Delivery: the mailboxes and outboxes in memory, and when each commits, saves and tells its senders.
import { setTimeout as wait } from 'node:timers/promises';
import { errorCodes, ParleyError } from '../../shared/errors.ts';
import type { Chunk, ChunkPool } from '../chunks.ts';
import type { Clock } from '../clock.ts';
import type { CenterLimits } from '../limits.ts';
import type { Logger } from '../log.ts';
import { type Store, StoreError } from '../store/store.ts';
import type { Turn } from '../turn.ts';
import { accountOf, deliverRoom, type MessageView, receiptRoom, senderPrefix, writeReceipt } from './codec.ts';
import { Mailbox } from './mailbox.ts';
import { type Flow, Outbox, outboxKey, type RefusalCode } from './outbox.ts';

/** How long a delivered message waits for its recipient's Ack before it is committed all the same. */
const patienceMs = 5;
/** How long acknowledged positions and marks gather before they are saved. */
const saveMs = 100;
/** After a failed write. */
const retryMs = 1000;
/** Until a mailbox has settled, it is looked at so often. */
const settleMs = 20;
const maxSettleTries = 250;
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

/** A message that waits for its recipient's mailbox to be read. */
interface Arrival {
  flow: Flow;
  number: number;
  /** failure: the mailbox could not be read. */
  proceed(failure: RefusalCode | null): void;
}

/** A notice of the center's own: its number in the outbox of such notices, and its frame at a position. */
export interface CenterNotice {
  number: number;
  encode(position: number, receivedAtMs: number): Buffer;
}

export class Mail {
  readonly store: Store;
  readonly pool: ChunkPool;
  readonly limits: CenterLimits;
  /** Bytes in all mailboxes on disk. */
  storedBytes: number;
  readonly #turn: Turn;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #maxStoreBytes: number;
  readonly #onContact: MailOptions['onContact'];
  readonly #mailboxes = new Map<number, Mailbox>();
  readonly #opening = new Map<number, Promise<Mailbox | null>>();
  /** What came for mailboxes that are being opened. */
  readonly #arrivals = new Map<number, Arrival[]>();
  readonly #outboxes = new Map<string, Outbox>();
  #lastOutbox: Outbox | null = null;
  #changed: Flow[] = [];
  /** Those whose receipts wait for more. */
  #held: Flow[] = [];
  #dueNow: Mailbox[] = [];
  #patient: Mailbox[] = [];
  #toSave: Mailbox[] = [];
  #patience: NodeJS.Timeout | null = null;
  #saving: NodeJS.Timeout | null = null;
  readonly #sweeping: NodeJS.Timeout;
  readonly #later = new Set<NodeJS.Timeout>();
  #receivedAtMs = 0;
  /** Settles when the last notices are sent. */
  #notices: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: MailOptions) {
    this.store = options.store;
    this.pool = options.pool;
    this.limits = options.limits;
    this.storedBytes = options.storedBytes;
    this.#turn = options.turn;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#maxStoreBytes = options.maxStoreBytes;
    this.#onContact = options.onContact;
    this.#turn.addStep(() => this.#endTurn());
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs).unref();
  }

  // --- mailboxes and outboxes -----------------------------------------------------------------------

  /** The mailbox of an account, read from the store where it is not in memory; null if the account is gone. */
  openMailbox(account: number): Promise<Mailbox | null> {
    const mailbox = this.#mailboxes.get(account);
    if (mailbox) {
      mailbox.usedAtMs = this.#clock.now();
      return Promise.resolve(mailbox);
    }
    let opening = this.#opening.get(account);
    if (!opening) {
      opening = this.#open(account).finally(() => this.#opening.delete(account));
      this.#opening.set(account, opening);
    }
    return opening;
  }

  async #open(account: number): Promise<Mailbox | null> {
    const saved = await this.store.openMailbox(account);
    if (saved === 'gone') return null;
    const mailbox = new Mailbox(account, saved, this);
    mailbox.usedAtMs = this.#clock.now();
    this.#mailboxes.set(account, mailbox);
    return mailbox;
  }

  /** What is in memory. */
  get counts(): { mailboxes: number; outboxes: number } {
    return { mailboxes: this.#mailboxes.size, outboxes: this.#outboxes.size };
  }

  /** The mailbox if it is in memory. */
  mailbox(account: number): Mailbox | undefined {
    return this.#mailboxes.get(account);
  }

  /** Takes a mailbox out of memory for good: its account is removed. What is not committed is refused to its senders. */
  forget(account: number): void {
    this.#mailboxes.get(account)?.vanish();
  }

  vanished(mailbox: Mailbox): void {
    if (this.#mailboxes.get(mailbox.account) === mailbox) this.#mailboxes.delete(mailbox.account);
  }

  /** An outbox with its marks; its refusals are forgotten, since unresolved messages come again from the oldest. */
  async openOutbox(sender: number, name: string, id: Uint8Array, own: Mailbox): Promise<Outbox> {
    const outbox = this.#outbox(sender, id);
    outbox.prefix = senderPrefix(sender, outbox.id, name);
    outbox.own = own;
    for (const flow of outbox.flows.values()) flow.refused = 0;
    if (outbox.marks === 'read') return outbox;
    // What its recipients stored meanwhile must be in the store before it is read.
    this.#saveAll();
    outbox.marks = 'reading';
    const marks = await this.store.outbox(sender, outbox.id).catch((error: unknown) => {
      outbox.marks = 'unread';
      throw error;
    });
    for (const mark of marks) {
      const flow = outbox.flow(mark.recipient);
      flow.placed = Math.max(flow.placed, mark.accepted);
      flow.marked = Math.max(flow.marked, mark.accepted);
      flow.accepted = Math.max(flow.accepted, mark.accepted);
      flow.stored = Math.max(flow.stored, mark.stored);
    }
    outbox.marks = 'read';
    return outbox;
  }

  #outbox(sender: number, id: Uint8Array): Outbox {
    const last = this.#lastOutbox;
    if (last && last.sender === sender && last.id.equals(id)) return last;
    const key = outboxKey(sender, id);
    let outbox = this.#outboxes.get(key);
    if (!outbox) {
      outbox = new Outbox(sender, id);
      this.#outboxes.set(key, outbox);
    }
    this.#lastOutbox = outbox;
    return outbox;
  }

  /** The flow of a message that was read back from the store; its outbox id is in these bytes, from start to end. */
  flowOf(sender: number, bytes: Buffer, start: number, end: number, recipient: number): Flow {
    const last = this.#lastOutbox;
    if (last?.sender === sender && last.id.compare(bytes, start, end) === 0) return last.flow(recipient);
    return this.#outbox(sender, bytes.subarray(start, end)).flow(recipient);
  }

  // --- sending --------------------------------------------------------------------------------------

  /** Takes one message: gives it a place, answers a repeat, or refuses it. */
  send(outbox: Outbox, view: MessageView, bytes: Buffer): void {
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
      this.tell(flow);
      return;
    }
    if (flow.refused !== 0 && number > flow.refused) {
      outbox.session?.refused(flow.recipient, number, 'earlier_refused');
      return;
    }
    // Sent again: those behind it can come.
    if (number === flow.refused) flow.refused = 0;
    let mailbox = flow.mailbox;
    if (!mailbox || mailbox.state === 'gone') {
      mailbox = this.#mailboxes.get(flow.recipient) ?? null;
      flow.mailbox = mailbox;
      flow.usage = null;
      if (mailbox) this.#onContact(outbox.sender, flow.recipient);
    }
    if (!mailbox) {
      this.#sendWhenOpen(flow, view, Buffer.from(bytes.subarray(view.tailStart, view.tailEnd)));
      return;
    }
    const refusal = this.#problem(flow, mailbox, view);
    if (refusal) this.#refuse(flow, number, refusal);
    else {
      mailbox.place(flow, number, bytes, view.tailStart, view.tailEnd);
    }
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
    const { mailboxMessages, mailboxBytes, mailboxSenderShare } = this.limits;
    const bytes = deliverRoom(flow.outbox.prefix, tailBytes);
    if (mailbox.count >= mailboxMessages || mailbox.bytes + bytes > mailboxBytes) return 'mailbox_full';
    flow.usage ??= mailbox.usage(flow.outbox.sender);
    const { count, bytes: used } = flow.usage;
    if (count * mailboxSenderShare >= mailboxMessages) return 'sender_quota';
    if ((used + bytes) * mailboxSenderShare > mailboxBytes) return 'sender_quota';
    return this.storedBytes + bytes > this.#maxStoreBytes ? 'store_full' : null;
  }

  /** What is later than an open refusal is refused because of that one. */
  #refuse(flow: Flow, number: number, code: RefusalCode): void {
    const isFirst = flow.refused === 0 || number <= flow.refused;
    if (isFirst) flow.refused = number;
    flow.outbox.session?.refused(flow.recipient, number, isFirst ? code : 'earlier_refused');
  }

  /** The first message to somebody: those after it queue up behind it while the mailbox is read. */
  #sendWhenOpen(flow: Flow, view: MessageView, bytes: Buffer): void {
    const { recipient, outbox } = flow;
    const { number } = view;
    const session = outbox.session;
    outbox.unresolvedMessages++;
    outbox.unresolvedBytes += bytes.length;
    const copied = { ...view, tailStart: 0, tailEnd: bytes.length };
    const proceed = (failure: RefusalCode | null): void => {
      this.resolved(flow, bytes.length);
      // A connection that ended meanwhile sends it again on the next one.
      if (session === null || outbox.session !== session) return;
      if (failure) this.#refuse(flow, number, failure);
      else if (this.#mailboxes.has(recipient)) this.send(outbox, copied, bytes);
      else this.#refuse(flow, number, 'unknown_account');
    };
    const arrival: Arrival = { flow, number, proceed };
    const waiting = this.#arrivals.get(recipient);
    if (waiting) {
      waiting.push(arrival);
      return;
    }
    const arrivals = [arrival];
    this.#arrivals.set(recipient, arrivals);
    this.openMailbox(recipient).then(
      () => {
        this.#arrivals.delete(recipient);
        for (const { proceed } of arrivals) proceed(null);
      },
      (error: unknown) => {
        this.#arrivals.delete(recipient);
        this.storeFailed(error);
        for (const { proceed } of arrivals) proceed('internal');
      },
    );
  }

  /** True if the center has not got it and never will from what it has read so far. */
  withdraw(outbox: Outbox, to: number, number: number): boolean {
    const flow = outbox.flows.get(to);
    if (!flow) return true;
    if (number <= flow.placed || this.#arrivals.get(to)?.some((a) => a.flow === flow && a.number === number))
      return false;
    if (flow.refused === number) flow.refused = 0;
    return true;
  }

  /** Places the center's own notices for this account; resolves when they are accepted. Repeats are left out. */
  sendNotices(account: number, outboxId: Uint8Array, notices: CenterNotice[]): Promise<void> {
    // One after the other: two at once for one outbox would wait for each other's answers.
    const sent = this.#notices.then(() => this.#sendNotices(account, outboxId, notices));
    this.#notices = sent.catch(() => undefined);
    return sent;
  }

  async #sendNotices(account: number, outboxId: Uint8Array, notices: CenterNotice[]): Promise<void> {
    const mailbox = await this.openMailbox(account);
    const outbox = mailbox && (await this.openOutbox(0, '', outboxId, mailbox));
    // Whoever is being deleted takes no mail of the center either.
    if (!outbox || mailbox.state !== 'open') return;
    const flow = outbox.flow(account);
    const fresh = notices.filter(({ number }) => number > flow.placed);
    const last = fresh.at(-1)?.number ?? flow.placed;
    if (flow.accepted >= last) return;
    const accepted = Promise.withResolvers<void>();
    const receipts = this.pool.take(receiptRoom * 2);
    outbox.session = {
      reserve: () => {
        receipts.used = 0;
        return receipts;
      },
      refused: (_to, _number, code) => {
        if (code === 'unknown_account') accepted.resolve();
        else accepted.reject(new ParleyError(code, errorCodes[code]));
      },
      resolved: () => flow.accepted >= last && accepted.resolve(),
    };
    for (const { number, encode } of fresh) {
      mailbox.placeFrame(flow, number, (position) => encode(position, this.receivedAtMs));
    }
    await accepted.promise.finally(() => {
      outbox.session = null;
      this.pool.release(receipts);
    });
  }

  /** Takes a mailbox out of memory, and no more mail with it: all it holds is in the store when this resolves. */
  async closeMailbox(account: number): Promise<void> {
    const mailbox = await this.openMailbox(account);
    if (!mailbox) return;
    mailbox.detach();
    mailbox.close();
    await this.#until(mailbox, () => mailbox.idle || mailbox.state === 'gone');
    this.vanished(mailbox);
    mailbox.leaveMemory();
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
      await this.store.time();
      if (tries > 2) await wait(settleMs);
    }
  }

  /** Counts anew what is in the store: after something was taken away there. */
  async recount(): Promise<void> {
    const before = this.storedBytes;
    this.storedBytes += (await this.store.totalBytes()) - before;
  }

  // --- what mailboxes ask for -------------------------------------------------------------------------

  /** The center's time, read once a turn. */
  get receivedAtMs(): number {
    if (this.#receivedAtMs === 0) this.#receivedAtMs = this.#clock.now();
    return this.#receivedAtMs;
  }

  /** The sender hears at the end of the turn how far this flow got. */
  tell(flow: Flow): void {
    if (flow.changed) return;
    flow.changed = true;
    this.#changed.push(flow);
    this.#turn.schedule();
  }

  /** One message of the flow is accepted or refused. */
  resolved(flow: Flow, bytes: number): void {
    const outbox = flow.outbox;
    outbox.unresolvedMessages--;
    outbox.unresolvedBytes -= bytes;
    outbox.session?.resolved();
  }

  /** At the end of this turn. */
  commitNow(mailbox: Mailbox): void {
    if (mailbox.inLists.now) return;
    mailbox.inLists.now = true;
    this.#dueNow.push(mailbox);
    this.#turn.schedule();
  }

  /** When its peer had time to acknowledge. */
  commitSoon(mailbox: Mailbox): void {
    // The turn has to end in any case: what was written goes out, the time is read anew.
    this.#turn.schedule();
    if (mailbox.inLists.patient) return;
    mailbox.inLists.patient = true;
    this.#patient.push(mailbox);
    this.#bePatient();
  }

  /** After a failed write. */
  commitLater(mailbox: Mailbox): void {
    this.#retry(() => this.commitNow(mailbox));
  }

  saveSoon(mailbox: Mailbox): void {
    if (mailbox.inLists.save) return;
    mailbox.inLists.save = true;
    this.#toSave.push(mailbox);
    if (!this.#stopped) this.#saving ??= setTimeout(() => this.#saveAll(), saveMs);
  }

  saveLater(mailbox: Mailbox): void {
    this.#retry(() => this.saveSoon(mailbox));
  }

  #retry(act: () => void): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      act();
    }, retryMs);
    this.#later.add(timer);
  }

  storeFailed(error: unknown): void {
    const reason = error instanceof StoreError ? error.reason : 'failed';
    if (!this.#stopped) this.#log.error({ err: error, reason }, 'the store failed; what it could not keep is refused');
  }

  readFailed(mailbox: Mailbox, error: unknown): void {
    if (this.#stopped) return;
    this.#log.error({ err: error, account: mailbox.account }, 'a mailbox cannot be read; nothing of it is skipped');
    this.#retry(() => mailbox.retryRead());
  }

  // --- turns and timers -------------------------------------------------------------------------------

  #endTurn(): void {
    this.#receivedAtMs = 0;
    const due = this.#dueNow;
    this.#dueNow = [];
    for (const mailbox of due) {
      mailbox.inLists.now = false;
      mailbox.commit();
    }
    const changed = this.#changed;
    this.#changed = [];
    for (const flow of changed) {
      if (this.#canWait(flow)) this.#hold(flow);
      else this.#tellSender(flow);
    }
  }

  /**
   * A sender that has sent more already does not wait for this receipt: one for several is told when the last of them
   * is resolved, or a moment later.
   */
  #canWait({ accepted, placed, outbox }: Flow): boolean {
    return accepted < placed && outbox.unresolvedMessages * 2 < this.limits.maxUnresolvedMessages;
  }

  #hold(flow: Flow): void {
    if (flow.held) return;
    flow.held = true;
    flow.changed = false;
    this.#held.push(flow);
    this.#bePatient();
  }

  #tellSender(flow: Flow): void {
    flow.changed = false;
    flow.held = false;
    const session = flow.outbox.session;
    if (!session || (flow.accepted === flow.toldAccepted && flow.stored === flow.toldStored)) return;
    const chunk: Chunk = session.reserve(receiptRoom * 2);
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

  /** Tells a sender that attached how far each flow of its outbox got. */
  tellAll(outbox: Outbox): void {
    for (const flow of outbox.flows.values()) {
      flow.toldAccepted = 0;
      flow.toldStored = 0;
      flow.changed = true;
      this.#tellSender(flow);
    }
    this.#changed = this.#changed.filter((flow) => flow.changed);
  }

  #commitPatient(): void {
    this.#patience = null;
    for (const flow of this.#held) if (flow.held) this.#tellSender(flow);
    this.#held = [];
    this.#patient = this.#patient.filter((mailbox) => {
      mailbox.inLists.patient = mailbox.commitPatiently();
      return mailbox.inLists.patient;
    });
    if (this.#patient.length > 0) this.#bePatient();
  }

  #bePatient(): void {
    if (!this.#stopped) this.#patience ??= setTimeout(() => this.#commitPatient(), patienceMs);
  }

  #saveAll(): void {
    if (this.#saving) clearTimeout(this.#saving);
    this.#saving = null;
    const toSave = this.#toSave;
    this.#toSave = [];
    for (const mailbox of toSave) {
      mailbox.inLists.save = false;
      mailbox.save();
    }
  }

  #sweep(): void {
    for (const [key, outbox] of this.#outboxes) {
      if (!outbox.idle) continue;
      this.#outboxes.delete(key);
      if (this.#lastOutbox === outbox) this.#lastOutbox = null;
    }
    const before = this.#clock.now() - sweepMs;
    for (const [account, mailbox] of this.#mailboxes) {
      if (!mailbox.idle) mailbox.usedAtMs = this.#clock.now();
      else if (mailbox.usedAtMs < before && !this.#arrivals.has(account)) {
        this.#mailboxes.delete(account);
        mailbox.leaveMemory();
      }
    }
  }

  /** Commits and saves everything; no message may come any more. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeping);
    for (const timer of this.#later) clearTimeout(timer);
    this.#stopped = true;
    for (let tries = 0; tries < maxStopTries; tries++) {
      for (const mailbox of this.#mailboxes.values()) {
        mailbox.commit();
        mailbox.save();
      }
      this.#endTurn();
      // What is asked of the store is done in order: an answer to this means that all before it is done.
      const answered = await this.store.time().catch(() => null);
      if (answered === null || [...this.#mailboxes.values()].every((mailbox) => mailbox.saved)) break;
    }
    if (this.#patience) clearTimeout(this.#patience);
    if (this.#saving) clearTimeout(this.#saving);
  }
}
