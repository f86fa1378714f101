// Numbered texts, as they are sent, read in order and refused.
import { expect } from 'chai';
import type { WirePeer } from './wire.ts';

/** Sends texts with numbers from `from` on. */
export function send(peer: WirePeer, to: number, from: number, count: number): void {
  for (let number = from; number < from + count; number++) peer.message(to, number, `text ${number}`);
}

/** Reads these texts in this order, and acknowledges each. */
export async function reads(peer: WirePeer, from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number++) {
    const deliver = await peer.sees('deliver');
    expect([deliver.number, deliver.body]).to.deep.equal([number, `text ${number}`]);
    peer.ack(deliver.position ?? 0);
  }
}

export async function isRefused(peer: WirePeer, number: number, code: string): Promise<void> {
  const frame = await peer.take(({ refused }) => refused?.number === number, `that ${number} is refused`);
  expect(frame.refused?.error?.code).to.equal(code);
}

export const isDeliver = ({ deliver }: { deliver?: unknown }): boolean => deliver != null;
