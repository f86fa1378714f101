// All other accounts that were introduced, by account, name and key.
import { ParleyError } from '../../shared/errors.ts';
import { foldName } from '../../shared/names.ts';
import type { LinkInfo } from '../events.ts';
import type { Pairing } from './pairing.ts';

/** Accounts introduced; more than anybody consents with. */
const maxPairings = 1000;

export class Pairings {
  readonly #make: (account: number, name: string) => Pairing;
  readonly #pairings = new Map<number, Pairing>();

  constructor(make: (account: number, name: string) => Pairing) {
    this.#make = make;
  }

  [Symbol.iterator](): Iterator<Pairing> {
    return this.#pairings.values();
  }

  of(account: number): Pairing | undefined {
    return this.#pairings.get(account);
  }

  named(name: string): Pairing | undefined {
    const folded = foldName(name);
    for (const pairing of this) if (foldName(pairing.name) === folded) return pairing;
    return undefined;
  }

  /** The one whose introduction says this key. */
  withKey(key: string): Pairing | null {
    for (const pairing of this) if (pairing.introduction?.key === key) return pairing;
    return null;
  }

  /** The one of this account, made where there is none. Throws busy where there are too many. */
  meet(account: number, name: string): Pairing {
    let pairing = this.#pairings.get(account);
    if (!pairing) {
      if (this.#pairings.size >= maxPairings) throw new ParleyError('busy', 'Too many accounts were introduced.');
      pairing = this.#make(account, name);
      this.#pairings.set(account, pairing);
    }
    return pairing;
  }

  /** Throws no_consent where there is none. */
  existing(name: string): Pairing {
    const pairing = this.named(name);
    if (pairing) return pairing;
    const why = `${name} is away, or there is no consent`;
    throw new ParleyError('no_consent', `You two were not introduced: ${why}. getaddress ${name} asks for it.`);
  }

  /** The links that are up, by name. */
  links(): LinkInfo[] {
    const infos: LinkInfo[] = [];
    for (const pairing of this) {
      const { name, link } = pairing;
      if (!link) continue;
      const { openedAtMs: sinceMs, roundTripMs } = link;
      const { route, where, key } = link.channel;
      infos.push({ name, route, verified: pairing.isVerified(key), sinceMs, where, roundTripMs });
      // For the next time that they are listed.
      link.ping();
    }
    return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
