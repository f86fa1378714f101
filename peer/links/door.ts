// The peer's own port: who may come, and how many at once. Whoever does not prove a key that was introduced learns nothing.
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { isLoopback, plainAddress } from '../../shared/address.ts';
import { endpoint } from '../addresses.ts';
import { type Credentials, secureLink } from '../socket.ts';
import type { Pairing } from './pairing.ts';

/** Handshakes under way at once, in all and from one address; whoever comes above that is cut off. */
const maxUnderWay = 64;
const maxUnderWayFromOne = 8;
/** Connections in a minute, in all and from one address. */
const maxInMinute = 600;
const maxInMinuteFromOne = 60;
const minuteMs = 60_000;
/** How much earlier than its introduction somebody may come. */
const maxAheadMs = 1_000;
const aheadLookMs = 50;

interface Count {
  underWay: number;
  inMinute: number;
}

interface DoorOptions {
  /** Settles when there are credentials. */
  ready: Promise<void>;
  credentials(): Credentials;
  /** The pairing that was introduced with this key, if any. */
  pairingOf(key: string): Pairing | null;
}

export class Door {
  readonly #options: DoorOptions;
  readonly #counts = new Map<string, Count>();
  #all: Count = { underWay: 0, inMinute: 0 };
  #minuteAtMs = performance.now();

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  async accept(socket: Socket): Promise<void> {
    const { ready, credentials, pairingOf } = this.#options;
    const from = plainAddress(socket.remoteAddress ?? '');
    const count = this.#admit(from);
    if (!count) return void socket.destroy();
    try {
      await ready;
      const secured = await secureLink(socket, 'server', credentials());
      let pairing = pairingOf(secured.key);
      // Whoever was introduced may be here before the introduction is.
      for (let waitedMs = 0; !pairing && waitedMs < maxAheadMs; waitedMs += aheadLookMs) {
        await wait(aheadLookMs, undefined, { ref: false });
        pairing = pairingOf(secured.key);
      }
      if (!pairing || secured.stream.destroyed) return void secured.stream.destroy();
      const route = pairing.introduction?.dialFirst ? 'dialled back' : 'direct';
      const where = endpoint(from, socket.remotePort ?? 0);
      const localAddress = plainAddress(socket.localAddress ?? '');
      pairing.found({ ...secured, isClient: false, route, where, localAddress });
    } catch {
      socket.destroy();
    } finally {
      count.underWay--;
      this.#all.underWay--;
    }
  }

  #admit(from: string): Count | null {
    this.#newMinute();
    let count = this.#counts.get(from);
    if (!count) {
      count = { underWay: 0, inMinute: 0 };
      // Bounded: not more than come in a minute, and those under way.
      if (this.#all.inMinute < maxInMinute) this.#counts.set(from, count);
    }
    this.#all.inMinute++;
    count.inMinute++;
    if (this.#all.inMinute > maxInMinute || this.#all.underWay >= maxUnderWay) return null;
    // On this machine everybody has the same address.
    const isTooMuch = count.inMinute > maxInMinuteFromOne || count.underWay >= maxUnderWayFromOne;
    if (isTooMuch && !isLoopback(from)) return null;
    this.#all.underWay++;
    count.underWay++;
    return count;
  }

  #newMinute(): void {
    const now = performance.now();
    if (now - this.#minuteAtMs < minuteMs) return;
    this.#minuteAtMs = now;
    this.#all.inMinute = 0;
    for (const [from, count] of this.#counts) {
      count.inMinute = 0;
      if (count.underWay === 0) this.#counts.delete(from);
    }
  }
}
