// What the center keeps, as acts of its domain. Each act is atomic and can be retried after an unknown
// outcome; acts on one account happen in the order in which they were asked for, and none spans two.
// An engine promises: when an act's promise resolves, its effect is durable (fsynced).

/** A live login of an account. Tokens are honoured only while the account's record names their jti. */
export interface SessionRecord {
  jti: string;
  /** Issued at a resume, not yet used; its first use makes it the jti. */
  nextJti: string | null;
  /** Fingerprint of the peer's key (the token's cnf.kid). */
  key: string;
  expiresAtMs: number;
}

export interface AccountRecord {
  id: number;
  name: string;
  /** bcrypt */
  passwordHash: string;
  createdAtMs: number;
  /** The count of logins. */
  generation: number;
  session: SessionRecord | null;
  /** Set while banned; Infinity is a ban without end. */
  bannedUntilMs: number | null;
  banReason: string;
  /** closing: deletion was asked for, the mailbox drains; mail is refused. removed: only the name is left, reserved. */
  state: 'open' | 'closing' | 'removed';
}

/** Up to where a mailbox got: of this sender's outbox, the highest number placed and the highest stored. */
export interface Mark {
  sender: number;
  outbox: Uint8Array;
  accepted: number;
  stored: number;
}

/** A run of a mailbox: whole frames (length and Frame{deliver}), positions first to last in order, some missing. */
export interface MailboxRun {
  first: number;
  last: number;
  /** How many frames. */
  count: number;
  frames: Uint8Array;
}

export interface AppendRun extends MailboxRun {
  /** Marks of all senders in the run, and of messages since the last run that skipped the disk. */
  marks: Mark[];
  /** Positions below this may be given out before the next append. */
  reservedTo: number;
}

export interface MailboxState {
  generation: number;
  /** All up to here are stored by the peer and gone. */
  ackedTo: number;
  /** The next free position: never reserved before, by any earlier run of the center. */
  next: number;
  /** Accounts that this one has blocked. */
  blocks: number[];
  count: number;
  bytes: number;
  senders: { sender: number; count: number; bytes: number }[];
}

/** The asker may reach the giver directly. */
export type ConsentRecord = { giver: number; asker: number; untilMs: number; once: boolean };
export type InviteRecord = { code: string; createdAtMs: number; expiresAtMs: number; usesLeft: number };
export type LockoutRecord = { key: string; untilMs: number };

/**
 * full: no room. failed: it could not be done, or contradicts what is stored. damaged: what is stored is not what was
 * written. closed: the engine has stopped (after a failed fsync it stops for good).
 */
export type StoreFailure = 'full' | 'failed' | 'damaged' | 'closed';

/** Thrown by any act where the engine cannot do it now; nothing has changed. */
export class StoreError extends Error {
  readonly reason: StoreFailure;
  constructor(reason: StoreFailure, text: string) {
    super(text);
    this.name = 'StoreError';
    this.reason = reason;
  }
}

export interface Store {
  // --- accounts ---
  /**
   * `created` again for the same id and name. With an invite, one use of it is spent in the same act; it must not
   * have expired at createdAtMs.
   */
  createAccount(account: {
    id: number;
    name: string;
    passwordHash: string;
    createdAtMs: number;
    invite?: string;
  }): Promise<'created' | 'taken' | 'bad_invite'>;
  account(id: number): Promise<AccountRecord | null>;
  /** Without regard to case. */
  accountNamed(name: string): Promise<AccountRecord | null>;
  /** In the order of folded names, after this one; at most limit. Only open accounts unless all. */
  accounts(page: { after: string; limit: number; all?: boolean }): Promise<AccountRecord[]>;
  /**
   * A login of an account that is still as it was judged: the generation rises by one, all earlier sessions end, the
   * account is not closing any more, and key and address are familiar. The account as it is then; `conflict` where its
   * generation, password or ban is another than judged, `gone` where it is removed or never was. Retried with the same
   * jti: the same.
   */
  claimSession(
    judged: Pick<AccountRecord, 'id' | 'generation' | 'passwordHash' | 'bannedUntilMs'>,
    session: SessionRecord,
    address: string,
  ): Promise<AccountRecord | 'conflict' | 'gone'>;
  /**
   * A resume. Where jti names the live session, be it the current one or the next, it is the current one from now on, the
   * account is online, not closing any more, next is issued if given, and address, where the account has not logged in
   * from it before, remembered as addFamiliar does. The account as it is then, whatever became of the session: its record
   * tells.
   */
  resumeSession(
    id: number,
    jti: string,
    next: { jti: string; expiresAtMs: number } | null,
    address: string,
  ): Promise<AccountRecord | null>;
  /** Ends that session if it is the live one (jti may be either of its two); null ends any. */
  endSession(id: number, jti: string | null): Promise<void>;
  /** Ends every session. */
  setPassword(id: number, passwordHash: string): Promise<'done' | 'gone'>;
  /** Ends every session, then begins this one: of an account that is still as it was judged, as claimSession does. */
  changePassword(
    judged: Pick<AccountRecord, 'id' | 'generation' | 'passwordHash' | 'bannedUntilMs'>,
    passwordHash: string,
    session: SessionRecord,
  ): Promise<AccountRecord | 'conflict' | 'gone'>;
  /** Ends every session where untilMs is not null. */
  setBan(id: number, untilMs: number | null, reason: string): Promise<'done' | 'gone'>;
  setState(id: number, state: 'open' | 'closing'): Promise<'done' | 'gone'>;
  /** At a start: accounts whose deletion was interrupted are open again. */
  reopenClosing(): Promise<void>;
  /**
   * Account, blocks, sessions and the marks of its outboxes go, the name stays reserved. `waiting` while the mailbox
   * holds anything. The marks of what others sent to it stay: they ask for them at their next login.
   */
  removeAccount(id: number): Promise<'removed' | 'waiting' | 'gone'>;
  /** Gives back the name of a removed account. */
  releaseName(name: string): Promise<'released' | 'not_reserved'>;
  setBlock(id: number, blocked: number, on: boolean): Promise<void>;
  blocks(id: number): Promise<number[]>;
  /** Keys and addresses from which this account has logged in, the last 64. */
  addFamiliar(id: number, key: string, address: string): Promise<void>;
  isFamiliar(id: number, key: string, address: string): Promise<boolean>;
  /**
   * Accounts that are online as far as others were told: since a login or resume, until one of endSession, setBan,
   * setOffline or their end. With whom each has blocked.
   */
  onlineAccounts(): Promise<{ id: number; name: string; blocks: number[] }[]>;
  setOffline(ids: number[]): Promise<void>;
  /** Accounts that this one has written to or heard from and that are not removed, at most limit. */
  contacts(id: number, limit: number): Promise<number[]>;

