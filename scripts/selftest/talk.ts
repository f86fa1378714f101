// Who says what to whom: each message is numbered in its direction, so that it can be found again.
import type { Random } from './random.ts';
import { directionOf, textOf } from './verdict.ts';

/** Of the messages; the others go through the center. */
const privateShare = 0.2;

export class Talk {
  readonly #random: Random;
  /** In a ring: each may reach the next directly. */
  readonly #names: readonly string[];
  readonly #numbers = new Map<string, number>();

  constructor(random: Random, names: readonly string[]) {
    this.#random = random;
    this.#names = names;
  }

  /** Whom this one lets reach it. */
  nextTo(name: string): string {
    return this.#names[(this.#names.indexOf(name) + 1) % this.#names.length]!;
  }

  message(from: string): { to: string; text: string; private: boolean } {
    const isPrivate = this.#random.chance(privateShare);
    const to = this.#random.pick(this.#names.filter((other) => this.#isPartner(other, from, isPrivate)));
    const direction = directionOf(from, to, isPrivate);
    const number = (this.#numbers.get(direction) ?? 0) + 1;
    this.#numbers.set(direction, number);
    return { to, text: textOf(direction, number), private: isPrivate };
  }

  /** Anybody, or privately those beside it in the ring. */
  #isPartner(other: string, from: string, isPrivate: boolean): boolean {
    if (other === from) return false;
    return !isPrivate || this.nextTo(other) === from || this.nextTo(from) === other;
  }
}
