// The peer's own port, at which others reach it while somebody is logged in.
import type { Socket } from 'node:net';
import { reachableAddresses } from './addresses.ts';
import { type Listener, listen } from './socket.ts';

export class OwnPort {
  readonly #at: { host: string; port: number } | null;
  readonly #accept: (socket: Socket) => void;
  #listener: Listener | null = null;

  /** at: null for a peer that nobody can reach. accept gets whoever connects. */
  constructor(at: { host: string; port: number } | null, accept: (socket: Socket) => void) {
    this.#at = at;
    this.#accept = accept;
  }

  /** 0 while it is not open. */
  get number(): number {
    return this.#listener?.port ?? 0;
  }

  /** Where it may be reached from nearby. */
  get addresses(): string[] {
    return this.#listener ? reachableAddresses(this.#listener.address) : [];
  }

  /** Throws bad_address, in words, where it cannot be had. */
  async open(): Promise<void> {
    if (this.#at) this.#listener = await listen(this.#at.host, this.#at.port, this.#accept);
  }

  close(): void {
    this.#listener?.close();
    this.#listener = null;
  }
}
