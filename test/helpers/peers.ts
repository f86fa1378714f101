// A real center in this process and peers of it, for tests that read as conversations.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Center, type CenterOptions } from '../../center/center.ts';
import type { PeerOptions } from '../../peer/api.ts';
import type { PeerEvent } from '../../peer/events.ts';
import { Peer } from '../../peer/peer.ts';

const waitMs = 20_000;
export const password = 'summerisover';

type EventOf<Type extends PeerEvent['type']> = Extract<PeerEvent, { type: Type }>;

/** A peer whose events are kept until a test asks for them. */
export class HeardPeer extends Peer {
  /** All that came and was not taken by sees(). */
  readonly heard: PeerEvent[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(options: PeerOptions) {
    super(options);
    this.on((event) => {
      this.heard.push(event);
      for (const look of this.#waiting) look();
    });
  }

  /** Takes the first event of this type that fits, waiting for it; those before it stay. */
  sees<Type extends PeerEvent['type']>(
    type: Type,
    fits: (event: EventOf<Type>) => boolean = () => true,
  ): Promise<EventOf<Type>> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const at = this.heard.findIndex((event) => event.type === type && fits(event as EventOf<Type>));
        if (at < 0) return;
        done();
        resolve(this.heard.splice(at, 1)[0] as EventOf<Type>);
      };
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`${type} did not come; heard ${JSON.stringify(this.heard)}`));
      }, waitMs);
      this.#waiting.add(look);
      look();
    });
  }

  /** The texts of the messages that came and were not taken. */
  get texts(): string[] {
    return this.heard.flatMap((event) => (event.type === 'message' ? [event.message.text] : []));
  }
}

/** A center with a directory of its own, and the peers that were made for it. */
export class Town {
  readonly path: string;
  center!: Center;
  readonly #options: Partial<CenterOptions>;
  readonly #peers: Peer[] = [];
  #port = 0;

  private constructor(options: Partial<CenterOptions>) {
    this.path = mkdtempSync(join(tmpdir(), 'parley-peers-'));
    this.#options = options;
  }

  static async open(options: Partial<CenterOptions> = {}): Promise<Town> {
    const town = new Town(options);
    await town.start();
    return town;
  }

  /** Starts the center, on the port that it had before. */
  async start(options: Partial<CenterOptions> = {}): Promise<void> {
    this.center = await Center.start({
      host: '127.0.0.1',
      port: this.#port,
      dataDir: join(this.path, 'center'),
      bcryptCost: 4,
      ...this.#options,
      ...options,
    });
    this.#port = this.center.port;
  }

  /** Where peers keep their data unless told otherwise. */
  get dataDir(): string {
    return join(this.path, 'peers');
  }

  get address(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.#port };
  }

  peer(options: Partial<PeerOptions> = {}): HeardPeer {
    const plain = this.#options.plain ?? false;
    const peer = new HeardPeer({ ...this.address, dataDir: this.dataDir, plain, ...options });
    this.#peers.push(peer);
    return peer;
  }

  async registered(name: string, options: Partial<PeerOptions> = {}): Promise<HeardPeer> {
    const peer = this.peer(options);
    await peer.register(name, password);
    return peer;
  }

  async loggedIn(name: string, options: Partial<PeerOptions> = {}): Promise<HeardPeer> {
    const peer = this.peer(options);
    await peer.login(name, password);
    return peer;
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.close()));
    await this.center.stop();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Everything that an iterator gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The code with which a promise rejects; fails if it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
  throw new Error('it did not reject');
}
