// Somebody who has logged in over a connection, as everything else sees them: one small object for the login's life.
import { ParleyError } from '../shared/errors.ts';
import type { parley } from '../shared/protocol.js';
import type { Chunk } from './chunks.ts';
import type { Mailbox } from './delivery/mailbox.ts';
import type { Outbox, RefusalCode, SenderSession } from './delivery/outbox.ts';
import type { Recipient } from './delivery/window.ts';
import type { Reach } from './links/introductions.ts';
import type { LinkSession } from './links/links.ts';
import type { Blocks, Listener } from './presence.ts';
import { refusedBody } from './refusals.ts';
import type { Session } from './session.ts';
import type { Timeout } from './wheel.ts';

const noAddresses: readonly string[] = [];
/** Below this share of a limit a connection is read again. */
const resumeShare = 0.5;

/** What a login has found out about an account. */
export interface Credentials {
  readonly account: number;
  readonly name: string;
  readonly mailbox: Mailbox;
  /** Fingerprint of the peer's key. */
  readonly key: string;
  readonly generation: number;
  readonly jti: string;
}

export class Member implements SenderSession, Recipient, Listener, LinkSession, Reach {
  readonly account: number;
  readonly name: string;
  readonly mailbox: Mailbox;
  readonly key: string;
  generation: number;
  jti: string;
  /** Set by Attach: from then on it takes part in delivery and in links. */
  outbox: Outbox | null = null;
  windowMessages: number;
  /** DeleteAccount was asked for. */
  deleting = false;
  // Set by Attach.
  listenPort = 0;
  local = noAddresses;
  verified = false;
  readonly #session: Session;
  /** Made when it is first needed: most members never do. */
  #heldNotice: Timeout | null = null;
  #waiting = 0;

  constructor(session: Session, { account, name, mailbox, key, generation, jti }: Credentials) {
    this.#session = session;
    this.account = account;
    this.name = name;
    this.mailbox = mailbox;
    this.key = key;
    this.generation = generation;
    this.jti = jti;
    this.windowMessages = session.services.limits.windowMessages;
    mailbox.sessions++;
  }

  /** The connection is over. presence: whether the account is offline now or may come back. */
  leave(presence: 'now' | 'later'): void {
    const { services } = this.#session;
    if (this.#heldNotice) services.wheel.cancel(this.#heldNotice);
    this.mailbox.sessions--;
    if (this.outbox?.session === this) this.outbox.session = null;
    services.links.detach(this);
    if (services.sessions.of(this.account) !== this.#session) return;
    this.mailbox.detach();
    if (this.deleting) this.#reopen();
    services.presence.leave(this, presence);
  }

  /** Whoever goes before the account is deleted keeps it. */
  #reopen(): void {
    const { store, log } = this.#session.services;
    store.setState(this.account, 'open').catch((error: unknown) => {
      log.error({ err: error, account: this.account }, 'an account is closed until its next login');
    });
  }

  send(frame: parley.Frame.$Properties): void {
    this.#session.connection.send(frame);
  }

  /** Room in the connection's output. */
  reserve(bytes: number): Chunk {
    return this.#session.connection.reserve(bytes);
  }

  // --- as a sender ------------------------------------------------------------------------------------

  refused(to: number, number: number, code: RefusalCode): void {
    this.send(refusedBody(to, number, code));
    const { maxRefusedRecipients } = this.#session.services.limits;
    // No refusal may be forgotten but with the connection. Not at once: a mailbox may be in the middle of refusing.
    if ((this.outbox?.refusals ?? 0) > maxRefusedRecipients) {
      queueMicrotask(() => this.#session.end(tooManyRefused(), 'later'));
    }
  }

  /** As many messages as may be are neither accepted nor refused. */
  get isBusy(): boolean {
    return this.#hasUnresolved(1);
  }

  resolved(): void {
    const { pace } = this.#session;
    if (!pace.isReading && !this.#hasUnresolved(resumeShare)) pace.goOnIfPossible();
  }

  /** share: of what may be. */
  #hasUnresolved(share: number): boolean {
    if (!this.outbox) return false;
    const { maxUnresolvedMessages, maxUnresolvedBytes } = this.#session.services.limits;
    const { unresolvedMessages, unresolvedBytes } = this.outbox;
    return unresolvedMessages >= maxUnresolvedMessages * share || unresolvedBytes >= maxUnresolvedBytes * share;
  }

  // --- as a recipient ---------------------------------------------------------------------------------

  get windowBytes(): number {
    return this.#session.services.limits.windowBytes;
  }

  waiting(count: number): void {
    const { wheel, limits } = this.#session.services;
    this.#waiting = count;
    this.#heldNotice ??= { dueTick: 0, expire: () => this.send({ waiting: { count: this.#waiting } }) };
    if (this.#heldNotice.dueTick === 0) wheel.schedule(this.#heldNotice, limits.presenceMs);
  }

  // --- as one of those who are online -------------------------------------------------------------------

  get blocks(): Blocks {
    return this.mailbox.blocks;
  }

  /** Sends a frame that may be left out; false where the connection is full. */
  notice(bytes: Buffer): boolean {
    const { connection, services } = this.#session;
    if (connection.outputBytes > services.limits.maxOutputBytes) return false;
    connection.sendBytes(bytes);
    return true;
  }

  // --- as somebody who can be reached -------------------------------------------------------------------

  get reach(): Reach {
    return this;
  }

  get address(): string {
    return this.#session.from.address;
  }

  get counted(): string {
    return this.#session.from.counted;
  }

  get port(): number {
    return this.#session.from.port;
  }

  get loopback(): boolean {
    return this.#session.from.loopback;
  }
}

function tooManyRefused(): ParleyError {
  return new ParleyError('busy', 'Too many messages are refused: send them again, or withdraw them.');
}
