// Somebody who has logged in over a connection, as everything else sees them: one small object for the login's life.
import type { parley } from '../shared/protocol.js';
import type { Mailbox } from './delivery/mailbox.ts';
import type { Outbox } from './delivery/outbox.ts';
import type { Reach } from './links/introductions.ts';
import type { LinkSession } from './links/links.ts';
import type { Session } from './session.ts';

const noAddresses: readonly string[] = [];

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

export class Member implements LinkSession, Reach {
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

  constructor(session: Session, { account, name, mailbox, key, generation, jti }: Credentials) {
    this.#session = session;
    this.account = account;
    this.name = name;
    this.mailbox = mailbox;
    this.key = key;
    this.generation = generation;
    this.jti = jti;
    this.windowMessages = session.services.limits.windowMessages;
  }

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

  send(frame: parley.Frame.$Properties): void {
    this.#session.send(frame);
  }
}
