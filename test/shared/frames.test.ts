import { expect } from 'chai';
import fc from 'fast-check';
import { ParleyError } from '../../shared/errors.ts';
import { decodeFrame, encodeFrame, FrameDecoder, lengthBytes } from '../../shared/frames.ts';

const maxBytes = 4096;

/** Frames of these lengths, each of its own letter, as they lie in a stream. */
function streamOf(lengths: number[]): { stream: Buffer; frames: string[] } {
  const frames = lengths.map((length, index) => String.fromCharCode(97 + (index % 26)).repeat(length));
  const parts = frames.map((frame) => {
    const bytes = Buffer.alloc(lengthBytes + frame.length);
    bytes.writeUInt32BE(frame.length);
    bytes.write(frame, lengthBytes);
    return bytes;
  });
  return { stream: Buffer.concat(parts), frames };
}

class Reader {
  readonly decoder = new FrameDecoder(maxBytes);
  readonly frames: string[] = [];
  readonly sink = (bytes: Buffer, start: number, end: number): void => {
    this.frames.push(bytes.toString('latin1', start, end));
  };

  push(chunk: Buffer): void {
    // What was handed over is only good during the call: the next read goes into the same memory, as the last one did.
    const shared = Buffer.concat([chunk, Buffer.alloc(9, 0xff)]);
    this.decoder.push(shared, this.sink, chunk.length);
    shared.fill(0xff);
  }
}

describe('FrameDecoder', () => {
  it('hands over the frames of a stream that comes byte by byte', () => {
    const { stream, frames } = streamOf([3, 0, 1, 200, maxBytes, 0]);
    const reader = new Reader();
    for (const byte of stream) reader.push(Buffer.from([byte]));
    expect(reader.frames).to.deep.equal(frames);
  });

  it('hands over nothing of a frame that was cut off, at every length', () => {
    const { stream } = streamOf([5, 12]);
    for (let length = 0; length < stream.length; length++) {
      const reader = new Reader();
      reader.push(stream.subarray(0, length));
      expect(reader.frames).to.have.length(length < 9 ? 0 : 1);
      reader.push(stream.subarray(length));
      expect(reader.frames).to.deep.equal(['aaaaa', 'bbbbbbbbbbbb']);
    }
  });

  it('gives the same frames however a stream is cut', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 20 });
    fc.assert(
      fc.property(lengths, cuts, (lengths, cuts) => {
        const { stream, frames } = streamOf(lengths);
        const reader = new Reader();
        let from = 0;
        for (const cut of cuts.sort((a, b) => a - b)) {
          reader.push(stream.subarray(from, Math.max(from, cut)));
          from = Math.max(from, Math.min(cut, stream.length));
        }
        reader.push(stream.subarray(from));
        expect(reader.frames).to.deep.equal(frames);
      }),
    );
  });

  it('refuses a length over the limit before its bytes come, and hands over nothing more', () => {
    const { stream } = streamOf([2, maxBytes + 1, 2]);
    for (const step of [1, 3, stream.length]) {
      const reader = new Reader();
      const feed = (): void => {
        for (let at = 0; at < stream.length; at += step) reader.push(stream.subarray(at, at + step));
      };
      expect(feed).to.throw(ParleyError).with.property('code', 'frame_too_long');
      reader.push(streamOf([1]).stream);
      expect(reader.frames).to.deep.equal(['aa']);
    }
  });

  it('takes longer frames when its limit is raised', () => {
    const reader = new Reader();
    const { stream } = streamOf([2 * maxBytes]);
    reader.decoder.maxBytes = 2 * maxBytes;
    reader.push(stream);
    expect(reader.frames[0]).to.have.length(2 * maxBytes);
  });

  it('hands over nothing after stop, also when stopped by a frame', () => {
    const { stream } = streamOf([2, 2, 2]);
    for (const step of [1, 7, stream.length]) {
      const decoder = new FrameDecoder(maxBytes);
      let seen = 0;
      for (let at = 0; at < stream.length; at += step) {
        decoder.push(stream.subarray(at, at + step), () => {
          if (++seen === 2) decoder.stop();
        });
      }
      expect(seen).to.equal(2);
    }
  });

  it('keeps what comes while it is held, and goes on from there', () => {
    const { stream, frames } = streamOf([3, 0, 9, 40, 2, 7]);
    for (let step = 1; step <= stream.length; step++) {
      const decoder = new FrameDecoder(maxBytes);
      const seen: string[] = [];
      const sink = (bytes: Buffer, start: number, end: number): void => {
        seen.push(bytes.toString('latin1', start, end));
        decoder.hold();
      };
      for (let at = 0; at < stream.length; at += step) {
        const shared = Buffer.concat([stream.subarray(at, at + step), Buffer.alloc(5)]);
        decoder.push(shared, sink, shared.length - 5);
      }
      for (let count = 1; count <= frames.length; count++) {
        expect(seen).to.deep.equal(frames.slice(0, count));
        decoder.release(sink);
      }
      expect(seen).to.deep.equal(frames);
    }
  });
});

describe('encodeFrame and decodeFrame', () => {
  it('are each other’s inverse', () => {
    const bytes = encodeFrame({ request: 7, lookup: { name: 'google' } });
    expect(bytes.readUInt32BE()).to.equal(bytes.length - lengthBytes);
    const frame = decodeFrame(bytes, lengthBytes);
    expect(frame.request).to.equal(7);
    expect(frame.lookup?.name).to.equal('google');
  });

  it('read 64-bit fields as numbers up to 2^53, and refuse larger ones', () => {
    const entry = encodeFrame({ accountEntry: { account: Number.MAX_SAFE_INTEGER } });
    expect(decodeFrame(entry, lengthBytes).accountEntry?.account).to.equal(Number.MAX_SAFE_INTEGER);
    expect(decodeFrame(encodeFrame({ accountEntry: {} }), lengthBytes).accountEntry?.account).to.equal(0);
    const tooLarge = Buffer.from(entry.subarray(lengthBytes));
    tooLarge[tooLarge.length - 1] = 0x40;
    expect(() => decodeFrame(tooLarge))
      .to.throw(ParleyError)
      .with.property('code', 'bad_frame');
  });

  it('skip fields and bodies of a newer version', () => {
    const unknownBody = Buffer.from('0805fa0703010203', 'hex');
    expect(decodeFrame(unknownBody)).to.deep.include({ request: 5 });
    const unknownField = Buffer.from('f201080a0161fa3e020102', 'hex');
    expect(decodeFrame(unknownField).lookup?.name).to.equal('a');
  });

  it('refuse a string that is not UTF-8', () => {
    expect(() => decodeFrame(Buffer.from('f201040a02c328', 'hex'))).to.throw(ParleyError);
    expect(() => decodeFrame(Buffer.from('f201050a03eda080', 'hex'))).to.throw(ParleyError);
  });

  it('throw bad_frame, and nothing else, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeFrame(Buffer.from(bytes));
        } catch (error) {
          expect(error).to.be.instanceOf(ParleyError).with.property('code', 'bad_frame');
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('survive groups nested as deep as a frame allows', () => {
    const groups = Buffer.alloc(65_536, 0x0b);
    expect(() => decodeFrame(groups))
      .to.throw(ParleyError)
      .with.property('code', 'bad_frame');
  });
});
