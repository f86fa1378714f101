// A cable between peers and a center that a test can cut: what is sent then is lost, as on a real one.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isPlugged = true;
  /** False: what the center says does not arrive. */
  #isHeard = true;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      if (!this.#isPlugged) {
        near.destroy();
        return;
      }
      const far = connect(port, '127.0.0.1');
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.on('data', (bytes) => far.write(bytes));
      far.on('data', (bytes) => this.#isHeard && near.write(bytes));
    });
  }

  static async to(port: number): Promise<Cable> {
    const cable = new Cable(port);
    cable.#server.listen(0, '127.0.0.1');
    await once(cable.#server, 'listening');
    return cable;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection; those that come later are cut at once until it is plugged in again. */
  unplug(): void {
    this.#isPlugged = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From here on what the center says is lost; what it is told arrives. */
  deafen(): void {
    this.#isHeard = false;
  }

  plug(): void {
    this.#isPlugged = true;
    this.#isHeard = true;
  }

  close(): void {
    this.unplug();
    this.#server.close();
  }
}
