// Two peers' pairings with each other, joined by streams that a test opens, slows down and cuts.
import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { LinkRoute, OutgoingMessage, PeerEvent } from '../../peer/events.ts';
import { Incoming } from '../../peer/incoming.ts';
import { DialBudget } from '../../peer/links/dial.ts';
import type { Introduced, Introduction } from '../../peer/links/introduction.ts';
import { Pairing, type PairingHost } from '../../peer/links/pairing.ts';
import { PrivateStore } from '../../peer/links/private-store.ts';
import { Store } from '../../peer/store.ts';
import { ParleyError } from '../../shared/errors.ts';

const hourMs = 3_600_000;

/** A while in milliseconds, or until something has happened. */
type Delay = number | Promise<void>;

/** One end of a cable: what is written comes out at the other end after a while, or never if it was cut before. */
class End extends Duplex {
  other!: End;
  readonly #delay: () => Delay;

  constructor(delay: () => Delay) {
    super();
    this.#delay = delay;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // Once it is written, the writer may use the memory again.
    const bytes = Buffer.from(chunk);
    const arrive = (): void => {
      if (!this.other.destroyed) this.other.push(bytes);
      done();
    };
    const delay = this.#delay();
    if (typeof delay === 'number') setTimeout(arrive, delay).unref();
    else void delay.then(arrive);
  }

  override _final(done: () => void): void {
    if (!this.other.destroyed) this.other.push(null);
    done();
  }
}

export interface Cable {
  /** Both ends are gone, with all that is on its way. */
  cut(): void;
}

/** One side. */
export class Side {
  readonly self: Introduced;
  readonly other: Introduced;
  readonly store: Store;
  readonly privateStore: PrivateStore;
  readonly pairing: Pairing;
  readonly events: PeerEvent[] = [];
  readonly shown: string[] = [];
  readonly stored: OutgoingMessage[] = [];
  isBehind = false;

  /** path: of its history; null: in memory. */
  constructor(self: Introduced, other: Introduced, path: string | null = null) {
    this.self = self;
    this.other = other;
    this.store = new Store(path, (error) => {
      throw error;
    });
    this.privateStore = new PrivateStore(this.store, new Incoming(this.store));
    const away = () => Promise.reject(new ParleyError('disconnected', 'There is no center.'));
    const host: PairingHost = {
      ...{ self, store: this.privateStore, budget: new DialBudget(), nowMs: () => Date.now() },
      ...{ credentials: () => ({ key: '', cert: '' }), isCenterThere: () => false, isOverLoopback: () => true },
      ...{ askPunch: away, askIntroduction: away, openTunnel: away, secure: away, punch: away },
      admit: (token) => {
        if (token !== 'good') throw new ParleyError('bad_token', 'Not good.');
      },
      ...{ run: randomBytes(8), isDurable: path !== null },
      afterCommit: (act) => this.store.afterCommit(act),
      show: (_row, { text, again }, onShown) => {
        this.shown.push(again ? `(again) ${text}` : text);
        onShown();
      },
      isBehind: () => this.isBehind,
      onStored: (message) => this.stored.push(message),
      emit: (event) => this.events.push(event),
    };
    this.pairing = new Pairing(other.account, `account ${other.account}`, host);
  }

  introduced(more: Partial<Introduction> = {}): void {
    const until = Date.now() + hourMs;
    this.pairing.introduced({
      ...{ ...this.other, name: `account ${this.other.account}`, token: 'good', candidates: [] },
      ...{ expiresAtMs: until, consentUntilMs: until, once: false, dialFirst: true, fresh: false },
      ...more,
    });
  }

  send(text: string): void {
    const to = { account: this.other.account, name: this.pairing.name };
    this.pairing.flow.say(this.privateStore.add(to, text, this.pairing.flow.isReady));
    this.store.afterCommit(() => this.pairing.flow.pump());
  }

  close(): void {
    this.pairing.close(new ParleyError('cancelled', 'The test is over.'));
    this.store.close();
  }
}

/** Two sides, introduced; the first has the smaller account id. */
export function twoSides(): [Side, Side] {
  const one = { account: 1, key: 'SHA256:one' };
  const two = { account: 2, key: 'SHA256:two' };
  const sides: [Side, Side] = [new Side(one, two), new Side(two, one)];
  for (const side of sides) side.introduced();
  return sides;
}

/** A link between the two, of which `client` is the TLS client. delay: of what is said on it by this side. */
export function join(
  [one, two]: readonly [Side, Side],
  client: Side,
  options: { route?: LinkRoute; exporter?: Uint8Array; delay?: (from: Side) => Delay } = {},
): Cable {
  const { route = 'direct', exporter = Buffer.alloc(32), delay = () => 0 } = options;
  const ends = [new End(() => delay(one)), new End(() => delay(two))] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  for (const end of ends) end.on('error', () => undefined);
  for (const [side, stream] of [
    [one, ends[0]],
    [two, ends[1]],
  ] as const) {
    const common = { exporter, route, where: '', localAddress: '' };
    side.pairing.found({ ...common, stream, key: side.other.key, isClient: side === client });
  }
  return {
    cut: () => {
      for (const end of ends) end.destroy();
    },
  };
}
