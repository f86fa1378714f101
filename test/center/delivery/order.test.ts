import { expect } from 'chai';
import { type Store, StoreError } from '../../../center/store/store.ts';
import { Reader, Sender, seeded } from '../../helpers/correspondents.ts';
import { overriding, Room } from '../../helpers/room.ts';
import type { WirePeer } from '../../helpers/wire.ts';

// Whatever happens to connections, store and center: what was sent is in the history once, in order.
describe('delivery, whatever happens,', () => {
  const senders = 3;
  const readers = 2;

  interface Script {
    seed: number;
    steps: number;
    /** Of 1000 appends so many fail. */
    failures: number;
    /** Connections come and go. */
    disconnects: boolean;
  }

  class Play {
    readonly #random: (below: number) => number;
    readonly #script: Script;
    #failures = 0;
    room!: Room;
    senders: Sender[] = [];
    readers: Reader[] = [];

    constructor(script: Script) {
      this.#script = script;
      this.#random = seeded(script.seed);
    }

    async open(): Promise<void> {
      const pick = this.#random;
      this.room = await Room.open({
        limits: {
          windowMessages: 1 + pick(12),
          windowBytes: 100 + pick(3000),
          maxUnresolvedMessages: 20 + pick(100),
          mailboxMessages: 400,
          mailboxSenderShare: 1,
        },
        wrap: (store) => this.#wrap(store),
      });
      for (let index = 0; index < senders; index++)
        this.senders.push(new Sender(await this.room.join(`sender${index}`)));
      for (let index = 0; index < readers; index++)
        this.readers.push(new Reader(await this.room.join(`reader${index}`)));
      this.#failures = this.#script.failures;
    }

    /** Answers come late, in their order, and now and then an append fails. */
    #wrap(store: Store): Store {
      const random = seeded(this.#script.seed + 1);
      let last: Promise<unknown> = Promise.resolve();
      const later = <Result>(asked: Promise<Result>): Promise<Result> => {
        const turns = random(4);
        const before = last;
        const answer = asked.finally(async () => {
          await before;
          for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        });
        last = answer.catch(() => undefined);
        return answer;
      };
      return overriding(store, (store) => ({
        append: (...asked) => {
          if (random(1000) >= this.#failures) return later(store.append(...asked));
          return later(Promise.reject(new StoreError(random(2) ? 'full' : 'failed', 'a test')));
        },
        read: (...asked) => later(store.read(...asked)),
        advance: (...asked) => later(store.advance(...asked)),
        saveMarks: (...asked) => later(store.saveMarks(...asked)),
      }));
    }

    async step(): Promise<void> {
      const pick = this.#random;
      const sender = this.senders[pick(senders)]!;
      const reader = this.readers[pick(readers)]!;
      const { disconnects } = this.#script;
      const what = pick(disconnects ? 100 : 84);
      if (what < 40)
        for (let count = 1 + pick(8); count > 0; count--) sender.send(this.readers[pick(readers)]!.peer.account);
      else if (what < 70) {
        reader.listen();
        reader.acknowledge(1 + pick(10));
      } else if (what < 76) {
        sender.listen();
        sender.retry();
      } else if (what < 80) reader.peer.send({ request: 1, hold: { on: pick(3) === 0 } });
      else if (what < 82) reader.peer.send({ request: 1, fetch: { limit: pick(5) } });
      else if (what < 84) await new Promise(setImmediate);
      else if (what < 86) this.#leave(reader);
      else if (what < 91) await this.#reconnect(reader);
      else if (what < 98) await this.#resend(sender);
      else await this.restart();
      if (pick(3) === 0) await new Promise(setImmediate);
      sender.listen();
      reader.listen();
    }

    /** Until it connects anew; its mailbox may leave memory, and be wanted again at once. */
    #leave(reader: Reader): void {
      reader.listen();
      reader.peer.destroy();
      void this.room.services.mail.whileAway(reader.peer.account, async () => {
        for (let turn = this.#random(3); turn > 0; turn--) await new Promise(setImmediate);
      });
    }

    async #again(before: WirePeer): Promise<WirePeer> {
      const how = this.#random(3);
      if (how === 0) before.destroy();
      const peer = how === 2 ? await this.room.login(this.#nameOf(before)) : await this.room.resume(before);
      peer.outbox = before.outbox;
      return peer;
    }

    #nameOf(peer: WirePeer): string {
      const index = this.senders.findIndex((one) => one.peer === peer);
      return index >= 0 ? `sender${index}` : `reader${this.readers.findIndex((one) => one.peer === peer)}`;
    }

    async #reconnect(reader: Reader, hold = this.#random(4) === 0): Promise<void> {
      reader.listen();
      const peer = await this.#again(reader.peer);
      reader.continueOn(peer);
      await peer.attach({ hold });
    }

    async #resend(sender: Sender): Promise<void> {
      sender.listen();
      const peer = await this.#again(sender.peer);
      await peer.attach();
      sender.continueOn(peer);
      sender.listen();
    }

    async restart(): Promise<void> {
      for (const one of [...this.senders, ...this.readers]) one.listen();
      await this.room.restart();
      for (const reader of this.readers) await this.#reconnect(reader);
      for (const sender of this.senders) await this.#resend(sender);
    }

    /** Nothing happens any more but that all comes to its end. */
    async finish(): Promise<void> {
      this.#failures = 0;
      if (this.#script.disconnects) {
        for (const reader of this.readers) await this.#reconnect(reader, false);
        for (const sender of this.senders) await this.#resend(sender);
      }
      for (const reader of this.readers) reader.peer.send({ request: 1, hold: { on: false } });
      const endMs = performance.now() + 30_000;
      const isDone = (): boolean =>
        this.senders.every(({ outbox }) => outbox.length === 0) &&
        this.readers.every(({ peer }) => (this.room.services.mail.mailbox(peer.account)?.count ?? 0) === 0);
      while (!isDone()) {
        if (performance.now() > endMs) throw new Error(`it does not come to an end: ${this.#state()}`);
        for (const reader of this.readers) {
          reader.listen();
          reader.acknowledge(1000);
        }
        for (const sender of this.senders) {
          sender.listen();
          if (sender.outbox.some(({ refused }) => refused)) sender.retry();
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }

    #state(): string {
      return JSON.stringify({
        outboxes: this.senders.map(({ outbox }) => outbox.slice(0, 3)),
        mailboxes: this.readers.map(({ peer }) => this.room.services.mail.mailbox(peer.account)?.count),
      });
    }

    check(): void {
      for (const sender of this.senders) {
        for (const reader of this.readers) {
          const history = reader.history.get(sender.peer.account) ?? [];
          expect(history).to.deep.equal(sender.sent.get(reader.peer.account) ?? []);
        }
      }
    }

    /** All counts are back where they began. */
    async checkCounts(): Promise<void> {
      const { mail, store } = this.room.services;
      for (const { peer } of this.readers) {
        const mailbox = mail.mailbox(peer.account)!;
        await mail.settle(mailbox);
        expect([mailbox.count, mailbox.contents.bytes]).to.deep.equal([0, 0]);
        for (const sender of this.senders) {
          expect(mailbox.contents.usage(sender.peer.account)).to.deep.equal({ count: 0, bytes: 0 });
        }
        while (!mailbox.isSaved) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      // At a start, a run of which a part is acknowledged counts as a whole.
      if (this.#script.disconnects) await mail.recount();
      expect(mail.storedBytes).to.equal(0);
      expect(await store.totalBytes()).to.equal(0);
      for (const { peer } of this.senders) {
        const outbox = await mail.openOutbox(peer.account, 'x', peer.outbox, mail.mailbox(peer.account)!);
        expect([outbox.unresolvedMessages, outbox.unresolvedBytes, outbox.inWindow]).to.deep.equal([0, 0, 0]);
      }
    }
  }

  async function perform(script: Script): Promise<Play> {
    const play = new Play(script);
    await play.open();
    try {
      for (let step = 0; step < script.steps; step++) await play.step();
      await play.finish();
      play.check();
      await play.checkCounts();
      return play;
    } catch (error) {
      throw new Error(`seed ${script.seed}: ${error}`, { cause: error });
    } finally {
      await play.room.close();
    }
  }

  const firstSeed = 1;

  it('keeps order while recipients are slow, hold and fetch, and nothing comes twice', async function () {
    this.timeout(60_000);
    for (let seed = firstSeed; seed < firstSeed + 4; seed++) {
      const play = await perform({ seed, steps: 400, failures: 0, disconnects: false });
      expect(play.readers.map(({ repeats }) => repeats)).to.deep.equal([0, 0]);
    }
  });

  it('keeps order while the store fails', async function () {
    this.timeout(60_000);
    for (let seed = firstSeed; seed < firstSeed + 2; seed++) {
      await perform({ seed, steps: 300, failures: 100, disconnects: false });
    }
  });

  it('keeps order while connections and the center go and come', async function () {
    this.timeout(60_000);
    for (let seed = firstSeed; seed < firstSeed + 2; seed++) {
      await perform({ seed, steps: 250, failures: 0, disconnects: true });
    }
  });

  it('keeps order while all of it happens', async function () {
    this.timeout(60_000);
    for (let seed = firstSeed; seed < firstSeed + 2; seed++) {
      await perform({ seed, steps: 250, failures: 50, disconnects: true });
    }
  });
});
