// Makes the runs that tests append: frames as the center writes them.
import type { AppendRun, Mark } from '../../../center/store/store.ts';
import { parley } from '../../../shared/protocol.js';

export const outboxA = new Uint8Array(16).fill(0xa);
export const outboxB = new Uint8Array(16).fill(0xb);

export interface RunShape {
  first: number;
  /** The positions; default: `first` alone. */
  positions?: number[];
  from?: number;
  outbox?: Uint8Array;
  receivedAtMs?: number;
  bodyBytes?: number;
  marks?: Mark[];
  reservedTo?: number;
}

/** A run whose frames hold a text each, and whose marks say that all of it was placed. */
export function makeRun(shape: RunShape): AppendRun {
  const { first, from = 7, outbox = outboxA, receivedAtMs = 1_700_000_000_000, bodyBytes = 10 } = shape;
  const positions = shape.positions ?? [first];
  const last = positions.at(-1) ?? first;
  const frames = Buffer.concat(
    positions.map((position) =>
      frameOf({
        position,
        from,
        outbox,
        fromName: 'seas',
        receivedAtMs,
        number: position,
        sentAtMs: 1,
        body: 'x'.repeat(bodyBytes),
      }),
    ),
  );
  return {
    first,
    last,
    count: positions.length,
    frames,
    marks: shape.marks ?? [{ sender: from, outbox, accepted: last, stored: 0 }],
    reservedTo: shape.reservedTo ?? last + 1,
  };
}

/** A Frame{deliver} with its length. */
export function frameOf(deliver: parley.Deliver.$Properties): Buffer {
  const frame = parley.Frame.encode({ deliver }).finish();
  const bytes = Buffer.alloc(4 + frame.length);
  bytes.writeUInt32BE(frame.length);
  bytes.set(frame, 4);
  return bytes;
}

/** Consecutive positions. */
export function positionsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** The positions in frames, as protobufjs reads them. */
export function positionsIn(frames: Uint8Array): number[] {
  const positions: number[] = [];
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    positions.push(Number(parley.Frame.decode(bytes.subarray(at + 4, end)).deliver?.position));
    at = end;
  }
  return positions;
}
