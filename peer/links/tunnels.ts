// The tunnels of one connection to the center: each is a stream to another peer.
import { ParleyError } from '../../shared/errors.ts';
import type { parley } from '../../shared/protocol.js';
import type { Connection } from '../connection.ts';
import { Tunnel } from './tunnel.ts';

/** More than a center lets one account have. */
const maxTunnels = 32;

export class Tunnels {
  readonly #tunnels = new Map<number, Tunnel>();
  #connection: Connection | null = null;

  attach(connection: Connection): void {
    this.#connection = connection;
  }

  /** Tunnels end with the connection that they go through. */
  detach(): void {
    this.#connection = null;
    for (const tunnel of [...this.#tunnels.values()]) tunnel.ended();
    this.#tunnels.clear();
  }

  /** True if the frame was for a tunnel, open or not. */
  take({ tunnelData, tunnelCredit, tunnelClose }: parley.Frame): boolean {
    if (tunnelData) this.#tunnels.get(tunnelData.tunnel ?? 0)?.data(tunnelData.data ?? new Uint8Array());
    else if (tunnelCredit) this.#tunnels.get(tunnelCredit.tunnel ?? 0)?.credit(tunnelCredit.bytes ?? 0);
    else if (tunnelClose) this.#tunnels.get(tunnelClose.tunnel ?? 0)?.ended();
    else return false;
    return true;
  }

  /** One that the center says is open. Throws busy where there are too many. */
  opened({ tunnel, creditBytes }: parley.TunnelOpened.$Properties): Tunnel {
    const connection = this.#connection;
    const id = tunnel ?? 0;
    if (this.#tunnels.size >= maxTunnels || this.#tunnels.has(id)) {
      connection?.send({ tunnelClose: { tunnel: id } });
      throw new ParleyError('busy', 'Too many relayed links are open.');
    }
    const made = new Tunnel(id, creditBytes ?? 0, (frame) => {
      if (connection === this.#connection) connection?.send(frame);
    });
    this.#tunnels.set(id, made);
    made.once('close', () => {
      if (this.#tunnels.get(id) === made) this.#tunnels.delete(id);
    });
    made.on('error', () => undefined);
    return made;
  }

  /** Asks for one to this account. Throws disconnected, and what the center answers. */
  async open(account: number): Promise<Tunnel> {
    if (!this.#connection) throw new ParleyError('disconnected', 'There is no connection to the center now.');
    const { promise, resolve, reject } = Promise.withResolvers<Tunnel>();
    // In the turn in which the reply is read: what comes through the tunnel, or its end, may be right behind it.
    this.#connection.ask({ tunnelOpen: { account } }, (reply) => {
      if (reply instanceof ParleyError) return reject(reply);
      try {
        resolve(this.opened(reply.tunnelOpened ?? {}));
      } catch (error) {
        reject(error);
      }
    });
    return promise;
  }
}
