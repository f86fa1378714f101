// Tickets: what a session can be resumed with without a signature. The center keeps none: each holds its secret, sealed.
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { hashToken, maxTicketLength, secretBytes, ticketSecret } from '../shared/ticket.ts';

const cipher = 'aes-256-gcm';
const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const hashBytes = 32;
const ticketBytes = ivBytes + secretBytes + hashBytes + tagBytes;

/** Somebody who has a ticket has its token, too: the center has made both, one for the other. */
export interface Ticket {
  /** Only the center and the peer that has the token's key can derive it. */
  secret: Buffer;
  /** Of the token that it is good for. */
  tokenHash: Buffer;
}

export class Tickets {
  readonly #identityKey: KeyObject;
  readonly #sealingKey: KeyObject;

  /** The center's private keys: no ticket outlives either. */
  constructor(options: { identityKey: KeyObject; tokenKey: KeyObject }) {
    this.#identityKey = options.identityKey;
    this.#sealingKey = sealingKeyOf(options);
  }

  /** For a token that was issued to this key (SubjectPublicKeyInfo, DER, P-256). */
  issue(token: string, peerKey: Uint8Array): string {
    const iv = randomBytes(ivBytes);
    const sealing = createCipheriv(cipher, this.#sealingKey, iv);
    const secret = ticketSecret(this.#identityKey, peerKey, token);
    const sealed = [sealing.update(secret), sealing.update(hashToken(token)), sealing.final()];
    return Buffer.concat([iv, ...sealed, sealing.getAuthTag()]).toString('base64url');
  }

  /** null for anything that this center has not issued. */
  open(ticket: string): Ticket | null {
    if (ticket.length > maxTicketLength) return null;
    const bytes = Buffer.from(ticket, 'base64url');
    if (bytes.length !== ticketBytes) return null;
    const opening = createDecipheriv(cipher, this.#sealingKey, bytes.subarray(0, ivBytes));
    opening.setAuthTag(bytes.subarray(-tagBytes));
    const opened = opening.update(bytes.subarray(ivBytes, -tagBytes));
    try {
      opening.final();
    } catch {
      return null;
    }
    return { secret: opened.subarray(0, secretBytes), tokenHash: opened.subarray(secretBytes) };
  }
}

/** Of both, so that either can be replaced to make all tickets worthless. */
function sealingKeyOf({ identityKey, tokenKey }: { identityKey: KeyObject; tokenKey: KeyObject }): KeyObject {
  const [secret, salt] = [identityKey, tokenKey].map((key) => key.export({ type: 'pkcs8', format: 'der' }));
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret!, salt!, 'parley ticket key 1', keyBytes)));
}
