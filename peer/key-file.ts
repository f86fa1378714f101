// A peer's key: P-256, in a PEM file of its own. It belongs to one account in one data directory.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { ParleyError } from '../shared/errors.ts';
import { readFileIfAny, writeFileWhole } from './files.ts';

/** The key in this file, null if there is none. Throws bad_data for anything but a P-256 private key. */
export function readKey(path: string): KeyObject | null {
  const pem = readFileIfAny(path);
  if (pem === null) return null;
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // Told below, without what the file holds.
  }
  throw new ParleyError('bad_data', `${path} is not a key of a peer. Remove it and log in with the password.`);
}

export function writeKey(path: string, key: KeyObject): void {
  writeFileWhole(path, key.export({ type: 'pkcs8', format: 'pem' }).toString());
}
