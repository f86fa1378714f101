import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSqliteStore } from '../../center/store/sqlite.ts';
import { type MailboxRun, type Mark, type Store, StoreError } from '../../center/store/store.ts';
import {
  centerAccount,
  encodeNotice,
  type Notice,
  noticeOutbox,
  reportUndeliverable,
  storeNotices,
} from '../../center/undeliverable.ts';
import { decodeFrame, encodeFrame, lengthBytes } from '../../shared/frames.ts';

const nowMs = Date.UTC(2026, 10, 21, 9, 14);
const [seas, google, yahoo] = [2 ** 40 + 1, 2 ** 40 + 2, 2 ** 40 + 3];

describe('undeliverable', () => {
  const outboxes = new Map([centerAccount, seas, google, yahoo].map((account) => [account, randomBytes(16)]));
  let directory: string;
  let store: Store;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'parley-undeliverable-'));
    store = await openSqliteStore({ file: join(directory, 'center.db') });
    for (const [name, id] of Object.entries({ seas, google, yahoo })) {
      await store.createAccount({ id, name, passwordHash: 'x', createdAtMs: nowMs });
    }
  });

  afterEach(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });

  /** Mail for an account, one run: who sent it, in order. */
  async function post(to: number, senders: number[]): Promise<void> {
    const mailbox = await store.openMailbox(to);
    if (mailbox === 'gone') throw new Error('no such account');
    const counts = new Map<number, number>();
    const frames = senders.map((from, index) => {
      const number = (counts.get(from) ?? 0) + 1;
      counts.set(from, number);
      const outbox = outboxes.get(from)!;
      return encodeFrame({
        deliver: { position: mailbox.next + index, from, outbox, receivedAtMs: nowMs, number, body: 'Hello' },
      });
    });
    const marks = [...counts].map(
      ([sender, accepted]): Mark => ({ sender, outbox: outboxes.get(sender)!, accepted, stored: 0 }),
    );
    const last = mailbox.next + senders.length - 1;
    const run = { first: mailbox.next, last, count: senders.length, frames: Buffer.concat(frames), marks };
    expect(await store.append(to, { ...run, reservedTo: last + 1 })).to.equal('accepted');
  }

  function framesOf(runs: MailboxRun[]) {
    return runs.flatMap((run) => {
      const bytes = Buffer.from(run.frames);
      const frames = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + lengthBytes + bytes.readUInt32BE(at);
        frames.push(decodeFrame(bytes, at + lengthBytes, end));
        at = end;
      }
      return frames;
    });
  }

  async function noticesFor(account: number) {
    return framesOf(await store.read(account, 0, 1_000_000)).map(({ deliver }) => deliver!);
  }

  function report(deliver = storeNotices(store, () => nowMs), after = 0) {
    return reportUndeliverable({ account: seas, name: 'seas', after, code: 'undeliverable' }, store, deliver);
  }

  it('tells each sender of each message, in order, by way of its own mailbox', async () => {
    await post(seas, [google, yahoo, google]);
    const { count } = await report();
    expect(count).to.equal(3);
    const told = await noticesFor(google);
    expect(told.map(({ undeliverable }) => undeliverable!.number)).to.deep.equal([1, 2]);
    const [first, second] = told;
    expect(first!.from).to.equal(centerAccount);
    expect(first!.undeliverable).to.include({ to: seas, toName: 'seas', code: 'undeliverable' });
    expect(Buffer.from(first!.undeliverable!.outbox!)).to.deep.equal(outboxes.get(google));
    expect(Buffer.from(first!.outbox!)).to.deep.equal(Buffer.from(noticeOutbox(seas)));
    expect(second!.position! - first!.position!).to.equal(1);
    expect(await noticesFor(yahoo)).to.have.length(1);
  });

  it('tells nobody twice, however often it is repeated', async () => {
    await post(seas, [google, yahoo, google]);
    await report();
    await report();
    await report();
    expect(await noticesFor(google)).to.have.length(2);
    expect(await noticesFor(yahoo)).to.have.length(1);
  });

  it('goes on where it failed', async () => {
    await post(seas, [google, yahoo, google]);
    const direct = storeNotices(store, () => nowMs);
    let asked = 0;
    const failing = async (sender: number, notices: Notice[]) => {
      if (++asked === 2) throw new StoreError('failed', 'a write failed');
      await direct(sender, notices);
    };
    await report(failing).then(
      () => expect.fail('nothing failed'),
      (error: unknown) => expect(error).to.be.instanceOf(StoreError),
    );
    await report(failing);
    expect(await noticesFor(google)).to.have.length(2);
    expect(await noticesFor(yahoo)).to.have.length(1);
  });

  it('leaves out what was stored, and what comes after the end that is given', async () => {
    await post(seas, [google, google, google, google]);
    const [run] = await store.read(seas, 0, 1);
    const mail = { account: seas, name: 'seas', after: run!.first, upTo: run!.last - 1, code: 'expired' as const };
    const { position, count } = await reportUndeliverable(
      mail,
      store,
      storeNotices(store, () => nowMs),
    );
    expect({ position, count }).to.deep.equal({ position: run!.last - 1, count: 2 });
    const told = await noticesFor(google);
    expect(told.map(({ undeliverable }) => [undeliverable!.number, undeliverable!.code])).to.deep.equal([
      [2, 'expired'],
      [3, 'expired'],
    ]);
  });

  it('tells nobody about mail to themselves, answers no notice, and minds no sender that is gone', async () => {
    await post(seas, [seas, centerAccount, yahoo]);
    await store.removeAccount(yahoo);
    const { count } = await report();
    expect(count).to.equal(3);
    expect(await noticesFor(seas)).to.have.length(3);
  });

  it('tells a sender whose deletion was interrupted: that is over', async () => {
    await post(seas, [google]);
    await store.setState(google, 'closing');
    await report();
    expect(await noticesFor(google)).to.have.length(1);
    expect(await store.account(google)).to.include({ state: 'open' });
  });

  it('works through more than it holds at once', async () => {
    for (let run = 0; run < 30; run++) {
      await post(
        seas,
        Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? google : yahoo)),
      );
    }
    let calls = 0;
    const read = (id: number, after: number) => {
      calls++;
      return store.read(id, after, 1);
    };
    const { count } = await reportUndeliverable(
      { account: seas, name: 'seas', after: 0, code: 'undeliverable' },
      { read },
      storeNotices(store, () => nowMs),
    );
    expect(count).to.equal(3000);
    expect(calls).to.equal(31);
    const told = await noticesFor(google);
    expect(told).to.have.length(1500);
    const positions = told.map(({ position }) => position!);
    expect(positions).to.deep.equal(positions.toSorted((a, b) => a - b));
  });

  it('encodes a notice as a whole frame', () => {
    const notice: Notice = {
      code: 'undeliverable',
      recipient: seas,
      recipientName: 'seas',
      position: 7,
      outbox: randomBytes(16),
      number: 3,
    };
    const bytes = encodeNotice(notice, 12, nowMs);
    expect(bytes.readUInt32BE(0)).to.equal(bytes.length - lengthBytes);
    const { deliver } = decodeFrame(bytes, lengthBytes);
    expect(deliver).to.deep.include({ position: 12, from: 0, number: 7, receivedAtMs: nowMs });
    expect(deliver!.undeliverable).to.deep.include({ to: seas, toName: 'seas', number: 3 });
  });
});
