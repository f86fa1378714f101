// Hello: which version is spoken, who the center is and proves to be, and what its limits are.
import { randomBytes } from 'node:crypto';
import { ParleyError } from '../shared/errors.ts';
import { type Binding, centerProof, signProof } from '../shared/identity.ts';
import type { parley } from '../shared/protocol.js';
import { newestVersion, oldestVersion, software } from '../shared/version.ts';
import type { Services } from './services.ts';
import type { Origin } from './sessions.ts';

const nonceBytes = 32;
const modes = { closed: 0, open: 1, invite: 2 } as const;

/**
 * The center's Hello in answer to a peer's, and what a login over this connection is bound to.
 * Throws version where the two have none in common, bad_frame.
 */
export function answerHello(
  { identity, limits, clock, registration }: Services,
  hello: parley.Hello.$Properties,
  from: Origin,
): { answer: parley.Hello.$Properties; binding: Binding } {
  checkVersion(hello.version ?? 0, hello.oldestVersion ?? 0);
  const peerNonce = hello.nonce ?? new Uint8Array();
  if (peerNonce.length !== nonceBytes)
    throw new ParleyError('bad_frame', `The nonce in Hello must be ${nonceBytes} bytes.`);
  const binding: Binding = {
    centerId: identity.centerId,
    identityKey: identity.publicDer,
    peerNonce: Buffer.from(peerNonce),
    centerNonce: randomBytes(nonceBytes),
    exporter: from.exporter,
  };
  const answer = {
    version: newestVersion,
    oldestVersion,
    software,
    nonce: binding.centerNonce,
    centerId: identity.centerId,
    identityKey: identity.publicDer,
    tokenKey: identity.tokenKeyDer,
    tokenKeySignature: identity.tokenKeySignature,
    identitySignature: signProof(identity.key, centerProof(binding)),
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
  return { answer, binding };
}

function checkVersion(newest: number, oldest: number): void {
  if (newest >= oldestVersion && oldest <= newestVersion) return;
  const spoken = `This center speaks version ${oldestVersion} to ${newestVersion}`;
  throw new ParleyError(
    'version',
    `${spoken}, the peer ${oldest || newest} to ${newest}: one of the two needs an update.`,
  );
}
