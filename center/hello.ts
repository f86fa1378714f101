// Hello: which version is spoken, who the center is and proves to be, and what its limits are.
import { type KeyObject, randomBytes } from 'node:crypto';
import { ParleyError } from '../shared/errors.ts';
import { type Binding, centerProof, signProof } from '../shared/identity.ts';
import type { parley } from '../shared/protocol.js';
import { ticketMac } from '../shared/ticket.ts';
import { newestVersion, oldestVersion, software } from '../shared/version.ts';
import type { Services } from './services.ts';
import type { Origin } from './sessions.ts';
import type { Ticket } from './tickets.ts';

const nonceBytes = 32;
const modes = { closed: 0, open: 1, invite: 2 } as const;

/** What a login over a connection proves itself by. */
export interface Greeting {
  binding: Binding;
  /** Of the token that the peer will resume with. */
  ticket: Ticket | null;
}

/**
 * The center's Hello in answer to a peer's, and what a login over this connection is bound to.
 * Throws version where the two have none in common, bad_frame.
 */
export function answerHello(
  services: Services,
  hello: parley.Hello.$Properties,
  from: Origin,
): { answer: parley.Hello.$Properties; greeting: Greeting } {
  const { identity, limits, clock, registration, tickets } = services;
  checkVersion(hello.version ?? 0, hello.oldestVersion ?? 0);
  const peerNonce = hello.nonce ?? new Uint8Array();
  if (peerNonce.length !== nonceBytes)
    throw new ParleyError('bad_frame', `The nonce in Hello must be ${nonceBytes} bytes.`);
  const binding: Binding = {
    centerId: identity.centerId,
    identityKey: identity.publicDer,
    peerNonce: Buffer.from(peerNonce),
    centerNonce: randomBytes(nonceBytes),
    get exporter() {
      return from.exporter();
    },
  };
  const ticket = from.ticket ?? (hello.ticket ? tickets.open(hello.ticket) : null);
  const answer = {
    version: newestVersion,
    oldestVersion,
    software,
    nonce: binding.centerNonce,
    centerId: identity.centerId,
    identityKey: identity.publicDer,
    tokenKey: identity.tokenKeyDer,
    tokenKeySignature: identity.tokenKeySignature,
    ...(from.ticket ? {} : prove(identity.key, binding, ticket)),
    timeMs: clock.now(),
    registration: modes[registration.modeFor(from)],
    limits: {
      maxFrameBytes: limits.maxFrameBytes,
      maxSessionFrameBytes: limits.maxSessionFrameBytes,
      maxBodyBytes: limits.maxBodyBytes,
      heartbeatMs: limits.heartbeatMs,
      messagesPerSecond: limits.messagesPerSecond,
      messageBurst: limits.messageBurst,
      maxUnresolvedMessages: limits.maxUnresolvedMessages,
      maxUnresolvedBytes: limits.maxUnresolvedBytes,
    },
  };
  return { answer, greeting: { binding, ticket } };
}

function prove(key: KeyObject, binding: Binding, ticket: Ticket | null): parley.Hello.$Properties {
  const proof = centerProof(binding);
  return ticket ? { mac: ticketMac(ticket.secret, proof) } : { identitySignature: signProof(key, proof) };
}

function checkVersion(newest: number, oldest: number): void {
  if (newest >= oldestVersion && oldest <= newestVersion) return;
  const spoken = `This center speaks version ${oldestVersion} to ${newestVersion}`;
  throw new ParleyError(
    'version',
    `${spoken}, the peer ${oldest || newest} to ${newest}: one of the two needs an update.`,
  );
}
