// A center that introduces whom a test wants to each other, truthfully or not, and the private links of peers that know
// it. Links go over real sockets of this machine.
import { randomBytes } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { Connection } from '../../peer/connection.ts';
import type { PeerEvent } from '../../peer/events.ts';
import { Feed } from '../../peer/feed.ts';
import { Incoming } from '../../peer/incoming.ts';
import { Links } from '../../peer/links/links.ts';
import { type Listener, listen } from '../../peer/socket.ts';
import { Store } from '../../peer/store.ts';
import { ParleyError } from '../../shared/errors.ts';
import { fingerprint, generateKey, publicDer, signProof, tokenKeyProof } from '../../shared/identity.ts';
import type { parley } from '../../shared/protocol.js';
import { openConnection, ScriptedCenter } from './scripted-center.ts';

const waitMs = 20_000;
const hourMs = 3_600_000;

export interface Party {
  account: number;
  name: string;
  key: ReturnType<typeof generateKey>;
}

export function party(account: number, name: string): Party {
  return { account, name, key: generateKey() };
}

function introduced({ account, key }: Party): { account: string; key: string } {
  return { account: String(account), key: fingerprint(publicDer(key)) };
}

export class Matchmaker {
  readonly key = generateKey();
  readonly tokenKey = generateKey();
  readonly centerId = randomBytes(16);
  readonly #linked: LinkedPeer[] = [];

  token(a: Party, b: Party, claims: object = {}, header: object = {}, key = this.tokenKey): string {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      ...{ iss: this.centerId.toString('hex'), aud: 'parley-introduction', jti: randomBytes(16).toString('hex') },
      ...{ iat: now, exp: now + 3600, peers: [introduced(a), introduced(b)] },
      ...claims,
    };
    return jwt.sign(payload, key, {
      algorithm: 'ES256',
      header: { alg: 'ES256', typ: 'parley-introduction+jwt', ...header },
    });
  }

  /** What the center tells the one about the other. */
  introduction(
    to: Party,
    of: Party,
    more: parley.Introduction.$Properties & { at?: readonly { port: number; address?: string }[] } = {},
  ): parley.Introduction.$Properties {
    const { at = [], ...rest } = more;
    const candidates = at.map(({ address = '127.0.0.1', port }) => ({ kind: 1, address, port }));
    return {
      ...{ account: of.account, name: of.name, key: introduced(of).key, token: this.token(to, of), candidates },
      ...{ expiresAtMs: Date.now() + hourMs, consentUntilMs: Date.now() + hourMs, dialFirst: true },
      ...rest,
    };
  }

  /** Somebody's links, who is connected to this center and listens on a port. */
  async join(who: Party): Promise<LinkedPeer> {
    const center = new ScriptedCenter({
      key: this.key,
      centerId: this.centerId,
      over: { localEnd: { address: '127.0.0.1', port: 1 } },
    });
    const opened = openConnection(center.channel, { pin: () => undefined });
    const tokenKey = publicDer(this.tokenKey);
    const tokenKeySignature = signProof(this.key, tokenKeyProof(this.centerId, tokenKey));
    await center.greets({ tokenKey, tokenKeySignature, timeMs: Date.now() });
    const peer = await LinkedPeer.open(who, center, await opened);
    this.#linked.push(peer);
    return peer;
  }

  close(): void {
    for (const peer of this.#linked) peer.close();
  }
}

export class LinkedPeer {
  readonly party: Party;
  readonly center: ScriptedCenter;
  readonly links: Links;
  /** The store failed: for a peer that is the end of its session. */
  readonly failures: ParleyError[] = [];
  /** All that came and was not taken by sees(). */
  readonly heard: PeerEvent[] = [];
  readonly incoming: Incoming;
  readonly #connection: Connection;
  readonly #store: Store;
  readonly #looks = new Set<() => void>();
  #listener!: Listener;

  private constructor(who: Party, center: ScriptedCenter, connection: Connection) {
    this.party = who;
    this.center = center;
    this.#connection = connection;
    this.#store = new Store(null, (error) => this.failures.push(error));
    this.incoming = new Incoming(this.#store);
    const feed = new Feed();
    feed.on((event) => {
      this.heard.push(event);
      for (const look of this.#looks) look();
    });
    this.links = new Links({
      ...{ ...who, store: this.#store, incoming: this.incoming, feed },
      isBarred: () => false,
    });
    this.links.attach(connection);
    connection.handle({ onFrame: (frame) => this.links.take(frame), onClose: () => this.links.detach() });
  }

  static async open(who: Party, center: ScriptedCenter, connection: Connection): Promise<LinkedPeer> {
    const peer = new LinkedPeer(who, center, connection);
    peer.#listener = await listen('127.0.0.1', 0, (socket) => peer.links.accept(socket));
    return peer;
  }

  get port(): number {
    return this.#listener.port;
  }

  /** The center introduces this other one. */
  meets(introduction: parley.Introduction.$Properties): void {
    this.center.says({ introduction });
  }

  /** Takes the first event of this type that fits, waiting for it; those before it stay. */
  sees<Type extends PeerEvent['type']>(
    type: Type,
    fits: (event: Extract<PeerEvent, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<PeerEvent, { type: Type }>> {
    type Wanted = Extract<PeerEvent, { type: Type }>;
    const { promise, resolve, reject } = Promise.withResolvers<Wanted>();
    const look = (): void => {
      const at = this.heard.findIndex((event) => event.type === type && fits(event as Wanted));
      if (at >= 0) resolve(this.heard.splice(at, 1)[0] as Wanted);
    };
    const timer = setTimeout(() => {
      reject(new Error(`${this.party.name} did not see ${type}; heard ${JSON.stringify(this.heard)}`));
    }, waitMs);
    this.#looks.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#looks.delete(look);
    });
  }

  close(): void {
    this.#listener.close();
    this.links.close(new ParleyError('logged_out', 'The test is over.'));
    this.#connection.close(new ParleyError('logged_out', 'The test is over.'));
    this.#store.close();
  }
}
