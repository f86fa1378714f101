// The center's permanent identity: its id, its identity key and certificate, and the key that signs tokens.
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { chmod, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { selfSigned } from '../shared/certificate.ts';
import {
  fingerprint,
  generateKey,
  publicDer,
  sameBytes,
  signProof,
  tokenKeyProof,
  verifyProof,
} from '../shared/identity.ts';

export const identityFile = 'identity.json';
const fileVersion = 1;
const centerIdBytes = 16;
const privateMode = 0o600;

export interface CenterIdentity {
  /** 16 bytes, permanent. */
  centerId: Buffer;
  /** Private, P-256: signs Hello, the keys that sign tokens, and the TLS handshake; with peers' keys it gives tickets. */
  key: KeyObject;
  /** SubjectPublicKeyInfo of `key`. */
  publicDer: Buffer;
  /** Of publicDer, as SSH shows it. */
  fingerprint: string;
  /** Private, P-256: signs session tokens and introductions; tickets are sealed for as long as it is the same. */
  tokenKey: KeyObject;
  tokenKeyDer: Buffer;
  /** By the identity key, over tokenKeyProof. */
  tokenKeySignature: Buffer;
  /** PEM: the identity key and a certificate that it has signed itself. */
  tls: { key: string; cert: string };
}

/** The identity is missing, damaged or cannot be read or kept; the text names the file and what to do. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

interface IdentityFile {
  version: number;
  centerId: string;
  identityKey: string;
  certificate: string;
  tokenKey: string;
  tokenKeySignature: string;
}

/**
 * Reads the identity kept in dataDir (which exists), or makes one where there is none.
 * create false: a missing identity is an error, as it is where the directory already holds data.
 * Throws IdentityError.
 */
export async function openIdentity(dataDir: string, options: { create?: boolean } = {}): Promise<CenterIdentity> {
  const path = join(dataDir, identityFile);
  let text = await readPrivate(path);
  if (text === null) {
    if (options.create === false) {
      throw new IdentityError(`${path} is missing: peers would not know this center. Restore it from a backup.`);
    }
    text = JSON.stringify(await makeIdentity(), null, 2);
    await writePrivate(dataDir, path, text);
  }
  return parseIdentity(path, text);
}

async function makeIdentity(): Promise<IdentityFile> {
  const centerId = randomBytes(centerIdBytes);
  const identityKey = generateKey();
  const tokenKey = generateKey();
  return {
    version: fileVersion,
    centerId: centerId.toString('hex'),
    identityKey: pem(identityKey),
    certificate: (await selfSigned(identityKey, `parley-${centerId.toString('hex')}`)).cert,
    tokenKey: pem(tokenKey),
    tokenKeySignature: signProof(identityKey, tokenKeyProof(centerId, publicDer(tokenKey))).toString('base64'),
  };
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The text, null where there is no such file. */
async function readPrivate(path: string): Promise<string | null> {
  try {
    const text = await readFile(path, 'utf8');
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, privateMode);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new IdentityError(`${path} cannot be read: ${reason(error)}.`, { cause: error });
  }
}

/** The file is there whole or not at all, whenever the power goes. */
async function writePrivate(dataDir: string, path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    const file = await open(temporary, 'w', privateMode);
    try {
      await file.chmod(privateMode);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const directory = await open(dataDir, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    throw new IdentityError(`${path} cannot be written: ${reason(error)}.`, { cause: error });
  }
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'ENOSPC') return 'no space is left';
  if (code === 'EROFS') return 'the file system is read-only';
  return code ?? 'unknown error';
}

/** Of the text of an identity's file; path is named in errors. Throws IdentityError. */
export function parseIdentity(path: string, text: string): CenterIdentity {
  const damaged = (what: string): IdentityError =>
    new IdentityError(`${path} is damaged (${what}). Restore it from a backup; a new identity is never made over it.`);
  let file: Partial<IdentityFile>;
  try {
    file = JSON.parse(text);
  } catch {
    throw damaged('not JSON');
  }
  if (typeof file !== 'object' || file === null) throw damaged('not an object');
  if (typeof file.version === 'number' && file.version > fileVersion) {
    throw new IdentityError(`${path} was written by a newer version of the center.`);
  }
  if (file.version !== fileVersion) throw damaged('no version');
  const centerId = Buffer.from(stringOf(file.centerId), 'hex');
  if (centerId.length !== centerIdBytes) throw damaged('the center id');
  const key = readKey(file.identityKey);
  if (key === null) throw damaged('the identity key');
  const tokenKey = readKey(file.tokenKey);
  if (tokenKey === null) throw damaged('the token key');

  const keyDer = publicDer(key);
  const tokenKeyDer = publicDer(tokenKey);
  const tokenKeySignature = Buffer.from(stringOf(file.tokenKeySignature), 'base64');
  if (!verifyProof(keyDer, tokenKeyProof(centerId, tokenKeyDer), tokenKeySignature)) {
    throw damaged('the signature of the token key');
  }
  const cert = stringOf(file.certificate);
  if (!certifies(cert, keyDer)) throw damaged('the certificate');
  return {
    centerId,
    key,
    publicDer: keyDer,
    fingerprint: fingerprint(keyDer),
    tokenKey,
    tokenKeyDer,
    tokenKeySignature,
    tls: { key: pem(key), cert },
  };
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function readKey(text: unknown): KeyObject | null {
  try {
    const key = createPrivateKey(stringOf(text));
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null;
  } catch {
    return null;
  }
}

function certifies(cert: string, keyDer: Buffer): boolean {
  try {
    return sameBytes(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' }), keyDer);
  } catch {
    return false;
  }
}
