// Peers that keep an outbox and a history as docs/protocol.md asks for, for tests that do to them what they like.
import { expect } from 'chai';
import type { parley } from '../../shared/protocol.js';
import type { WirePeer } from './wire.ts';

/** Numbers that look random and are the same for the same seed (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Unanswered {
  to: number;
  number: number;
  body: string;
  /** Refused on this connection. */
  refused: boolean;
}

/** Sends, and sends again until every message is accepted. */
export class Sender {
  peer: WirePeer;
  /** What was ever sent to each recipient, in order. */
  readonly sent = new Map<number, string[]>();
  outbox: Unanswered[] = [];
  #number = 0;

  constructor(peer: WirePeer) {
    this.peer = peer;
  }

  send(to: number): void {
    const number = ++this.#number;
    const body = `${number} ${'.'.repeat(number % 40)}`;
    const list = this.sent.get(to) ?? [];
    list.push(body);
    this.sent.set(to, list);
    this.outbox.push({ to, number, body, refused: false });
    // Behind an open refusal it would be refused as well.
    if (!this.outbox.some((one) => one.to === to && one.refused)) this.peer.message(to, number, body);
    else this.outbox.at(-1)!.refused = true;
  }

  /** Takes what the center has answered. */
  listen(): void {
    const rest: parley.Frame[] = [];
    for (const frame of this.peer.received.splice(0)) {
      const { accepted, stored, refused } = frame;
      const told = accepted ?? stored;
      if (told) {
        const [to, number] = [told.to ?? 0, told.number ?? 0];
        this.outbox = this.outbox.filter((one) => one.to !== to || one.number > number || one.refused);
      } else if (refused) {
        const one = this.outbox.find(({ to, number }) => to === refused.to && number === refused.number);
        if (one) one.refused = true;
      } else rest.push(frame);
    }
    this.peer.received.push(...rest);
  }

  /** Sends again what was refused, from the oldest, where nothing later is on its way: it would be overtaken. */
  retry(): void {
    const refused = new Set<number>();
    const flying = new Set<number>();
    for (const one of this.outbox) {
      if (one.refused) refused.add(one.to);
      else if (refused.has(one.to)) flying.add(one.to);
    }
    this.#again((one) => one.refused && !flying.has(one.to));
  }

  /** On a new connection: everything unanswered goes again. */
  continueOn(peer: WirePeer): void {
    this.peer = peer;
    this.#again(() => true);
  }

  #again(which: (one: Unanswered) => boolean): void {
    for (const one of this.outbox) {
      if (!which(one)) continue;
      one.refused = false;
      this.peer.message(one.to, one.number, one.body);
    }
  }
}

/** Keeps a history with marks, acknowledges when told to, and watches over positions. */
export class Reader {
  peer: WirePeer;
  /** By sender, in the order of arrival. */
  readonly history = new Map<number, string[]>();
  repeats = 0;
  readonly #marks = new Map<string, number>();
  #position = 0;
  #toAck: number[] = [];

  constructor(peer: WirePeer) {
    this.peer = peer;
  }

  listen(): void {
    const rest: parley.Frame[] = [];
    for (const frame of this.peer.received.splice(0)) {
      if (frame.deliver) this.#store(frame.deliver as parley.Deliver);
      else rest.push(frame);
    }
    this.peer.received.push(...rest);
  }

  #store({ position, from, outbox, number, body }: parley.Deliver): void {
    expect(position, 'positions rise on one connection').to.be.greaterThan(this.#position);
    this.#position = position;
    this.#toAck.push(position);
    const key = Buffer.from(outbox).toString('hex');
    if (number <= (this.#marks.get(key) ?? 0)) {
      this.repeats++;
      return;
    }
    this.#marks.set(key, number);
    const list = this.history.get(from) ?? [];
    list.push(body);
    this.history.set(from, list);
  }

  /** Acknowledges so many of what was read. */
  acknowledge(count: number): void {
    const position = this.#toAck.splice(0, count).at(-1);
    if (position !== undefined) this.peer.ack(position);
  }

  continueOn(peer: WirePeer): void {
    this.listen();
    this.peer = peer;
    this.#position = 0;
    this.#toAck = [];
  }
}
