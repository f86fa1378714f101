// What the store has to see of the frames it keeps: positions, senders and times, read in place (shared/protocol.proto).

/** What the store reads of a Frame{deliver}. */
export interface StoredFrame {
  position: number;
  /** The sender's account id; 0 is the center itself. */
  from: number;
  receivedAtMs: number;
  /** Bytes, with the length before it. */
  bytes: number;
}

const lengthBytes = 4;
const deliver = (3 << 3) | 2;
const position = 1 << 3;
const from = (2 << 3) | 1;
const receivedAtMs = 5 << 3;

/**
 * The frames of a run, in order.
 * @throws RangeError where the bytes are not such frames
 */
export function* storedFrames(frames: Uint8Array): Generator<StoredFrame> {
  const reader = new Reader(frames);
  while (reader.at < frames.length) {
    const start = reader.at;
    const end = start + lengthBytes + reader.uint32();
    const frame: StoredFrame = { position: 0, from: 0, receivedAtMs: 0, bytes: end - start };
    while (reader.at < end) {
      const tag = reader.varint();
      if (tag === deliver) readDeliver(reader, frame);
      else reader.skip(tag);
    }
    if (reader.at !== end || end > frames.length) throw new RangeError('a stored frame is cut short');
    yield frame;
  }
}

/** The first of them; null where there is none. @throws RangeError where the bytes are no such frame */
export function firstFrame(frames: Uint8Array): StoredFrame | null {
  return storedFrames(frames).next().value ?? null;
}

function readDeliver(reader: Reader, frame: StoredFrame): void {
  const end = reader.varint() + reader.at;
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === position) frame.position = reader.varint();
    else if (tag === from) frame.from = reader.fixed64();
    else if (tag === receivedAtMs) frame.receivedAtMs = reader.varint();
    else reader.skip(tag);
  }
}

/** Goes through bytes field by field; beyond their end it throws a RangeError. */
class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint32(): number {
    const value = this.#view.getUint32(this.at);
    this.at += 4;
    return value;
  }

  fixed64(): number {
    const low = this.#view.getUint32(this.at, true);
    const high = this.#view.getUint32(this.at + 4, true);
    this.at += 8;
    return high * 2 ** 32 + low;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new RangeError('a stored frame has a number that is cut short or too large');
  }

  /** Over the content of a field. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        // Not varint(): a sender's own time can be any 64 bits.
        while ((this.#bytes[this.at++] ?? 0) >= 128);
        break;
      case 1:
        this.at += 8;
        break;
      case 2: {
        const length = this.varint();
        this.at += length;
        break;
      }
      case 5:
        this.at += 4;
        break;
      default:
        throw new RangeError('a stored frame has a field of an unknown kind');
    }
  }
}
