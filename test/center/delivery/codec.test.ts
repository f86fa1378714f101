import { expect } from 'chai';
import fc from 'fast-check';
import {
  accountOf,
  canonicalMessage,
  deliverRoom,
  emptyView,
  type MessageView,
  readAck,
  readDeliver,
  readMessage,
  receiptRoom,
  senderPrefix,
  writeDeliver,
  writeReceipt,
} from '../../../center/delivery/codec.ts';
import { ParleyError } from '../../../shared/errors.ts';
import { decodeFrame, encodeFrame, lengthBytes } from '../../../shared/frames.ts';
import { parley } from '../../../shared/protocol.js';
import { varintBytes, writeVarint } from '../../../shared/varint.ts';

const outbox = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const max = Number.MAX_SAFE_INTEGER;

const numbers = fc.oneof(
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 53 }).chain((bits) => fc.constantFrom(2 ** bits - 1, Math.min(2 ** bits, max))),
);
const positive = numbers.map((number) => Math.max(1, number));
/** Every string that can be written in UTF-8. */
const texts = fc.string({ unit: 'binary', maxLength: 300 });
const names = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,24}$/);

/** A Frame without its length, as protobufjs writes it. */
function encoded(frame: parley.Frame.$Properties): Buffer {
  return encodeFrame(frame).subarray(lengthBytes);
}

/** As it lies in a read buffer: other bytes before and after. */
function amid(frame: Buffer, after: number): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.concat([Buffer.alloc(3, after), frame, Buffer.alloc(24, after)]);
  return { bytes, start: 3, end: 3 + frame.length };
}

function read(frame: Buffer, after = 0x12): { view: MessageView; tail: Buffer } | null {
  const { bytes, start, end } = amid(frame, after);
  const view = emptyView();
  if (!readMessage(bytes, start, end, view)) return null;
  return { view, tail: bytes.subarray(view.tailStart, view.tailEnd) };
}

function deliver(view: MessageView, source: Buffer, prefix: Buffer, position: number, receivedAtMs: number): Buffer {
  const tailBytes = view.tailEnd - view.tailStart;
  const to = Buffer.alloc(2 + deliverRoom(prefix, tailBytes), 0xee);
  const end = writeDeliver(to, 2, position, prefix, receivedAtMs, source, view.tailStart, view.tailEnd);
  expect(end).to.be.at.most(to.length);
  expect(to.readUInt32BE(2)).to.equal(end - 2 - lengthBytes);
  return to.subarray(2 + lengthBytes, end);
}

/** Fields of a Message in any order, each as its bytes. */
function fieldsOf(message: { to: number; number: number; sentAtMs: number; body: string }): Buffer[] {
  const { to, number, sentAtMs, body } = message;
  return [{ to }, { number }, { sentAtMs }, { body }].map((field) =>
    Buffer.from(parley.Message.encode(field).finish()),
  );
}

function frameOf(fields: Buffer[]): Buffer {
  const inner = Buffer.concat(fields);
  const head = Buffer.alloc(10);
  head[0] = 0x12;
  const at = writeVarint(head, 1, inner.length);
  return Buffer.concat([head.subarray(0, at), inner]);
}

/** What readDeliver reads, with the outbox id itself. */
function viewOf(bytes: Buffer, start: number, end: number): object {
  const { outboxStart, outboxEnd, ...view } = readDeliver(bytes, start, end);
  return { ...view, outbox: Buffer.from(bytes.subarray(outboxStart, outboxEnd)) };
}

