import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import protobuf from 'protobufjs';
import { lengthBytes } from '../../shared/frames.ts';
import { seeded } from '../helpers/correspondents.ts';
import { Room } from '../helpers/room.ts';

// Frames of every kind with any content, in every state of a connection: a center answers, closes, and lives on.
describe('a session, whatever it is sent,', () => {
  const { root } = protobuf.parse(readFileSync(new URL('../../shared/protocol.proto', import.meta.url), 'utf8'));
  const frameType = root.lookupType('parley.Frame');
  const seed = 20261121;

  let room: Room;
  let random: (below: number) => number;

  beforeEach(async () => {
    random = seeded(seed);
    room = await Room.open({ limits: { mailboxMessages: 50, windowMessages: 5 } });
  });

  afterEach(() => room.close());

  const strings = ['', 'seas', 'google', '/(a|b)*$/', '*', 'x'.repeat(300), '\u202e\u001b[31m', 'é'.repeat(40)];

  function anyValue(field: protobuf.Field, depth: number): unknown {
    field.resolve();
    const type = field.resolvedType;
    if (type instanceof protobuf.Enum) return random(4);
    if (type instanceof protobuf.Type) return depth > 3 ? {} : messageOf(type, depth + 1);
    switch (field.type) {
      case 'string':
        return strings[random(strings.length)];
      case 'bytes':
        return Buffer.alloc([0, 16, 32, 91, 200][random(5)]!, random(256));
      case 'bool':
        return random(2) === 0;
      case 'uint32':
        return [0, 1, 5, 2 ** 32 - 1][random(4)];
      default: {
        const accounts = room.peers.map(({ account }) => account);
        return [0, 1, 2, 7, Number.MAX_SAFE_INTEGER, ...accounts][random(5 + accounts.length)];
      }
    }
  }

  function messageOf(type: protobuf.Type, depth: number): Record<string, unknown> {
    const message: Record<string, unknown> = {};
    for (const field of type.fieldsArray) {
      if (random(4) === 0) continue;
      message[field.name] = field.repeated ? [anyValue(field, depth), anyValue(field, depth)] : anyValue(field, depth);
    }
    return message;
  }

  /** A frame with its length; now and then a byte of it is another. */
  function anyFrame(): Buffer {
    const bodies = frameType.oneofs.body!.fieldsArray;
    const frame: Record<string, unknown> = {};
    if (random(3) > 0) frame.request = 1 + random(1000);
    for (let count = random(12) === 0 ? 2 : 1; count > 0; count--) {
      const body = bodies[random(bodies.length)]!;
      frame[body.name] = anyValue(body, 0);
    }
    const bytes = Buffer.from(frameType.encode(frame).finish());
    if (bytes.length > 0 && random(6) === 0) bytes[random(bytes.length)] = random(256);
    const whole = Buffer.alloc(lengthBytes + bytes.length);
    whole.writeUInt32BE(bytes.length);
    whole.set(bytes, lengthBytes);
    return whole;
  }

  it('answers or closes, and serves the others', async function () {
    this.timeout(60_000);
    let frames = 0;
    for (let round = 0; round < 300; round++) {
      const peer = room.connect();
      // Hello, a login and Attach, or less.
      const state = random(4);
      if (state >= 1) await peer.greet();
      if (state >= 2) await peer.register(`u${round}`);
      if (state >= 3) await peer.attach({ hold: random(3) === 0 });
      const count = 1 + random(30);
      const bytes = Buffer.concat(Array.from({ length: count }, anyFrame));
      frames += count;
      for (let at = 0; at < bytes.length && !peer.closed; ) {
        const size = 1 + random(random(3) === 0 ? 10 : 3000);
        peer.stream.write(bytes.subarray(at, at + size));
        at += size;
      }
      if (random(3) === 0) peer.destroy();
      else await peer.fence().catch(() => undefined);
      for (const { request, error } of peer.received) {
        if (error) expect(error.code, `of request ${request}: ${error.text}`).not.to.equal('internal');
      }
      if (round % 10 === 0) for (const one of room.peers.splice(0)) one.destroy();
    }
    expect(frames).to.be.greaterThan(3000);
    const [seas, google] = [await room.join('seas'), await room.join('google')];
    seas.message(google.account, 1, 'still here');
    expect(await google.reads()).to.equal('<seas>: still here');
  });
});
