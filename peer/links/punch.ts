// Opening two NATs or firewalls from inside, both at one moment: each takes the other's packets for answers.
import { plainAddress } from '../../shared/address.ts';
import { endpoint } from '../addresses.ts';
import { type Credentials, dialLink, secureLink } from '../socket.ts';
import type { LinkChannel } from './link.ts';

/** A punch gives up after this, having sent a few SYNs. */
const punchTimeoutMs = 8_000;
const punchTries = 5;
const punchPauseMs = 400;

interface PunchOptions {
  /** This end of the connection to the center: its NAT has kept a port for it (RFC 5128, 3.3). */
  from: { address: string; port: number };
  /** The other's, as the center sees it. */
  to: { address: string; port: number };
  /** Both sides are clients of TCP; in TLS one of them is the server. */
  side: 'client' | 'server';
  credentials: Credentials;
  signal: AbortSignal;
}

/** Rejects with disconnected or timeout where the other does not come through, with cancelled by the signal. */
export async function punch({ from, to, side, credentials, signal }: PunchOptions): Promise<LinkChannel> {
  const deadlineMs = performance.now() + punchTimeoutMs;
  const localAddress = plainAddress(from.address);
  const where = endpoint(to.address, to.port);
  for (let tries = 1; ; tries++) {
    try {
      const timeoutMs = Math.max(1, deadlineMs - performance.now());
      const socket = await dialLink({ ...to, from, timeoutMs, signal });
      const secured = await secureLink(socket, side, credentials);
      return { ...secured, isClient: side === 'client', route: 'punched', where, localAddress };
    } catch (error) {
      // A refusal may only mean that the other side was not that far.
      if (signal.aborted || tries === punchTries || performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, punchPauseMs));
    }
  }
}
