import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import type { Connection } from '../../peer/connection.ts';
import type { PeerEvent } from '../../peer/events.ts';
import { Outbox } from '../../peer/outbox.ts';
import { Outgoing } from '../../peer/outgoing.ts';
import { Store } from '../../peer/store.ts';
import { ParleyError } from '../../shared/errors.ts';
import type { parley } from '../../shared/protocol.js';
import { codeOf } from '../helpers/peers.ts';
import { ScriptedCenter } from '../helpers/scripted-center.ts';

const google = 2 ** 40;
const lycos = 2 ** 41;

describe('the outbox', () => {
  let center: ScriptedCenter;
  let connection: Connection;
  let store: Store;
  let outbox: Outbox;
  let events: PeerEvent[];

  beforeEach(async () => {
    await connect();
    store = new Store(null, (error) => {
      throw error;
    });
    events = [];
    outbox = new Outbox(store, new Outgoing(store), (event) => events.push(event));
  });

  afterEach(() => {
    outbox.detach();
    store.close();
    center.stream.destroy();
  });

  async function connect(limits: parley.Limits.$Properties = {}): Promise<void> {
    ({ center, connection } = await ScriptedCenter.connected({ limits: { heartbeatMs: 60_000, ...limits } }));
    connection.handle({
      onFrame: (frame) => {
        if (frame.accepted) outbox.accepted(frame.accepted.to!, frame.accepted.number!);
        if (frame.stored) outbox.stored(frame.stored.to!, frame.stored.number!);
        if (frame.refused) outbox.refused(frame.refused as parley.Refused);
      },
      onClose: () => undefined,
    });
  }

  /** Puts messages in, to google or lycos by their first letter. */
  function write(...texts: string[]): void {
    for (const text of texts) {
      outbox.add(text.startsWith('g') ? 'google' : 'lycos', text, 'accepted').catch(() => undefined);
    }
  }

  async function lookups(): Promise<void> {
    await center.answers('lookup', { accountEntry: { account: google, name: 'google' } });
  }

  /** The texts that come until this one. */
  async function seesUpTo(text: string): Promise<string[]> {
    const texts: string[] = [];
    do texts.push((await center.sees('message')).message!.body!);
    while (texts.at(-1) !== text);
    return texts;
  }

  async function fence(): Promise<void> {
    const asked = connection.request({ heartbeat: {} });
    await center.answers('heartbeat', { done: {} });
    await asked;
    store.commit();
  }

  function unread(): string[] {
    return center.received.flatMap(({ message }) => (message ? [message.body!] : []));
  }

  function refuse(number: number, code: string, retryAfterMs = 0): parley.Frame.$Properties {
    return { refused: { to: google, number, error: { code, text: `${code}!`, retryAfterMs } } };
  }

  it('asks once for a name, then sends in order what was written to it', async () => {
    outbox.attach(connection);
    write('g1', 'g2');
    await lookups();
    write('g3');
    expect(await seesUpTo('g3')).to.deep.equal(['g1', 'g2', 'g3']);
    expect(center.received).to.deep.equal([]);
  });

  it('sends nothing before it is durable', async () => {
    outbox.attach(connection);
    write('g1');
    await lookups();
    await seesUpTo('g1');
    write('g2');
    await Promise.resolve();
    expect(unread()).to.deep.equal([]);
    store.commit();
    expect(await seesUpTo('g2')).to.deep.equal(['g2']);
  });

  it('never lets a number overtake a lower one to the same recipient', async () => {
    write('g1', 'g2');
    store.commit();
    outbox.attach(connection);
    write('g3');
    await lookups();
    write('g4');
    const numbers: number[] = [];
    while (numbers.length < 4) numbers.push((await center.sees('message')).message!.number!);
    expect(numbers).to.deep.equal([1, 2, 3, 4]);
  });

  it('sends again what is unanswered over the next connection, from the oldest', async () => {
    outbox.attach(connection);
    write('g1', 'g2', 'g3');
    await lookups();
    await seesUpTo('g3');
    center.says({ accepted: { to: google, number: 1 } });
    await fence();
    outbox.detach();
    write('g4');
    store.commit();
    await connect();
    outbox.attach(connection);
    await lookups().catch(() => undefined);
    expect(await seesUpTo('g4')).to.deep.equal(['g2', 'g3', 'g4']);
  });

  it('takes receipts for all up to their number', async () => {
    outbox.attach(connection);
    write('g1', 'g2', 'g3');
    await lookups();
    await seesUpTo('g3');
    center.says({ accepted: { to: google, number: 2 } }, { stored: { to: google, number: 3 } });
    await fence();
    expect(events.map((event) => 'message' in event && `${event.type} ${event.message.text}`)).to.deep.equal([
      ...['accepted g1', 'accepted g2', 'accepted g3'],
      ...['stored g1', 'stored g2', 'stored g3'],
    ]);
    expect(outbox.size).to.equal(0);
  });

  it('withdraws what was refused for good, and sends the later ones again after that', async () => {
    outbox.attach(connection);
    write('g1', 'g2', 'g3');
    await lookups();
    await seesUpTo('g3');
    center.says(refuse(1, 'blocked'), refuse(2, 'earlier_refused'), refuse(3, 'earlier_refused'));
    const { request, withdraw } = await center.sees('withdraw');
    expect(withdraw).to.include({ to: google, number: 1 });
    expect(events.map(({ type }) => type)).to.deep.equal(['failed']);
    write('g4');
    await fence();
    expect(unread()).to.deep.equal([]);
    center.says({ request, done: {} });
    expect(await seesUpTo('g4')).to.deep.equal(['g2', 'g3', 'g4']);
  });

  it('withdraws what was refused for good to many, and leaves room for other requests', async () => {
    const many = 300;
    outbox.attach(connection);
    for (let index = 0; index < many; index += 1) {
      outbox.add(`name${index}`, 'hello', 'accepted').catch(() => undefined);
      await center.answers('lookup', { accountEntry: { account: 1000 + index, name: `name${index}` } });
    }
    const refusals: parley.Frame.$Properties[] = [];
    while (refusals.length < many) {
      const { to, number } = (await center.sees('message')).message!;
      refusals.push({ refused: { to: to!, number: number!, error: { code: 'blocked', text: 'blocked!' } } });
    }
    center.says(...refusals);
    // The first lets them go, the second lets them arrive.
    await fence();
    await fence();
    expect(center.received).to.have.length(64);
    const withdrawn = new Set<number>();
    while (withdrawn.size < many) withdrawn.add((await center.answers('withdraw', { done: {} })).withdraw!.to!);
    await fence();
    expect(center.received).to.deep.equal([]);
  });

  it('ends a cancel that waits for its turn with the connection', async () => {
    outbox.attach(connection);
    write(...Array.from({ length: 65 }, (_, index) => `g${index}`));
    await lookups();
    await seesUpTo('g64');
    const cancelled = Array.from({ length: 65 }, (_, index) => codeOf(outbox.cancel(index + 1)));
    await center.sees('withdraw');
    connection.close(new ParleyError('disconnected', 'The connection was closed.'));
    outbox.detach();
    expect(new Set(await Promise.all(cancelled))).to.deep.equal(new Set(['disconnected']));
  });

  it('holds later ones to the same recipient only', async () => {
    outbox.attach(connection);
    write('g1');
    await lookups();
    await seesUpTo('g1');
    center.says(refuse(1, 'mailbox_full'));
    await fence();
    write('g2', 'l1');
    await center.answers('lookup', { accountEntry: { account: lycos, name: 'lycos' } });
    expect(await seesUpTo('l1')).to.deep.equal(['l1']);
    expect(events).to.have.length(1);
    expect(events[0]).to.deep.include({ type: 'delayed', code: 'mailbox_full', retryAfterMs: 5000 });
  });

  it('fails everything to a name that nobody has', async () => {
    outbox.attach(connection);
    const sent = [outbox.add('nobody', 'one', 'accepted'), outbox.add('Nobody', 'two', 'accepted')].map(codeOf);
    await center.answers('lookup', { error: { code: 'unknown_account', text: 'no account' } });
    expect(await Promise.all(sent)).to.deep.equal(['unknown_account', 'unknown_account']);
    expect(outbox.size).to.equal(0);
  });

  it('says of no message that it is tried again because its connection was closed', async () => {
    outbox.attach(connection);
    write('g1');
    await center.sees('lookup');
    connection.close(new ParleyError('logged_out', 'Logged out.'));
    store.commit();
    expect(events).to.deep.equal([]);
    outbox.detach();
    await connect();
    outbox.attach(connection);
    await lookups();
    expect(await seesUpTo('g1')).to.deep.equal(['g1']);
  });

  it('stays within what may be unresolved', async () => {
    await connect({ maxUnresolvedMessages: 2 });
    outbox.attach(connection);
    write('g1', 'g2', 'g3', 'g4');
    await lookups();
    await seesUpTo('g2');
    await fence();
    expect(unread()).to.deep.equal([]);
    center.says({ accepted: { to: google, number: 1 } });
    expect(await seesUpTo('g3')).to.deep.equal(['g3']);
    await fence();
    expect(unread()).to.deep.equal([]);
  });

  it('stays within the bytes that may be unresolved, but sends one', async () => {
    await connect({ maxUnresolvedBytes: 100 });
    outbox.attach(connection);
    const long = `g${'x'.repeat(500)}`;
    write(long, 'g2');
    await lookups();
    await seesUpTo(long);
    await fence();
    expect(unread()).to.deep.equal([]);
    center.says({ accepted: { to: google, number: 1 } });
    await seesUpTo('g2');
  });

  it('lets each recipient have a turn', async () => {
    await connect({ maxUnresolvedMessages: 1 });
    outbox.attach(connection);
    write('g1', 'g2', 'g3', 'l4', 'l5');
    for (const account of [google, lycos]) {
      await center.answers('lookup', { accountEntry: { account, name: account === google ? 'google' : 'lycos' } });
    }
    const order: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      const { to, number, body } = (await center.sees('message')).message!;
      order.push(body!);
      center.says({ accepted: { to: to!, number: number! } });
    }
    expect(order).to.deep.equal(['g1', 'g2', 'l4', 'g3', 'l5']);
  });

  it('fails what was accepted and turns out undeliverable', async () => {
    const outgoing = new Outgoing(store);
    outbox = new Outbox(store, outgoing, (event) => events.push(event));
    outbox.attach(connection);
    const stored = codeOf(outbox.add('google', 'g1', 'stored'));
    write('g2');
    await lookups();
    await seesUpTo('g2');
    center.says({ accepted: { to: google, number: 2 } });
    await fence();
    const notice = { to: google, toName: 'google', outbox: outgoing.outboxId, number: 1, code: 'expired' };
    expect(outbox.undeliverable(notice)).to.equal(true);
    expect(await stored).to.equal('expired');
    expect(events.at(-1)).to.deep.include({ type: 'failed', code: 'expired' });
    expect(outbox.undeliverable(notice)).to.equal(false);
    center.says({ stored: { to: google, number: 2 } });
    await fence();
    expect(outgoing.message(1)).to.include({ state: 'failed', reason: 'it waited too long for its recipient' });
    expect(outgoing.message(2)).to.include({ state: 'stored' });
  });

  it('gives up waiting by a signal, and the message stays', async () => {
    const abort = new AbortController();
    const sent = codeOf(outbox.add('google', 'g1', 'accepted', abort.signal));
    abort.abort();
    expect(await sent).to.equal('cancelled');
    expect(outbox.size).to.equal(1);
  });

  for (const sent of [false, true]) {
    it(`ends a cancel whose commit fails, of a message that was ${sent ? '' : 'not '}sent`, async () => {
      const full = new ParleyError('store_full', 'The disk is full.');
      let isFull = false;
      store = new Store(null, (error) => outbox.giveUp(error));
      store.beforeCommit(() => {
        if (isFull) throw full;
      });
      outbox = new Outbox(store, new Outgoing(store), () => undefined);
      if (sent) outbox.attach(connection);
      await outbox.add('google', 'g1', 'outbox');
      if (sent) {
        await lookups();
        await seesUpTo('g1');
      }
      isFull = true;
      const cancelled = codeOf(outbox.cancel(1));
      if (sent) await center.answers('withdraw', { done: {} });
      expect(await cancelled).to.equal('store_full');
    });
  }

  describe('as time goes by', () => {
    let clock: SinonFakeTimers;

    beforeEach(() => {
      clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    });

    afterEach(() => clock.restore());

    it('tries again what was refused for now, alone, later and later', async () => {
      outbox.attach(connection);
      write('g1', 'g2', 'g3');
      await lookups();
      await seesUpTo('g3');
      center.says(refuse(1, 'mailbox_full'), refuse(2, 'earlier_refused'), refuse(3, 'earlier_refused'));
      for (const waitMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
        await fence();
        clock.tick(waitMs - 1);
        await fence();
        expect(unread()).to.deep.equal([]);
        clock.tick(2);
        expect(await seesUpTo('g1')).to.deep.equal(['g1']);
        center.says(refuse(1, 'mailbox_full'));
      }
      await fence();
      clock.tick(60_001);
      await seesUpTo('g1');
      await fence();
      expect(unread()).to.deep.equal([]);
      center.says({ accepted: { to: google, number: 1 } });
      expect(await seesUpTo('g3')).to.deep.equal(['g2', 'g3']);
      // Told once, not at each try.
      expect(events.filter(({ type }) => type === 'delayed')).to.have.length(1);
    });

    it('waits as long as the center asks for', async () => {
      outbox.attach(connection);
      write('g1');
      await lookups();
      await seesUpTo('g1');
      center.says(refuse(1, 'rate_limited', 30_000));
      await fence();
      clock.tick(29_999);
      await fence();
      expect(unread()).to.deep.equal([]);
      clock.tick(2);
      await seesUpTo('g1');
    });

    it('waits as long as the center asks for also where that is longer than a timer can be', async () => {
      const longMs = 2 ** 31 + 1000;
      outbox.attach(connection);
      write('g1');
      await lookups();
      await seesUpTo('g1');
      center.says(refuse(1, 'rate_limited', longMs));
      await fence();
      // Each has a number of its own: none has come and begun anew.
      const timers = (): number[] => [...(clock as unknown as { timers: Map<number, unknown> }).timers.keys()];
      const before = timers();
      expect(before).not.to.deep.equal([]);
      clock.tick(100);
      expect(timers()).to.deep.equal(before);
      clock.tick(longMs - 101);
      await fence();
      expect(unread()).to.deep.equal([]);
      clock.tick(2);
      await seesUpTo('g1');
    });

    it('looks no name up again at once because the center asked to wait very long', async () => {
      outbox.attach(connection);
      write('g1');
      await center.answers('lookup', { error: { code: 'busy', text: 'busy', retryAfterMs: 2 ** 31 } });
      await fence();
      clock.tick(60_000);
      await fence();
      expect(center.received).to.deep.equal([]);
    });

    it('withdraws again what the center was too busy for, before later ones go', async () => {
      outbox.attach(connection);
      write('g1', 'g2');
      await lookups();
      await seesUpTo('g2');
      center.says(refuse(1, 'blocked'), refuse(2, 'earlier_refused'));
      await center.answers('withdraw', { error: { code: 'busy', text: 'busy' } });
      await fence();
      expect(center.received).to.deep.equal([]);
      clock.tick(5_001);
      expect((await center.answers('withdraw', { done: {} })).withdraw).to.include({ to: google, number: 1 });
      await seesUpTo('g2');
    });

    it('keeps to the pace that the center told', async () => {
      await connect({ messagesPerSecond: 10, messageBurst: 3 });
      outbox.attach(connection);
      write('g1', 'g2', 'g3', 'g4', 'g5');
      await lookups();
      await seesUpTo('g3');
      await fence();
      expect(unread()).to.deep.equal([]);
      clock.tick(101);
      expect(await seesUpTo('g4')).to.deep.equal(['g4']);
      await fence();
      expect(unread()).to.deep.equal([]);
      clock.tick(101);
      await seesUpTo('g5');
    });

    it('looks a name up again later when the center is busy', async () => {
      outbox.attach(connection);
      write('g1');
      await center.answers('lookup', { error: { code: 'busy', text: 'busy' } });
      await fence();
      clock.tick(5_001);
      await lookups();
      await seesUpTo('g1');
    });
  });
});
