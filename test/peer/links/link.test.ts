import { once } from 'node:events';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Link } from '../../../peer/links/link.ts';
import { LinkOutput } from '../../../peer/links/link-output.ts';
import { type ErrorCode, errorCodes, isWireCode, ParleyError } from '../../../shared/errors.ts';
import { decodeLinkFrame, encodeLinkFrame, FrameDecoder } from '../../../shared/frames.ts';

describe('what a link says', () => {
  for (const resent of [false, true]) {
    it(`is read as any protobuf is: a message that was ${resent ? '' : 'not '}sent before`, async () => {
      const stream = new PassThrough();
      const output = new LinkOutput(stream);
      output.message(300, 1_795_000_000_000, 'Grüße', resent);
      output.flush();
      const frames: unknown[] = [];
      new FrameDecoder(1000).push(stream.read() as Buffer, (bytes, start, end) =>
        frames.push({ ...decodeLinkFrame(bytes, start, end).message }),
      );
      expect(frames).to.deep.equal([
        { number: 300, sentAtMs: 1_795_000_000_000, body: 'Grüße', ...(resent && { resent }) },
      ]);
    });
  }
});

describe('what waits while the other side does not read', () => {
  it('is gathered in few pieces of memory, however little each turn says, and goes out in order', async () => {
    const written: Buffer[] = [];
    const taken: (() => void)[] = [];
    const write = (bytes: Buffer, done: () => void): void => {
      written.push(bytes);
      taken.push(done);
    };
    const output = new LinkOutput({ destroyed: false, writable: true, write } as unknown as Duplex);
    for (let turn = 0; turn < 100; turn++) {
      output.frame(Buffer.from([turn]));
      await nextTurn();
    }
    expect(written.length).to.be.at.most(8);
    for (const done of taken) done();
    expect([...Buffer.concat(written)]).to.deep.equal(Array.from({ length: 100 }, (_, turn) => turn));
  });
});

/** A link that has said Hello, the other end of its stream, and why it was closed, as soon as it is. */
function greeted(): { link: Link; other: Duplex; reasons: ParleyError[] } {
  const [stream, other] = duplexPair();
  const ignore = (): void => undefined;
  const reasons: ParleyError[] = [];
  const link = new Link({
    channel: {
      stream,
      exporter: Buffer.alloc(32),
      key: '',
      isClient: true,
      route: 'direct',
      where: '',
      localAddress: '',
    },
    token: '',
    outbox: Buffer.alloc(16),
    run: Buffer.alloc(8),
    admit: ignore,
    handler: {
      ...{ onOpen: ignore, onMessage: ignore, onStored: ignore },
      ...{ onVerify: ignore, onQuiet: ignore, onClose: (_link, reason) => reasons.push(reason) },
    },
  });
  return { link, other, reasons };
}

describe('a link whose other side does not read', () => {
  it('is closed when more than 1 MiB of answers wait', async () => {
    const { link, other, reasons } = greeted();
    const read = (bytes: Buffer): Promise<void> => new Promise((resolve) => other.write(bytes, () => resolve()));
    await read(encodeLinkFrame({ hello: { version: 1, outbox: Buffer.alloc(16) } }));
    const ping = encodeLinkFrame({ ping: { id: 2 ** 30 } });
    const pings = Buffer.concat(Array.from({ length: 5_000 }, () => ping));
    const { stream } = link.channel;
    let mostBytes = 0;
    for (let sent = 0; sent < 4_194_304 && !link.isClosed; sent += pings.length) {
      await read(pings);
      mostBytes = Math.max(mostBytes, stream.writableLength);
    }
    expect(reasons.map(({ message }) => message)).to.deep.equal(['The link was lost: the other side does not read.']);
    expect(mostBytes).to.be.within(1_000_000, 1_048_576 + 2 * pings.length);
    other.destroy();
  });
});

describe('the end of a link', () => {
  /** The codes that the other end of a link hears when this one is closed for that reason. */
  async function heard(code: ErrorCode): Promise<string[]> {
    const { link, other } = greeted();
    const codes: string[] = [];
    const decoder = new FrameDecoder(65_536);
    other.on('data', (bytes: Buffer) =>
      decoder.push(bytes, (frame, start, end) => {
        const { close } = decodeLinkFrame(frame, start, end);
        if (close) codes.push(close.code ?? '');
      }),
    );
    link.close(new ParleyError(code, 'Why.'));
    await once(other, 'end');
    return codes;
  }

  it('is told with a code of the wire, and never with one of the peer’s own', async () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      expect(await heard(code), code).to.deep.equal(isWireCode(code) ? [code] : []);
    }
    expect(await heard('moved')).to.deep.equal(['moved']);
    expect(await heard('cancelled')).to.deep.equal([]);
  });
});
