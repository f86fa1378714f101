// The reader of stored frames against protobufjs.
import { expect } from 'chai';
import fc from 'fast-check';
import { storedFrames } from '../../../center/store/frames.ts';
import { frameOf } from './run.ts';

describe('center/store/frames', () => {
  const deliver = fc.record({
    position: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    from: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    outbox: fc.uint8Array({ maxLength: 20 }),
    fromName: fc.string({ maxLength: 200 }),
    receivedAtMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    number: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    sentAtMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    body: fc.string({ maxLength: 300 }),
  });

  it('reads what protobufjs writes', () => {
    fc.assert(
      fc.property(fc.array(deliver, { minLength: 1, maxLength: 5 }), (all) => {
        const frames = all.map(frameOf);
        const read = [...storedFrames(Buffer.concat(frames))];
        expect(read).to.deep.equal(
          all.map(({ position, from, receivedAtMs }, index) => ({
            position,
            from,
            receivedAtMs,
            bytes: frames[index]?.length,
          })),
        );
      }),
      { seed: 1 },
    );
  });

  it('passes over fields that it does not know, and times of 64 bits', () => {
    const known = frameOf({ position: 300, from: 5 });
    const inner = known.subarray(6);
    const sentAtMs = [0x48, ...new Uint8Array(9).fill(0xff), 0x01];
    const unknown = [0xfd, 0x01, 1, 2, 3, 4, 0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0xfa, 0x01, 2, 9, 9];
    const content = [0x1a, inner.length + sentAtMs.length + unknown.length, ...inner, ...sentAtMs, ...unknown];
    const frame = Uint8Array.of(0, 0, 0, content.length, ...content);
    expect([...storedFrames(frame)]).to.deep.equal([{ position: 300, from: 5, receivedAtMs: 0, bytes: frame.length }]);
  });

  it('refuses a run that is cut anywhere', () => {
    const frame = frameOf({ position: 300, from: 5, outbox: new Uint8Array(16), fromName: 'seas', body: 'hello' });
    for (let length = 1; length < frame.length; length++) {
      expect(() => [...storedFrames(frame.subarray(0, length))], `${length}`).to.throw(RangeError);
    }
  });
});