describe('codec', () => {
  it('finds a byte that is not UTF-8 wherever it is, in a body of any length that begins anywhere', () => {
    for (let bodyBytes = 1; bodyBytes < 70; bodyBytes++) {
      const frame = encoded({ message: { to: 5, number: 7, sentAtMs: 9, body: 'a'.repeat(bodyBytes) } });
      for (let start = 0; start < 5; start++) {
        // What is around it is no part of it.
        const bytes = Buffer.concat([Buffer.alloc(start, 0xff), frame, Buffer.alloc(9, 0xff)]);
        const end = start + frame.length;
        const view = emptyView();
        expect(readMessage(bytes, start, end, view) && view.text).to.equal('ok');
        for (let at = end - bodyBytes; at < end; at++) {
          bytes[at] = 0x80;
          expect(readMessage(bytes, start, end, view) && view.text, `${bodyBytes} ${at}`).to.equal('not_utf8');
          bytes[at] = 0x61;
        }
      }
    }
  });

  describe('golden bytes', () => {
    const message = '1219' + '098877665544332200' + '40ac02' + '48959aef3a' + '520668c3a96c6c6f';

    it('of a message', () => {
      const fields = { to: 0x0022334455667788, number: 300, sentAtMs: 123456789, body: 'héllo' };
      expect(encoded({ message: fields }).toString('hex')).to.equal(message);
      const found = read(Buffer.from(message, 'hex'));
      expect(found && accountOf(found.view)).to.equal(fields.to);
      expect(found?.view).to.deep.include({ number: 300, bodyBytes: 6, text: 'ok' });
      expect(found?.tail.toString('hex')).to.equal('40ac0248959aef3a520668c3a96c6c6f');
    });

    it('of a deliver', () => {
      const source = Buffer.from(message, 'hex');
      const view = emptyView();
      expect(readMessage(source, 0, source.length, view)).to.equal(true);
      const frame = deliver(view, source, senderPrefix(0x1122334455, outbox, 'seas'), 128, 1_700_000_000_000);
      expect(frame.toString('hex')).to.equal(
        '1a3b' +
          '088001' +
          '115544332211000000' +
          '1a10000102030405060708090a0b0c0d0e0f' +
          '220473656173' +
          '2880d095ffbc31' +
          '40ac0248959aef3a520668c3a96c6c6f',
      );
    });

    it('of an ack', () => {
      const bytes = Buffer.from('220308ac02', 'hex');
      expect(encoded({ ack: { position: 300 } })).to.deep.equal(bytes);
      expect(readAck(bytes, 0, bytes.length)).to.equal(300);
    });

    it('of accepted and stored', () => {
      const to = Buffer.alloc(receiptRoom);
      const accepted = to.subarray(0, writeReceipt(to, 0, 'accepted', 0x1122334455, 300)).toString('hex');
      expect(accepted).to.equal('0000000e' + '2a0c' + '095544332211000000' + '10ac02');
      const stored = to.subarray(0, writeReceipt(to, 0, 'stored', 0x1122334455, 1)).toString('hex');
      expect(stored).to.equal('0000000d' + '320b' + '095544332211000000' + '1001');
    });
  });

  describe('varints', () => {
    it('are written as protobuf does, and counted', () => {
      fc.assert(
        fc.property(numbers, (value) => {
          const bytes = Buffer.alloc(10);
          const end = writeVarint(bytes, 0, value);
          expect(end).to.equal(varintBytes(value));
          expect(decodeFrame(frameOfAck(bytes.subarray(0, end))).ack?.position).to.equal(value);
        }),
      );
    });

    function frameOfAck(varint: Buffer): Buffer {
      return Buffer.concat([Buffer.from([0x22, varint.length + 1, 0x08]), varint]);
    }
  });

  describe('a message', () => {
    it('of protobufjs is read in place, whatever lies around it', () => {
      fc.assert(
        fc.property(positive, positive, positive, texts, fc.nat(255), (to, number, sentAtMs, body, after) => {
          fc.pre(body !== '');
          const found = read(encoded({ message: { to, number, sentAtMs, body } }), after);
          expect(found).not.to.equal(null);
          const { view, tail } = found!;
          expect(accountOf(view)).to.equal(to);
          expect(view.number).to.equal(number);
          expect(view.bodyBytes).to.equal(Buffer.byteLength(body));
          expect(view.text).to.equal('ok');
          expect(tail.equals(parley.Message.encode({ number, sentAtMs, body }).finish())).to.equal(true);
        }),
        { numRuns: 500 },
      );
    });

    it('with its fields in another order means the same', () => {
      const orders = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
      fc.assert(
        fc.property(orders, positive, positive, numbers, texts, (order, to, number, sentAtMs, body) => {
          const fields = fieldsOf({ to, number, sentAtMs, body });
          const frame = frameOf(order.map((index) => fields[index]!));
          const canonical = canonicalMessage(decodeFrame(frame).message!);
          const found = read(read(frame) ? frame : canonical)!;
          expect([accountOf(found.view), found.view.number]).to.deep.equal([to, number]);
          const back = parley.Message.decode(found.tail);
          expect([back.sentAtMs, back.body]).to.deep.equal([sentAtMs, body]);
        }),
      );
    });

    it('with unknown fields loses them', () => {
      const fields = fieldsOf({ to: 5, number: 6, sentAtMs: 7, body: 'text' });
      const unknown = Buffer.from('fa3e03616263', 'hex');
      for (let place = 0; place <= fields.length; place++) {
        const frame = frameOf([...fields.slice(0, place), unknown, ...fields.slice(place)]);
        expect(read(frame)).to.equal(null);
        const found = read(canonicalMessage(decodeFrame(frame).message!));
        expect(found?.tail).to.deep.equal(Buffer.concat(fields.slice(1)));
      }
    });

    it('without a text, or without a time, is read', () => {
      expect(read(encoded({ message: { to: 5, number: 6, sentAtMs: 7 } }))?.view.bodyBytes).to.equal(0);
      expect(read(encoded({ message: { to: 5, number: 6, body: 'text' } }))?.view.bodyBytes).to.equal(4);
      const bare = canonicalMessage(decodeFrame(encoded({ message: { to: 5, number: 6 } })).message!);
      expect(read(bare)?.view).to.deep.include({ number: 6, bodyBytes: 0 });
    });

    it('without a recipient or a number is bad_frame', () => {
      const explicit = (to: string, number: string) =>
        Buffer.from(`121909${to}0000000000000040${number}4801520a${'61'.repeat(10)}`, 'hex');
      expect(read(explicit('05', '01'))).not.to.equal(null);
      expect(read(explicit('00', '01'))).to.equal(null);
      expect(read(explicit('05', '00'))).to.equal(null);
      for (const message of [{ to: 5 }, { number: 5 }, {}, { to: 5, number: 0 }, { to: 0, number: 5 }]) {
        const frame = encoded({ message: { ...message, body: 'a text of some length' } });
        expect(read(frame)).to.equal(null);
        expect(() => canonicalMessage(decodeFrame(frame).message!))
          .to.throw(ParleyError)
          .with.property('code', 'bad_frame');
      }
    });

    it('whose text is not UTF-8 is told from one whose text is', () => {
      const head = fieldsOf({ to: 5, number: 6, sentAtMs: 7, body: '' }).slice(0, 3);
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (body) => {
          const length = Buffer.alloc(2);
          const found = read(
            frameOf([
              ...head,
              Buffer.from([0x52]),
              length.subarray(0, writeVarint(length, 0, body.length)),
              Buffer.from(body),
            ]),
          );
          const isText = Buffer.from(Buffer.from(body).toString()).equals(body);
          expect(found?.view.text).to.equal(isText ? 'ok' : 'not_utf8');
        }),
      );
    });

    it('cut off at any length is not one', () => {
      const frame = encoded({ message: { to: 5, number: 2 ** 40, sentAtMs: 2 ** 45, body: 'some text' } });
      for (let length = 0; length < frame.length; length++) {
        for (const after of [0x00, 0x12, 0x40, 0x48, 0x52, 0xff]) {
          expect(read(frame.subarray(0, length), after)).to.equal(null);
        }
      }
    });

    it('with a number or time of 2^53 or more is left to protobufjs, which refuses it', () => {
      for (const [number, sentAtMs] of [
        [2 ** 53, 1],
        [1, 2 ** 53],
        [2 ** 56, 2 ** 60],
      ]) {
        const bytes = [Buffer.from('0905000000000000', 'hex'), Buffer.from('0040', 'hex')];
        const varint = (value: number): Buffer => {
          const to = Buffer.alloc(10);
          return to.subarray(0, writeVarint(to, 0, value));
        };
        const frame = frameOf([
          ...bytes,
          varint(number!),
          Buffer.from([0x48]),
          varint(sentAtMs!),
          Buffer.from('520161', 'hex'),
        ]);
        expect(read(frame)).to.equal(null);
        expect(() => decodeFrame(frame)).to.throw(ParleyError);
      }
    });
  });

  describe('a deliver', () => {
    it('is what protobufjs reads, and what the center reads back', () => {
      const all = fc.record({
        to: positive,
        number: positive,
        sentAtMs: positive,
        body: texts,
        from: positive,
        position: positive,
        receivedAtMs: numbers,
        name: names,
      });
      fc.assert(
        fc.property(all, ({ to, number, sentAtMs, body, from, position, receivedAtMs, name }) => {
          const source = canonicalMessage({ to, number, sentAtMs, body });
          const view = emptyView();
          expect(readMessage(source, 0, source.length, view)).to.equal(true);
          const frame = deliver(view, source, senderPrefix(from, outbox, name), position, receivedAtMs);
          const { deliver: read } = decodeFrame(frame);
          expect(read).to.deep.include({ position, from, fromName: name, receivedAtMs, number, sentAtMs, body });
          expect(Buffer.from(read!.outbox!)).to.deep.equal(outbox);
          const { bytes, start, end } = amid(frame, 0x1a);
          expect(viewOf(bytes, start, end)).to.deep.equal({ position, from, outbox, number });
        }),
        { numRuns: 500 },
      );
    });

    it('is read back as the center’s own notice too', () => {
      const undeliverable = { to: 5, toName: 'google', outbox, number: 9, code: 'undeliverable' };
      const frame = encoded({ deliver: { position: 3, from: 0, outbox, receivedAtMs: 4, number: 9, undeliverable } });
      expect(viewOf(frame, 0, frame.length)).to.deep.equal({ position: 3, from: 0, outbox, number: 9 });
    });
  });

  describe('an ack', () => {
    it('is read in place, and every other shape left to protobufjs', () => {
      fc.assert(
        fc.property(positive, (position) => {
          const { bytes, start, end } = amid(encoded({ ack: { position } }), 0x08);
          expect(readAck(bytes, start, end)).to.equal(position);
        }),
      );
      for (const hex of ['2200', '220408011001', '2202088001', '080122020801', '22', '', '2201']) {
        const { bytes, start, end } = amid(Buffer.from(hex, 'hex'), 0x08);
        expect(readAck(bytes, start, end), hex).to.equal(-1);
      }
    });
  });

  describe('receipts', () => {
    it('are what protobufjs reads', () => {
      fc.assert(
        fc.property(fc.constantFrom('accepted' as const, 'stored' as const), numbers, positive, (kind, to, number) => {
          const bytes = Buffer.alloc(receiptRoom);
          const end = writeReceipt(bytes, 0, kind, to, number);
          expect(end).to.equal(lengthBytes + bytes.readUInt32BE());
          expect(decodeFrame(bytes, lengthBytes, end)[kind]).to.deep.include({ to, number });
        }),
      );
    });
  });

  describe('anything else', () => {
    const seed = 20261121;

    /** What a session does with a frame: all that may come of it is a ParleyError. */
    function take(bytes: Buffer, start: number, end: number): void {
      try {
        const view = emptyView();
        if (readMessage(bytes, start, end, view)) {
          expect(view.number).to.be.at.least(1);
          expect(view.tailEnd).to.equal(end);
          // Whatever is read in place, protobufjs reads the same.
          const { message } = view.text === 'ok' ? decodeFrame(bytes, start, end) : { message: null };
          if (message) {
            expect([message.to, message.number]).to.deep.equal([accountOf(view), view.number]);
            expect(Buffer.byteLength(message.body ?? '')).to.equal(view.bodyBytes);
          }
          return;
        }
        const position = readAck(bytes, start, end);
        const frame = decodeFrame(bytes, start, end);
        if (position >= 0) expect(frame.ack?.position).to.equal(position);
        if (frame.message) {
          const canonical = canonicalMessage(frame.message);
          expect(readMessage(canonical, 0, canonical.length, view)).to.equal(true);
        }
      } catch (error) {
        if (!(error instanceof ParleyError)) throw error;
      }
    }

    it('random bytes raise nothing but a ParleyError', () => {
      fc.assert(
        fc.property(fc.constantFrom(0x12, 0x22, 0x08, 0x1a), fc.uint8Array({ maxLength: 80 }), (first, rest) => {
          const { bytes, start, end } = amid(Buffer.from([first, ...rest]), 0x12);
          take(bytes, start, end);
        }),
        { seed, numRuns: 5000 },
      );
    });

    it('mutated frames raise nothing but a ParleyError', () => {
      const frames = fc.oneof(
        fc
          .record({ to: positive, number: positive, sentAtMs: positive, body: texts })
          .map((message) => encoded({ message })),
        positive.map((position) => encoded({ ack: { position } })),
        names.map((name) => encoded({ request: 3, lookup: { name } })),
      );
      const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'insert')), {
        minLength: 1,
        maxLength: 4,
      });
      fc.assert(
        fc.property(frames, edits, fc.nat(255), (frame, edits, after) => {
          let bytes = Buffer.from(frame);
          for (const [where, value, edit] of edits) {
            const at = where % (bytes.length + 1);
            if (edit === 'cut') bytes = bytes.subarray(0, at);
            else
              bytes = Buffer.concat([
                bytes.subarray(0, at),
                Buffer.from([value]),
                bytes.subarray(edit === 'set' ? at + 1 : at),
              ]);
          }
          const placed = amid(bytes, after);
          take(placed.bytes, placed.start, placed.end);
        }),
        { seed, numRuns: 5000 },
      );
    });
  });
});
