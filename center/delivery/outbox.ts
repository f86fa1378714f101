// An outbox as the center knows it: how far it got, for each recipient.
import type { Chunk } from '../chunks.ts';
import { senderPrefix } from './codec.ts';
import type { Mailbox } from './mailbox.ts';

/** The live connection of whoever sends from an outbox. */
export interface SenderSession {
  /** Room in the connection's output; the writer adds what it wrote to `used`. */
  reserve(bytes: number): Chunk;
  refused(to: number, number: number, code: RefusalCode): void;
  /** Something was resolved: it may be read from again. */
  resolved(): void;
}

export type RefusalCode =
  | 'unknown_account'
  | 'blocked'
  | 'empty_body'
  | 'body_too_long'
  | 'bad_text'
  | 'bad_number'
  | 'mailbox_full'
  | 'sender_quota'
  | 'store_full'
  | 'internal'
  | 'earlier_refused';

/** What one sender takes up in one mailbox. */
export interface Usage {
  count: number;
  bytes: number;
}

/** One outbox on its way to one recipient. Numbers only rise; 0 is none. */
export interface Flow {
  readonly outbox: Outbox;
  readonly recipient: number;
  /** Where its messages queue; null until the first one is sent in this run of the center. */
  mailbox: Mailbox | null;
  usage: Usage | null;
  /** Highest number with a place in the mailbox: at or below it everything is a repeat. */
  placed: number;
  /** Highest number handed to the store or stored by the recipient: what its mark says. */
  marked: number;
  /** Highest number committed, or stored by the recipient's peer. */
  accepted: number;
  /** Highest number stored by the recipient's peer. */
  stored: number;
  toldAccepted: number;
  toldStored: number;
  /** The number whose refusal is open: later ones are refused too. */
  refused: number;
  /** It is in the list of those whose sender has something to hear. */
  changed: boolean;
  /** Its receipts wait for those of what came after. */
  held: boolean;
  /** Its mark has not been given to the store. */
  unsaved: boolean;
}

const noFlows: ReadonlyMap<number, Flow> = new Map();
/** Refusals of messages to recipients that are gone: so many are remembered, the latest. */
export const maxGoneRemembered = 1024;
/** Of an outbox's key: the sender, then the id. */
const senderBytes = 8;

export class Outbox {
  readonly sender: number;
  readonly key: string;
  // Made when a message is on its way: until then an outbox is its key.
  #flows: Map<number, Flow> | null = null;
  #id: Buffer | null = null;
  #prefix: Buffer | null = null;
  // Of the sender, when it attaches.
  #name = '';
  /** The mailbox of the sender itself: whom it has blocked. */
  own: Mailbox | null = null;
  session: SenderSession | null = null;
  /** Placed, and neither accepted nor refused. */
  unresolvedMessages = 0;
  unresolvedBytes = 0;
  /** Delivered and not acknowledged: their receipts will come. */
  inWindow = 0;
  /** Its marks were read from the store. */
  isRead = false;
  /** While they are read: for all who wait for them. */
  reading: Promise<void> | null = null;
  /** The flow of the last message: conversations go to one recipient for a while. */
  lastFlow: Flow | null = null;
  lastToLow = 0;
  lastToHigh = 0;
  /** Flows with an open refusal: forgotten with the connection only, lest a later message overtakes the refused one. */
  #refusing: Set<Flow> | null = null;
  /** Those to recipients that are gone for good, oldest first: none can overtake where none will be taken. */
  #gone: Set<Flow> | null = null;

  constructor(sender: number, key: string) {
    this.sender = sender;
    this.key = key;
  }

  get id(): Buffer {
    if (!this.#id) {
      // Not from the pool: a few bytes that are kept would keep the 64 KiB around them.
      this.#id = Buffer.alloc(this.key.length - senderBytes);
      this.#id.write(this.key.slice(senderBytes), 'latin1');
    }
    return this.#id;
  }

  /** What all its Deliver frames have in common. */
  get prefix(): Buffer {
    this.#prefix ??= senderPrefix(this.sender, this.id, this.#name);
    return this.#prefix;
  }