  // --- consents ---
  /** A request for an address; open: it is there already; silent: it was denied a short while ago. */
  askAddress(target: number, asker: number, nowMs: number, openForMs: number): Promise<'asked' | 'open' | 'silent'>;
  /** Closes the request, if any; further ones are silent until then. */
  denyAddress(target: number, asker: number, nowMs: number, silentUntilMs: number): Promise<void>;
  /** Closes the request, if any, and records the consent in place of an earlier one. */
  allowAddress(giver: number, asker: number, untilMs: number, once: boolean): Promise<void>;
  /** Live ones, given and received; those that ended are forgotten. */
  consents(account: number, nowMs: number): Promise<ConsentRecord[]>;
  /** For who has come: consents as above, and accounts with an open request to this one, oldest first, at most limit. */
  consentsAndRequests(
    account: number,
    nowMs: number,
    asked: { afterMs: number; limit: number },
  ): Promise<{ consents: ConsentRecord[]; requests: number[] }>;
  /** Ends those between the two, or, where other is null, all that hold only once; returns the other accounts concerned. */
  endConsents(account: number, other: number | null): Promise<number[]>;

  // --- mailboxes ---
  /** Reserves no positions: append and saveMarks do. `gone` for an account that is not open. */
  openMailbox(id: number): Promise<MailboxState | 'gone'>;
  /**
   * The run and its marks, in one commit. An append with the same first and last position as one before (or, where
   * runs were joined since, with frames that are among those), or of which all is stored already, is a repeat: its
   * marks and reservation count all the same. Any other run that begins at or below the last position of another one
   * throws. A closing account still takes what it is given: who may send to it is for the caller to judge, and
   * removeAccount sees what waits. Frames and marks are copied before this returns.
   */
  append(id: number, run: AppendRun): Promise<'accepted' | 'repeat' | 'gone'>;
  /** Only the marks (and the reservation, which never goes down): of messages that never needed the disk. */
  saveMarks(id: number, marks: Mark[], reservedTo: number): Promise<void>;
  /** All up to position are stored: they go. marks carry what became stored. An older generation changes nothing. */
  advance(id: number, generation: number, position: number, marks: Mark[]): Promise<'done' | 'stale'>;
  /**
   * Runs with positions above after, in order, up to about maxBytes (at least one if there is any). What was appended
   * in several runs may come as one. A run with `after` in its middle comes whole.
   */
  read(id: number, after: number, maxBytes: number): Promise<MailboxRun[]>;
  /** Takes away all up to position without any being stored (the operator's discard, expiry). */
  discard(id: number, position: number): Promise<void>;
  /** All marks of this outbox, with the recipients. */
  outbox(sender: number, outbox: Uint8Array): Promise<{ recipient: number; accepted: number; stored: number }[]>;
  /** Accounts whose mailbox holds mail received before this time, in the order of their ids, after this one; at most limit. */
  mailboxesOlderThan(receivedAtMs: number, page: { after: number; limit: number }): Promise<number[]>;
  /** Bytes in all mailboxes together. */
  totalBytes(): Promise<number>;

  // --- the center's own ---
  /** Changes nothing where this code exists. Invites that expired before createdAtMs are forgotten. */
  createInvite(invite: InviteRecord): Promise<void>;
  invites(): Promise<InviteRecord[]>;
  /** All that there are: what was there before is replaced. */
  setLockouts(lockouts: LockoutRecord[]): Promise<void>;
  lockouts(): Promise<LockoutRecord[]>;
  /** An earlier time than the one saved changes nothing: the center's time never goes back behind it. */
  saveTime(timeMs: number): Promise<void>;
  time(): Promise<number>;

  /** Resolves when all that was asked for is durable and the engine has stopped. */
  close(): Promise<void>;
}
