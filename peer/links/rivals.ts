// Several links with one other account: those on which nobody has said Hello yet, the one that is used, and the one that
// the other side has left already.
import { ParleyError } from '../../shared/errors.ts';
import type { LinkRoute } from '../events.ts';
import { isBetter } from './choice.ts';
import { Link, type LinkOptions } from './link.ts';

/** Links of one account on which nobody has said Hello yet. */
const maxGreeting = 8;

export class Rivals {
  readonly #self: number;
  readonly #other: number;
  readonly #greeting = new Set<Link>();
  #used: Link | null = null;
  /** The route of a link that the other side has left for one that is not open here yet. */
  #left: LinkRoute | null = null;

  /** self, other: the accounts. */
  constructor(self: number, other: number) {
    this.#self = self;
    this.#other = other;
  }

  /** The one that is used. */
  get used(): Link | null {
    return this.#used?.isOpen ? this.#used : null;
  }

  /** No more are greeted now. */
  get isFull(): boolean {
    return this.#greeting.size >= maxGreeting;
  }

  /** Says Hello on it. */
  greet(options: LinkOptions): void {
    this.#greeting.add(new Link(options));
  }

  /** Hello was answered. Returns how the link is used now; null where the one before is better. */
  opened(link: Link): 'up' | 'moved' | null {
    this.#greeting.delete(link);
    const current = this.used;
    if (current && !isBetter(link, current, this.#self, this.#other)) {
      link.close(new ParleyError('moved', 'Another link is better.'));
      return null;
    }
    const change = current || this.#left ? 'moved' : 'up';
    this.#used = link;
    this.#left = null;
    current?.close(new ParleyError('moved', 'Another link is better.'));
    return change;
  }

  /** One is gone. down: the route by which nothing goes any more, null where something does or is about to. */
  closed(link: Link, reason: ParleyError): { wasUsed: boolean; down: LinkRoute | null } {
    this.#greeting.delete(link);
    const wasUsed = link === this.#used;
    if (wasUsed) {
      this.#used = null;
      this.#left = link.channel.route;
    }
    const isMoving = this.#greeting.size > 0 && (!wasUsed || reason.code === 'moved');
    if (isMoving) return { wasUsed, down: null };
    const down = this.#left;
    this.#left = null;
    return { wasUsed, down };
  }

  close(reason: ParleyError): void {
    for (const link of [...this.#greeting]) link.close(reason);
    this.#used?.close(reason);
  }
}