  /** Its sender attaches. */
  belongTo(name: string, own: Mailbox): void {
    this.own = own;
    if (name === this.#name) return;
    this.#name = name;
    this.#prefix = null;
  }

  get flows(): ReadonlyMap<number, Flow> {
    return this.#flows ?? noFlows;
  }

  flow(recipient: number): Flow {
    this.#flows ??= new Map();
    let flow = this.#flows.get(recipient);
    if (!flow) {
      flow = {
        outbox: this,
        recipient,
        mailbox: null,
        usage: null,
        placed: 0,
        marked: 0,
        accepted: 0,
        stored: 0,
        toldAccepted: 0,
        toldStored: 0,
        refused: 0,
        changed: false,
        held: false,
        unsaved: false,
      };
      this.#flows.set(recipient, flow);
    }
    return flow;
  }

  /** To how many recipients that there are, or may be, a refusal is open. */
  get refusals(): number {
    return this.#refusing?.size ?? 0;
  }

  /** This number is refused. False where that is because of an earlier refusal, which stays the one that is open. */
  refuse(flow: Flow, number: number, code: RefusalCode): boolean {
    if (flow.refused !== 0 && number > flow.refused) return false;
    flow.refused = number;
    // Whether there may be such an account one day is yet to be judged.
    if (code !== 'unknown_account') this.#count(flow);
    return true;
  }

  /** The recipient of a flow that was refused has no mailbox. isGone: and never will have one. */
  judge(flow: Flow, isGone: boolean): void {
    if (flow.refused === 0 || this.flows.get(flow.recipient) !== flow) return;
    if (!isGone) return this.#count(flow);
    this.#refusing?.delete(flow);
    if (flow.placed > 0) return;
    this.#gone ??= new Set();
    this.#gone.add(flow);
    if (this.#gone.size <= maxGoneRemembered) return;
    for (const oldest of this.#gone) return this.#forget(oldest);
  }

  #count(flow: Flow): void {
    this.#refusing ??= new Set();
    this.#refusing.add(flow);
  }

  /** The refused one was sent again, or withdrawn: what is later can come. */
  goOn(flow: Flow): void {
    flow.refused = 0;
    this.#refusing?.delete(flow);
    this.#gone?.delete(flow);
  }

  /** Forgets it if there is nothing to remember. No message of it may be on its way. */
  forgetIfEmpty(flow: Flow): void {
    if (flow.placed === 0 && flow.refused === 0 && flow.mailbox === null) this.#forget(flow);
  }

  #forget(flow: Flow): void {
    this.goOn(flow);
    this.#flows?.delete(flow.recipient);
    if (this.lastFlow === flow) this.lastFlow = null;
  }

  /** All refusals are over with the connection that they were made on. */
  forgetRefusals(): void {
    for (const flow of this.flows.values()) {
      flow.refused = 0;
      this.forgetIfEmpty(flow);
    }
    this.#refusing = null;
    this.#gone = null;
  }

  /** A message with a frame of so many bytes is on its way. */
  took(bytes: number): void {
    this.unresolvedMessages++;
    this.unresolvedBytes += bytes;
  }

  /** It is accepted or refused. */
  resolved(bytes: number): void {
    this.unresolvedMessages--;
    this.unresolvedBytes -= bytes;
    this.session?.resolved();
  }

  /** The highest number known, to any recipient. */
  get highestNumber(): number {
    let highest = 0;
    for (const flow of this.flows.values()) highest = Math.max(highest, flow.placed);
    return highest;
  }

  /** Nothing would be lost by forgetting it. */
  get idle(): boolean {
    if (this.session || this.reading || this.unresolvedMessages > 0 || this.inWindow > 0) return false;
    for (const flow of this.flows.values()) if (flow.unsaved || flow.changed || flow.held) return false;
    return true;
  }
}

/**
 * Tells the sender that this message is refused. What is later than an open refusal is refused because of that one; true
 * where there was none before it.
 */
export function refuse(flow: Flow, number: number, code: RefusalCode): boolean {
  const isFirst = flow.outbox.refuse(flow, number, code);
  flow.outbox.session?.refused(flow.recipient, number, isFirst ? code : 'earlier_refused');
  return isFirst;
}

/** Names the outbox among those of all accounts; a string, because it is kept for as long as the outbox. */
export function outboxKey(sender: number, id: Uint8Array): string {
  const bytes = Buffer.allocUnsafe(senderBytes + id.length);
  bytes.writeDoubleBE(sender);
  bytes.set(id, senderBytes);
  return bytes.toString('latin1');
}
