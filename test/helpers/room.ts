// A center's services without its sockets: peers talk to it over stream pairs, and a test can stand between it and its store.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { serve, storeFile } from '../../center/center.ts';
import { openIdentity } from '../../center/identity.ts';
import type { CenterLimits } from '../../center/limits.ts';
import { openServices, type Services } from '../../center/services.ts';
import { noExporter, type Origin } from '../../center/sessions.ts';
import { openSqliteStore, type SqliteStoreOptions } from '../../center/store/sqlite.ts';
import type { Store } from '../../center/store/store.ts';
import { WirePeer } from './wire.ts';

export interface RoomOptions {
  limits?: Partial<CenterLimits>;
  maxStoreBytes?: number;
  store?: Partial<SqliteStoreOptions>;
  /** What the services get instead of the store. */
  wrap?: (store: Store) => Store;
}

export class Room {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'parley-room-'));
  readonly options: RoomOptions;
  readonly peers: WirePeer[] = [];
  services!: Services;

  private constructor(options: RoomOptions) {
    this.options = options;
  }

  static async open(options: RoomOptions = {}): Promise<Room> {
    const room = new Room(options);
    await room.#open();
    return room;
  }

  async #open(): Promise<void> {
    const { wrap = (store) => store, limits, maxStoreBytes = 2 ** 30, store } = this.options;
    const identity = await openIdentity(this.dataDir, { create: true });
    const opened = await openSqliteStore({ file: join(this.dataDir, storeFile), ...store });
    this.services = await openServices(
      {
        dataDir: this.dataDir,
        maxStoreBytes,
        bcryptCost: 4,
        limits: { maxRegistrationsPerHour: 0, messagesPerSecond: 0, ...limits },
      },
      identity,
      wrap(opened),
    );
    this.services.wheel.start();
  }

  connect(): WirePeer {
    const [near, far] = duplexPair();
    const { sessions } = this.services;
    const from: Origin = {
      address: '127.0.0.1',
      port: 0,
      counted: '127.0.0.1',
      loopback: true,
      exporter: noExporter,
      ticket: null,
      place: 'free',
    };
    if (!sessions.connect(from)) throw new Error('the room is full');
    const session = serve(far, from, this.services);
    far.on('data', (bytes: Buffer) => session.receive(bytes));
    far.on('error', () => far.destroy());
    far.once('close', () => {
      sessions.disconnect(from);
      session.closed();
    });
    near.once('end', () => near.end());
    // A pair ends only as a whole.
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    const peer = new WirePeer(near);
    this.peers.push(peer);
    return peer;
  }

  async register(name: string): Promise<WirePeer> {
    return this.connect().register(name);
  }

  /** Registered, attached, and there for a while: its mailbox has positions that messages need not wait for. */
  async join(name: string, options: Parameters<WirePeer['attach']>[0] = {}): Promise<WirePeer> {
    const peer = await this.register(name);
    await peer.attach(options);
    this.services.mail.mailbox(peer.account)?.save();
    // Asked after that, answered after that.
    await this.services.store.time();
    return peer;
  }

  async login(name: string): Promise<WirePeer> {
    return this.connect().login(name);
  }

  async resume(before: WirePeer): Promise<WirePeer> {
    return this.connect().resume(before);
  }

  /** What a center does when it stops. */
  async #close(): Promise<void> {
    const { wheel, mail, passwords, store } = this.services;
    wheel.stop();
    for (const peer of this.peers.splice(0)) peer.destroy();
    // The far ends close in the next turns.
    while (this.services.sessions.count > 0) await new Promise(setImmediate);
    await mail.stop();
    await passwords.close();
    await store.close();
  }

  async restart(): Promise<void> {
    await this.#close();
    await this.#open();
  }

  async close(): Promise<void> {
    await this.#close();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** A store that does each of these acts its own way and all others as before. */
export function overriding(store: Store, acts: (store: Store) => Partial<Store>): Store {
  const own = acts(store);
  return new Proxy(store, {
    get: (target, name) => {
      const act = Reflect.get(own, name) ?? Reflect.get(target, name);
      return typeof act === 'function' ? act.bind(target) : act;
    },
  });
}
