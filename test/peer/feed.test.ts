import { expect } from 'chai';
import type { PeerEvent } from '../../peer/events.ts';
import { Feed } from '../../peer/feed.ts';
import { pickMessage } from '../../peer/feed-reader.ts';

function message(row: number): PeerEvent {
  const more = {
    from: 'google',
    fromAccount: 2,
    sentAtMs: 0,
    receivedAtMs: 0,
    waited: false,
    again: false,
    private: false,
  };
  return { type: 'message', message: { row, text: `message ${row}`, ...more } };
}

describe('feed', () => {
  let feed: Feed;
  let shown: number[];

  function emit(...rows: number[]): void {
    for (const row of rows) feed.emit(message(row), () => shown.push(row));
  }

  beforeEach(() => {
    feed = new Feed();
    shown = [];
  });

  it('tells listeners at once, and messages are shown then', () => {
    const heard: string[] = [];
    const stop = feed.on((event) => heard.push(event.type));
    feed.emit({ type: 'presence', name: 'google', online: true });
    emit(1);
    expect(heard).to.deep.equal(['presence', 'message']);
    expect(shown).to.deep.equal([1]);
    stop();
    emit(2);
    expect(heard).to.have.length(2);
    expect([shown, feed.waitingMessages]).to.deep.equal([[1], 1]);
  });

  describe('with an output behind it', () => {
    let asked: ((hasArrived: boolean) => void)[];

    beforeEach(() => {
      asked = [];
      feed = new Feed((done) => asked.push(done));
      feed.on(() => undefined);
    });

    const arrives = (hasArrived: boolean) => asked.shift()!(hasArrived);

    it('counts messages as shown when they have arrived, and asks once for many', async () => {
      let taken = 0;
      feed.onTaken = () => {
        taken += 1;
      };
      emit(1, 2, 3);
      expect([shown, asked.length, feed.waitingMessages]).to.deep.equal([[], 1, 3]);
      arrives(true);
      expect([shown, asked.length, feed.waitingMessages]).to.deep.equal([[1], 1, 2]);
      const before = taken;
      const settled = feed.settled();
      arrives(true);
      await settled;
      expect(shown).to.deep.equal([1, 2, 3]);
      expect(taken).to.equal(before + 1);
      expect([asked.length, feed.settled()]).to.deep.equal([0, null]);
    });

    it('does not count what is lost, nor what comes after it', async () => {
      emit(1, 2);
      const settled = feed.settled();
      arrives(false);
      await settled;
      emit(3);
      expect([shown, asked.length, feed.waitingMessages, feed.settled()]).to.deep.equal([[], 0, 3, null]);
    });

    it('does not take what comes in the next session for what arrives of the last', () => {
      emit(1, 2);
      feed.finish();
      feed.begin();
      emit(3);
      arrives(true);
      expect(shown).to.deep.equal([1]);
      arrives(true);
      expect(shown).to.deep.equal([1, 3]);
    });
  });

  it('keeps what nobody takes for whoever comes first', async () => {
    emit(1, 2);
    const heard: string[] = [];
    feed.on((event) => heard.push(event.type));
    expect(heard).to.deep.equal([]);
    await Promise.resolve();
    expect(heard).to.deep.equal(['message', 'message']);
    expect(shown).to.deep.equal([1, 2]);
  });

  it('lets a listener cause events, in order', () => {
    const heard: string[] = [];
    feed.on((event) => {
      heard.push(event.type);
      if (event.type === 'reconnected') emit(1);
    });
    feed.emit({ type: 'reconnected' });
    expect(heard).to.deep.equal(['reconnected', 'message']);
  });

  it('counts a message as shown when a reader asks for the next', async () => {
    const reader = feed.read(pickMessage);
    emit(1, 2);
    expect((await reader.next()).value).to.include({ row: 1 });
    expect(shown).to.deep.equal([]);
    expect((await reader.next()).value).to.include({ row: 2 });
    expect(shown).to.deep.equal([1]);
    const third = reader.next();
    expect(shown).to.deep.equal([1, 2]);
    emit(3);
    expect((await third).value).to.include({ row: 3 });
    expect(feed.waitingMessages).to.equal(1);
    await reader.return?.();
    expect([shown, feed.waitingMessages]).to.deep.equal([[1, 2, 3], 0]);
  });

  it('counts it when all have taken it', async () => {
    const reader = feed.read(pickMessage);
    feed.on(() => undefined);
    emit(1);
    expect(shown).to.deep.equal([]);
    await reader.next();
    void reader.next();
    expect(shown).to.deep.equal([1]);
  });

  it('gives a reader only what it picks, and does not hold the rest for it', async () => {
    const reader = feed.read(pickMessage);
    const next = reader.next();
    feed.emit({ type: 'reconnected' });
    emit(1);
    expect((await next).value).to.include({ row: 1 });
    feed.emit({ type: 'reconnected' });
    void reader.next();
    expect(shown).to.deep.equal([1]);
  });

  it('leaves what a reader did not take for the next one', async () => {
    const first = feed.read(pickMessage);
    emit(1, 2);
    await first.next();
    await first.return?.();
    expect(shown).to.deep.equal([1]);
    expect((await feed.read(pickMessage).next()).value).to.include({ row: 2 });
  });

  it('ends a reader by its signal, and what it held is not shown', async () => {
    const abort = new AbortController();
    const reader = feed.read(pickMessage, abort.signal);
    emit(1);
    await reader.next();
    const next = reader.next();
    emit(2);
    expect((await next).value).to.include({ row: 2 });
    abort.abort();
    expect((await reader.next()).done).to.equal(true);
    expect([shown, feed.waitingMessages]).to.deep.equal([[1], 1]);
    expect((await feed.read(pickMessage, AbortSignal.abort()).next()).done).to.equal(true);
  });

  it('ends readers after what there is when the session is over, and begins again', async () => {
    const reader = feed.read((event) => event);
    const other = feed.read(pickMessage);
    const waiting = other.next();
    feed.emit({ type: 'ended', code: 'displaced', text: '', unsent: 0 });
    emit(1);
    feed.finish();
    expect((await waiting).value).to.include({ row: 1 });
    expect((await other.next()).done).to.equal(true);
    expect((await reader.next()).value).to.include({ type: 'ended' });
    expect((await reader.next()).value).to.include({ type: 'message' });
    expect((await reader.next()).done).to.equal(true);
    expect((await feed.read(pickMessage).next()).done).to.equal(true);
    feed.begin();
    const again = feed.read(pickMessage).next();
    emit(2);
    expect((await again).value).to.include({ row: 2 });
  });

  it('tells a listener of the end that it caused itself', () => {
    const heard: string[] = [];
    feed.on((event) => {
      heard.push(event.type);
      if (event.type !== 'message') return;
      feed.emit({ type: 'ended', code: 'store_full', text: '', unsent: 0 });
      feed.finish();
    });
    emit(1);
    expect(heard).to.deep.equal(['message', 'ended']);
  });

  it('leaves out news that nobody takes, and says how many; never messages', async () => {
    const reader = feed.read((event) => event);
    for (let count = 0; count < 5000; count += 1) feed.emit({ type: 'presence', name: 'google', online: true });
    emit(1);
    for (let count = 0; count < 4096; count += 1) expect((await reader.next()).value).to.include({ type: 'presence' });
    expect((await reader.next()).value).to.include({ type: 'message' });
    feed.emit({ type: 'reconnected' });
    expect((await reader.next()).value).to.deep.include({
      type: 'notice',
      text: '904 events were left out: they were not taken in time.',
    });
    expect((await reader.next()).value).to.include({ type: 'reconnected' });
  });

  it('says when there is room again', async () => {
    let taken = 0;
    feed.onTaken = () => {
      taken += 1;
    };
    const reader = feed.read(pickMessage);
    emit(1);
    await reader.next();
    expect(taken).to.equal(0);
    void reader.next();
    expect(taken).to.equal(1);
  });
});
