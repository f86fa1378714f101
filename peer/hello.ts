// The first frames of a connection: what the peer says of itself, and what is checked of the center's.

import type { Duplex } from 'node:stream';
import { ParleyError } from '../shared/errors.ts';
import { type Binding, centerProof, sameBytes, verifyProof } from '../shared/identity.ts';
import type { parley } from '../shared/protocol.js';
import { isTicketMac } from '../shared/ticket.ts';
import { newestVersion, oldestVersion, software } from '../shared/version.ts';
import type { Ticket } from './ticket.ts';

export const nonceBytes = 32;
const centerIdBytes = 16;

/** A byte stream to the center. */
export interface Channel {
  stream: Duplex;
  /** Empty without TLS. */
  exporter: Buffer;
  /** The certificate's public key, which must be the identity key; null where there is none to compare. */
  certificateKey: Buffer | null;
  /** TLS began with a ticket, so that both sides are proved. */
  isTicketed: boolean;
  /** This end of the TCP connection; null where there is none. */
  localEnd: { address: string; port: number } | null;
}

/** What the center said of itself. 0 in limits: no limit. */
export interface CenterHello {
  version: number;
  centerId: Buffer;
  identityKey: Buffer;
  /** The center's time. */
  timeMs: number;
  limits: parley.Limits;
  registration: number;
  /** Signs introductions; empty where the center makes none. */
  tokenKey: Buffer;
  tokenKeySignature: Buffer;
}

export function ownHello(nonce: Buffer, ticket: Ticket | null): parley.Hello.$Properties {
  return { version: newestVersion, oldestVersion, software, nonce, ...(ticket ? { ticket: ticket.text } : {}) };
}

/** Checks version and identity. ticket: that Hello had. Throws version or bad_signature. */
export function checkHello(
  hello: parley.Hello,
  channel: Channel,
  peerNonce: Buffer,
  ticket: Ticket | null = null,
): Binding {
  const spoken = Math.min(hello.version, newestVersion);
  if (spoken < hello.oldestVersion || spoken < oldestVersion) {
    const theirs = `${hello.oldestVersion} to ${hello.version}`;
    const ours = `${oldestVersion} to ${newestVersion}`;
    throw new ParleyError('version', `The center speaks versions ${theirs} of the protocol, this peer ${ours}.`);
  }
  const binding: Binding = {
    centerId: Buffer.from(hello.centerId),
    identityKey: Buffer.from(hello.identityKey),
    peerNonce,
    centerNonce: Buffer.from(hello.nonce),
    exporter: channel.exporter,
  };
  const isWhole = binding.centerId.length === centerIdBytes && binding.centerNonce.length === nonceBytes;
  if (!isWhole || !(channel.isTicketed || isProved(hello, binding, ticket))) {
    throw new ParleyError('bad_signature', 'The center did not prove its identity.');
  }
  if (channel.certificateKey !== null && !sameBytes(channel.certificateKey, binding.identityKey)) {
    throw new ParleyError('bad_signature', "The center's certificate is not of its identity key.");
  }
  return binding;
}

function isProved({ mac, identitySignature }: parley.Hello, binding: Binding, ticket: Ticket | null): boolean {
  const proof = centerProof(binding);
  if (ticket !== null && mac.length > 0) return isTicketMac(ticket.secret, proof, mac);
  return verifyProof(binding.identityKey, proof, identitySignature);
}

export function readHello(hello: parley.Hello): CenterHello {
  return {
    version: Math.min(hello.version, newestVersion),
    centerId: Buffer.from(hello.centerId),
    identityKey: Buffer.from(hello.identityKey),
    timeMs: hello.timeMs,
    limits: { ...noLimits, ...hello.limits } as parley.Limits,
    registration: hello.registration,
    tokenKey: Buffer.from(hello.tokenKey),
    tokenKeySignature: Buffer.from(hello.tokenKeySignature),
  };
}

const noLimits = {
  maxFrameBytes: 0,
  maxSessionFrameBytes: 0,
  maxBodyBytes: 0,
  heartbeatMs: 0,
  messagesPerSecond: 0,
  messageBurst: 0,
  maxUnresolvedMessages: 0,
  maxUnresolvedBytes: 0,
};
