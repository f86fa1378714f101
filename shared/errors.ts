// The error codes of the wire and of the library: stable for ever, so that programs can act on them.

/** Every code that an Error or Refused frame, or a ParleyError, can carry, and what it means. */
export const errorCodes = {
  // the wire
  bad_frame: 'the bytes are not a frame of this protocol',
  frame_too_long: 'the frame is longer than the limit told in Hello',
  version: 'no protocol version is spoken by both sides',
  unsupported: 'the request is not known here',
  wrong_state: 'the request does not fit the state of the connection, or is made twice',
  timeout: 'nothing was heard in time',
  busy: 'too much is being asked at once',
  internal: 'the center failed; nothing was changed',
  shutting_down: 'the center is stopping; come back later',
  // accounts and sessions
  bad_name: 'the name is not valid',
  bad_password: 'the new password is not valid',
  name_taken: 'the name is registered or reserved',
  registration_closed: 'accounts are made by the operator',
  invite_needed: 'an invite from the operator is needed, or the one given is not good',
  bad_credentials: 'name or password is wrong',
  locked: 'too many failed logins; the lock has just begun',
  suspended: 'logins are suspended for the seconds told',
  banned: 'the account is banned',
  bad_signature: 'the peer did not prove its key',
  bad_token: 'the token is revoked, expired or not for this key',
  displaced: 'the account has logged in elsewhere',
  password_changed: 'the password was changed; log in again',
  logged_out: 'the session ended',
  account_deleted: 'the account is deleted',
  // messages
  unknown_account: 'no account has this name',
  blocked: 'one of the two has blocked the other',
  empty_body: 'there is no text',
  body_too_long: 'the text is longer than the limit told in Hello',
  bad_text: 'the text is not UTF-8',
  bad_number: 'a message number must be at least 1 and rise',
  mailbox_full: 'the mailbox of the recipient is full',
  sender_quota: 'you have used your part of the mailbox of the recipient',
  store_full: 'the center has no room to hold messages',
  earlier_refused: 'an earlier message to the same recipient was refused and is still open',
  already_accepted: 'the center has accepted it already',
  undeliverable: 'the account was removed before it was delivered',
  expired: 'it waited longer than the operator allows',
  bad_pattern: 'the pattern cannot be understood',
  // private links
  no_consent: 'neither of the two lets the other reach it directly',
  quota: 'the allowance for relayed links is used up',
  revoked: 'the consent has ended',
  moved: 'the two use another link',
  rate_limited: 'too many requests',
  // the peer's own, never on the wire
  disconnected: 'there is no connection to the center, or it broke before the answer',
  center_changed: 'the center at this address is not the one that was pinned',
  bad_data: 'the files of the peer cannot be used',
  bad_address: 'the address of the peer cannot be used',
  cancelled: 'taken back by whoever asked for it',
} as const;

export type ErrorCode = keyof typeof errorCodes;

const peerCodes = ['disconnected', 'center_changed', 'bad_data', 'bad_address', 'cancelled'] as const;
const ownCodes: ReadonlySet<string> = new Set(peerCodes);

/** What may be said to another: not what is the peer's own. */
export type WireCode = Exclude<ErrorCode, (typeof peerCodes)[number]>;

export function isWireCode(code: ErrorCode): code is WireCode {
  return !ownCodes.has(code);
}

/** An error whose text is safe to show to anybody and whose code is stable. */
export class ParleyError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number;
  /** Login attempts left before a lock; only with bad_credentials. */
  readonly attemptsLeft: number;

  constructor(code: ErrorCode, text: string, more: { retryAfterMs?: number; attemptsLeft?: number } = {}) {
    super(text);
    this.name = 'ParleyError';
    this.code = code;
    this.retryAfterMs = more.retryAfterMs ?? 0;
    this.attemptsLeft = more.attemptsLeft ?? 0;
  }
}

/** The code if this version knows it, else `internal`: a newer center may use codes of its own. */
export function knownCode(code: string): ErrorCode {
  return Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'internal';
}

/** The error itself, or one of code `internal` with its words. */
export function asParleyError(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error;
  return new ParleyError('internal', error instanceof Error ? error.message : String(error));
}
