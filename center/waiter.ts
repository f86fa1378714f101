// A connection that has said nothing yet, or waits for its turn to begin. One that says nothing costs next to nothing.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Arrival, Entrance } from './entrance.ts';
import type { Origin } from './sessions.ts';

/** Who takes what comes over a connection. */
export interface Receiver {
  /** Takes the bytes up to that end, by default all; they are only good during the call. */
  receive(bytes: Buffer, end?: number): void;
  closed(): void;
}

/** What a connection waits at. */
interface Door {
  readonly options: { tls: object | null; handshakeTimeoutMs: number; farewell: Buffer };
  readonly entrance: Entrance;
  /** Those that have not begun, or whose handshake is not done. */
  readonly outside: Set<Duplex>;
}

/** A ClientHello has 300 to 2,000 bytes, a Hello 60, and then it is the center's turn to speak. */
const maxFirstBytes = 16_384;
/** For a turn. Most peers give up before, and one that went away waits no more. */
const maxWaitMs = 60_000;
/** For whoever is told that it took too long. */
const lingerMs = 2000;

export class Waiter implements Receiver, Arrival {
  readonly from: Origin;
  readonly #door: Door;
  readonly #socket: Socket;
  readonly #begin: (first: Buffer) => void;
  #first: Buffer | null = null;
  #timer: NodeJS.Timeout;

  constructor(door: Door, socket: Socket, from: Origin, begin: (first: Buffer) => void) {
    this.from = from;
    this.#door = door;
    this.#socket = socket;
    this.#begin = begin;
    this.#timer = setTimeout(() => this.#dismiss(), door.options.handshakeTimeoutMs);
    door.outside.add(socket);
  }

  receive(bytes: Buffer, end = bytes.length): void {
    const isFirst = this.#first === null;
    const more = bytes.subarray(0, end);
    this.#first = this.#first ? Buffer.concat([this.#first, more]) : Buffer.from(more);
    if (this.#first.length > maxFirstBytes) {
      this.#door.entrance.leave(this);
      this.#socket.destroy();
    } else if (isFirst) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#socket.destroy(), maxWaitMs);
      this.#door.entrance.arrive(this);
    }
  }

  begin(): void {
    this.#leave();
    const first = this.#first!;
    // It may lie in a piece of memory that would be kept with it.
    this.#first = null;
    this.#begin(first);
  }

  closed(): void {
    this.#leave();
    this.#door.entrance.leave(this);
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#door.outside.delete(this.#socket);
  }

  /** It has said nothing in all the time it had. */
  #dismiss(): void {
    const { tls, farewell } = this.#door.options;
    if (tls) return void this.#socket.destroy();
    this.#socket.end(farewell);
    this.#timer = setTimeout(() => this.#socket.destroy(), lingerMs);
  }
}
