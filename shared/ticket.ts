// What a ticket stands for: a secret that only a center and the peer with a token's key can derive. Whoever comes back
// with it proves itself, and has the center prove itself, without a signature (docs/security.md).
import { createHmac, diffieHellman, hash, hkdfSync, type KeyObject } from 'node:crypto';
import { readPublicKey, sameBytes } from './identity.ts';

export const secretBytes = 32;
/** RFC 4279, 5.3: the identities of keys that every TLS takes. */
export const maxTicketLength = 128;

/** SHA-256 of a token: what a ticket is good for. */
export function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

/**
 * The secret behind the ticket of a token: the same from the center's private key and the peer's public one
 * (SubjectPublicKeyInfo, DER) as the other way round. ECDH, then HKDF (RFC 5869). Throws on anything but P-256 keys.
 */
export function ticketSecret(privateKey: KeyObject, otherKey: Uint8Array, token: string): Buffer {
  const shared = diffieHellman({ privateKey, publicKey: readPublicKey(otherKey) });
  return Buffer.from(hkdfSync('sha256', shared, hashToken(token), 'parley ticket 1', secretBytes));
}

/** The pre-shared key of TLS 1.3 (RFC 8446, 2.2) whose identity is the ticket. */
export function ticketPsk(secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update('parley tls psk 1').digest();
}

/** HMAC-SHA-256 over a proof string, in place of its signature. */
export function ticketMac(secret: Uint8Array, proof: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(proof).digest();
}

export function isTicketMac(secret: Uint8Array, proof: Uint8Array, mac: Uint8Array): boolean {
  return sameBytes(ticketMac(secret, proof), mac);
}
