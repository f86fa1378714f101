// Frames on a byte stream: a 4-byte big-endian length, then one protobuf Frame (docs/protocol.md).
import './numbers.ts';
import protobuf from 'protobufjs/minimal.js';
import { ParleyError } from './errors.ts';
import { parley } from './protocol.js';

export const lengthBytes = 4;

/** Gets a frame's bytes, from start to end (the length not included). They are only good during the call. */
export type FrameSink = (bytes: Buffer, start: number, end: number) => void;

/** For all that hold no bytes: a connection that is idle costs little. */
const nothing = Buffer.alloc(0);

/** Cuts a byte stream into frames; holds at most one unfinished frame. */
export class FrameDecoder {
  /** The longest frame taken; raised after login. */
  maxBytes: number;
  #header: Buffer = nothing;
  /** The unfinished frame, allocated when its length is known. */
  #partial: Buffer | null = null;
  #filled = 0;
  /** running ⇄ held; either → stopped. */
  #state: 'running' | 'held' | 'stopped' = 'running';
  /** What came while held. */
  #rest: Buffer = nothing;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Hands each whole frame in the chunk, up to its end, to the sink. Throws frame_too_long as soon as a length says so. */
  push(chunk: Buffer, sink: FrameSink, chunkEnd = chunk.length): void {
    let at = 0;
    if (this.#state !== 'running') return this.#keep(chunk, at, chunkEnd);
    if (this.#header.length > 0) {
      const missing = lengthBytes - this.#header.length;
      at = Math.min(missing, chunkEnd);
      this.#header = Buffer.concat([this.#header, chunk.subarray(0, at)]);
      if (this.#header.length < lengthBytes) return;
      this.#begin(this.#header.readUInt32BE(0));
      this.#header = nothing;
    }
    if (this.#partial) {
      const taken = Math.min(this.#partial.length - this.#filled, chunkEnd - at);
      chunk.copy(this.#partial, this.#filled, at, at + taken);
      this.#filled += taken;
      at += taken;
      if (this.#filled < this.#partial.length) return;
      const frame = this.#partial;
      this.#partial = null;
      sink(frame, 0, frame.length);
    }
    while (this.#state === 'running' && chunkEnd - at >= lengthBytes) {
      const length = chunk.readUInt32BE(at);
      if (length > this.maxBytes) this.#refuse(length);
      const start = at + lengthBytes;
      if (chunkEnd - start < length) {
        this.#begin(length);
        this.#filled = chunk.copy(this.#partial!, 0, start, chunkEnd);
        return;
      }
      at = start + length;
      sink(chunk, start, at);
    }
    if (this.#state !== 'running') this.#keep(chunk, at, chunkEnd);
    else if (at < chunkEnd) this.#header = Buffer.from(chunk.subarray(at, chunkEnd));
  }

  /** No frame is handed over until release: for a reader that has enough to do, also from within the sink. */
  hold(): void {
    if (this.#state === 'running') this.#state = 'held';
  }

  /** Goes on where hold stopped it. Throws as push does. */
  release(sink: FrameSink): void {
    if (this.#state !== 'held') return;
    this.#state = 'running';
    const rest = this.#rest;
    this.#rest = nothing;
    this.push(rest, sink);
  }

  /** Drops what was read and ignores what comes: for a connection that is over. */
  stop(): void {
    this.#state = 'stopped';
    this.#partial = null;
    this.#header = nothing;
    this.#rest = nothing;
  }

  #keep(chunk: Buffer, from: number, end: number): void {
    if (this.#state === 'held' && from < end) this.#rest = Buffer.concat([this.#rest, chunk.subarray(from, end)]);
  }

  #begin(length: number): void {
    if (length > this.maxBytes) this.#refuse(length);
    this.#partial = Buffer.allocUnsafe(length);
    this.#filled = 0;
  }

  #refuse(length: number): never {
    this.stop();
    throw new ParleyError('frame_too_long', `A frame of ${length} bytes is over the limit of ${this.maxBytes}.`);
  }
}

/** A whole frame with its length in front. */
export function encodeFrame(frame: parley.Frame.$Properties): Buffer {
  const body = parley.Frame.encode(frame).finish();
  const bytes = Buffer.allocUnsafe(lengthBytes + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.set(body, lengthBytes);
  return bytes;
}

// Where the package `long` is installed, protobufjs gives its objects for 64-bit fields; all of ours are below 2^53.
class NumberReader extends protobuf.BufferReader {
  override uint64(): Integer {
    return exact(super.uint64());
  }

  override fixed64(): Integer {
    return exact(super.fixed64());
  }
}

/** What the declarations call the result; the generated code stores whatever it gets. */
type Integer = ReturnType<protobuf.Reader['uint64']>;

function exact(value: Integer): Integer {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError('a number is above 2^53');
  return number as unknown as Integer;
}

/** Decodes what a FrameDecoder handed over; throws bad_frame. */
export function decodeFrame(bytes: Buffer, start = 0, end = bytes.length): parley.Frame {
  try {
    return parley.Frame.decode(new NumberReader(bytes.subarray(start, end)));
  } catch {
    throw new ParleyError('bad_frame', 'The bytes received are not a frame of this protocol.');
  }
}

/** A whole frame of a link, with its length in front. */
export function encodeLinkFrame(frame: parley.LinkFrame.$Properties): Buffer {
  const body = parley.LinkFrame.encode(frame).finish();
  const bytes = Buffer.allocUnsafe(lengthBytes + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.set(body, lengthBytes);
  return bytes;
}

/** Decodes a frame of a link; throws bad_frame. */
export function decodeLinkFrame(bytes: Buffer, start = 0, end = bytes.length): parley.LinkFrame {
  try {
    return parley.LinkFrame.decode(new NumberReader(bytes.subarray(start, end)));
  } catch {
    throw new ParleyError('bad_frame', 'The bytes received are not a frame of a link.');
  }
}
