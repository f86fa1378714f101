// A bad network between the peers and the center: passes bytes on, and cuts connections in the middle of a frame.
import { once } from 'node:events';
import net from 'node:net';
import type { Random } from './random.ts';

export class CuttingProxy {
  readonly #server: net.Server;
  readonly #pairs = new Set<{ near: net.Socket; far: net.Socket; cutting: boolean }>();
  readonly #random: Random;
  /** The center's; 0 while it is down. */
  targetPort = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#server = net.createServer((near) => this.#connect(near));
  }

  /** Listens on a loopback port of its own and returns it. */
  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as net.AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** Cuts some of the connections, each at a random byte of what passes next. */
  cut(share: number): number {
    let count = 0;
    for (const pair of this.#pairs) {
      if (pair.cutting || !this.#random.chance(share)) continue;
      pair.cutting = true;
      count++;
    }
    return count;
  }

  #connect(near: net.Socket): void {
    if (this.targetPort === 0) return void near.destroy();
    const far = net.connect({ host: '127.0.0.1', port: this.targetPort });
    const pair = { near, far, cutting: false };
    this.#pairs.add(pair);
    this.#pass(near, far, pair);
    this.#pass(far, near, pair);
  }

  #pass(from: net.Socket, to: net.Socket, pair: { near: net.Socket; far: net.Socket; cutting: boolean }): void {
    const end = (): void => {
      this.#pairs.delete(pair);
      pair.near.destroy();
      pair.far.destroy();
    };
    from.on('data', (bytes: Buffer) => {
      if (!pair.cutting) {
        if (!to.write(bytes)) from.pause();
        return;
      }
      // What was passed on before must arrive, or the cut is only ever at the start of something.
      to.write(bytes.subarray(0, this.#random.between(0, bytes.length - 1)), end);
      from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('error', end);
    from.on('close', end);
  }
}
