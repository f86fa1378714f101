// Keys, fingerprints, and the strings that a center and its peers sign to prove who they are.
import {
  createPublicKey,
  generateKeyPairSync,
  hash,
  type JsonWebKeyInput,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';

/** RFC 9266: the label with which both ends of a TLS connection derive the same 32 bytes. */
export const exporterLabel = 'EXPORTER-Channel-Binding';
export const exporterBytes = 32;

/** A new P-256 key pair. */
export function generateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/** SubjectPublicKeyInfo, DER: the form in which keys travel. */
export function publicDer(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

// SubjectPublicKeyInfo of every P-256 key with an uncompressed point (RFC 5480), up to the point's coordinates.
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const p256DerBytes = p256Prefix.length + 64;

/** Reads a public key as publicDer writes it; throws on anything but P-256, and on any other encoding of one. */
export function readPublicKey(der: Uint8Array): KeyObject {
  return createPublicKey(jwkOf(der));
}

/** As a JWK (RFC 7518, 6.2.1): OpenSSL's decoders of DER make a verification a third dearer where its caches are cold. */
function jwkOf(der: Uint8Array): JsonWebKeyInput {
  // Compressed points and bytes appended would be read as well, and give one key several fingerprints.
  if (der.length !== p256DerBytes || !sameBytes(p256Prefix, der.subarray(0, p256Prefix.length))) {
    throw new TypeError('not a P-256 key');
  }
  const point = Buffer.from(der.buffer, der.byteOffset + p256Prefix.length, 64);
  const [x, y] = [point.toString('base64url', 0, 32), point.toString('base64url', 32)];
  return { key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' };
}

/** SHA-256 of a public key's DER, as SSH shows it: `SHA256:` and base64 without padding. */
export function fingerprint(der: Uint8Array): string {
  return `SHA256:${hash('sha256', der, 'base64').replace(/=+$/, '')}`;
}

/** True if both are the same; takes the same time wherever they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What one connection is bound to. `exporter` is empty without TLS. */
export interface Binding {
  centerId: Uint8Array;
  identityKey: Uint8Array;
  peerNonce: Uint8Array;
  centerNonce: Uint8Array;
  exporter: Uint8Array;
}

function proof(label: string, binding: Binding): Buffer {
  // Each part has a fixed length but the key, which goes in as its hash: nothing can be shifted between parts.
  const key = hash('sha256', binding.identityKey, 'buffer');
  const parts = [binding.centerId, key, binding.peerNonce, binding.centerNonce, binding.exporter];
  return Buffer.concat([Buffer.from(`${label}\0`), ...parts]);
}

/** The center's Hello is signed with its identity key. */
export function centerProof(binding: Binding): Buffer {
  return proof('parley center 1', binding);
}

/** Register, Login and Resume are signed with the peer's key. */
export function peerProof(binding: Binding): Buffer {
  return proof('parley peer 1', binding);
}

/** ECDSA with SHA-256, DER. */
export function signProof(key: KeyObject, bytes: Uint8Array): Buffer {
  return sign('sha256', bytes, key);
}

/** False for a wrong signature and for anything that is not a P-256 key. */
export function verifyProof(keyDer: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify('sha256', bytes, jwkOf(keyDer), signature);
  } catch {
    return false;
  }
}

/** What the identity key signs to vouch for a token key. */
export function tokenKeyProof(centerId: Uint8Array, tokenKeyDer: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('parley token key 1\0'), centerId, tokenKeyDer]);
}
