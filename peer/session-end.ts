// How sessions end: which errors are final, and which make the token worthless.
import type { ErrorCode } from '../shared/errors.ts';

/** After these a session does not come back by itself. */
export const finalCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'displaced',
  'banned',
  'password_changed',
  'logged_out',
  'account_deleted',
  'unknown_account',
  'bad_token',
  'bad_signature',
  'center_changed',
  'version',
  'bad_data',
  'store_full',
]);
/** After these its token is worth nothing. */
export const tokenEndCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'displaced',
  'banned',
  'password_changed',
  'logged_out',
  'account_deleted',
  'bad_token',
]);
