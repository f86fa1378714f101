// What must be done to a database that is an earlier state of its center: a backup, or what was left of a damaged one.
import type { DatabaseSync } from 'node:sqlite';
import { mailboxSum } from './schema.ts';

/** More positions than a mailbox gives out between two backups. */
const lostPositions = 2 ** 32;

/**
 * Ends every session and consent (those that were ended since must not come back), and keeps every mailbox from giving
 * out positions that it may have given out since. The tables are those of today.
 */
export function rewind(db: DatabaseSync): void {
  const reservedTo = `reserved_to + ${lostPositions}`;
  db.exec(`
    UPDATE accounts SET jti = NULL, next_jti = NULL, session_key = NULL, session_expires_at_ms = NULL, online = 0;
    DELETE FROM consents;
    UPDATE mailboxes SET reserved_to = ${reservedTo}, checksum = ${mailboxSum({ reservedTo })};
  `);
}
