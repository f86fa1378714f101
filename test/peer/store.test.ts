import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname as dirOf, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Incoming } from '../../peer/incoming.ts';
import { Outgoing } from '../../peer/outgoing.ts';
import { Store } from '../../peer/store.ts';
import { ParleyError } from '../../shared/errors.ts';

const outbox = Buffer.alloc(16, 7);

describe('the store of a peer', () => {
  let path: string;
  let file: string;
  let store: Store;
  let outgoing: Outgoing;
  let incoming: Incoming;
  let failures: ParleyError[];

  function open(where: string | null = file): void {
    store = new Store(where, (error) => failures.push(error));
    outgoing = new Outgoing(store);
    incoming = new Incoming(store);
  }

  /** As after a crash: only what was committed is there. */
  function crash(): void {
    copyFileSync(file, join(path, 'crashed.db'));
    copyFileSync(`${file}-wal`, join(path, 'crashed.db-wal'));
    store.close();
    open(join(path, 'crashed.db'));
  }

  function arrives(number: number, text = `message ${number}`, from = outbox): number | null {
    return incoming.add({
      account: 2,
      name: 'google',
      outbox: from,
      number,
      text,
      sentAtMs: 10,
      receivedAtMs: 20,
      private: false,
    });
  }

  function sends(text: string, written = true): ReturnType<Outgoing['add']> {
    return outgoing.add({ name: 'google', account: 2 }, text, 5, written);
  }

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'parley-store-'));
    file = join(path, 'history.db');
    failures = [];
    open();
  });

  afterEach(() => {
    store.close();
    rmSync(path, { recursive: true });
  });

  describe('commits', () => {
    it('once for all that was written in a turn, at its end', async () => {
      arrives(1);
      arrives(2);
      const events: string[] = [];
      store.afterCommit(() => events.push('committed'));
      store.afterCommit(() => store.afterCommit(() => events.push('last')));
      store.afterCommit(() => events.push('after it'));
      expect(events).to.deep.equal([]);
      await nextTurn();
      expect(events).to.deep.equal(['committed', 'after it', 'last']);
      crash();
      expect(incoming.history()).to.have.length(2);
    });

    it('in the midst of what waited for a commit, and keeps the order', async () => {
      const events: string[] = [];
      arrives(1);
      store.afterCommit(() => {
        arrives(2);
        store.afterCommit(() => events.push('third'));
        store.commit();
      });
      store.afterCommit(() => events.push('second'));
      await nextTurn();
      expect(events).to.deep.equal(['second', 'third']);
      expect(incoming.history()).to.have.length(2);
    });

    it('at once where nothing urgent was written', () => {
      let ran = false;
      outgoing.store(2, 1);
      store.afterCommit(() => {
        ran = true;
      });
      expect(ran).to.equal(true);
    });

    it('what nobody waits for a little later', async () => {
      arrives(1);
      await nextTurn();
      incoming.shown(1);
      store.commit();
      crash();
      expect(incoming.unshown(10)).to.deep.equal([]);
    });

    it('nothing of a turn in which a write fails, and closes', async () => {
      arrives(1);
      await nextTurn();
      arrives(2);
      expect(() => store.write('now', () => store.prepare('INSERT INTO outbox VALUES (1, 1, 1)').run()))
        .to.throw()
        .with.property('code', 'bad_data');
      expect(failures.map(({ code }) => code)).to.deep.equal(['bad_data']);
      expect(() => arrives(3)).to.throw('closed');
      store.close();
      open();
      expect(incoming.history().map(({ text }) => text)).to.deep.equal(['message 1']);
    });

    it('nothing where the disk is full', async () => {
      const pages = Number(store.prepare('PRAGMA page_count').get()?.page_count);
      store.prepare(`PRAGMA max_page_count = ${pages + 2}`).get();
      expect(() => arrives(1, 'x'.repeat(100_000)))
        .to.throw('full')
        .with.property('code', 'store_full');
      expect(failures).to.have.length(1);
    });
  });

  describe('of others', () => {
    it('takes each message once, by the mark of its outbox', async () => {
      expect([arrives(1), arrives(3)]).to.deep.equal([1, 2]);
      expect([arrives(3), arrives(2), arrives(1)]).to.deep.equal([null, null, null]);
      expect(arrives(1, 'another outbox', Buffer.alloc(16, 8))).to.equal(3);
      await nextTurn();
      crash();
      expect([arrives(3), arrives(4)]).to.deep.equal([null, 4]);
    });

    it('moves mark and row in one commit', async () => {
      arrives(1);
      await nextTurn();
      arrives(2);
      crash();
      // The second was not committed, so it is not a repeat.
      expect([arrives(1), arrives(2)]).to.deep.equal([null, 2]);
    });

    it('remembers marks that it does not have at hand', async () => {
      for (let one = 0; one < 10_050; one += 1) {
        const from = Buffer.alloc(16);
        from.writeUInt32BE(one);
        arrives(1, 'x', from);
      }
      await nextTurn();
      arrives(1, 'x', Buffer.alloc(16, 9));
      await nextTurn();
      expect(arrives(1, 'x', Buffer.alloc(16))).to.equal(null);
    });

    it('does not take for shown what was filed before and is shown later', () => {
      for (const number of [1, 2, 3]) arrives(number);
      // A private message is shown at once; what the center brought in the same turn, after the commit.
      incoming.shown(3);
      store.commit();
      expect(incoming.unshown(10).map(({ row }) => row)).to.deep.equal([1, 2, 3]);
      incoming.shown(1);
      incoming.shown(2);
      store.commit();
      expect(incoming.unshown(10)).to.deep.equal([]);
    });

    it('knows what was not shown', () => {
      for (let number = 1; number <= 4; number += 1) arrives(number);
      incoming.shown(1);
      incoming.shown(2);
      store.commit();
      expect(incoming.unshown(10).map(({ row }) => row)).to.deep.equal([3, 4]);
      expect(incoming.unshown(1).map(({ row }) => row)).to.deep.equal([4]);
      expect(incoming.unshown(10)[0]).to.deep.include({
        account: 2,
        name: 'google',
        text: 'message 3',
        receivedAtMs: 20,
      });
    });

    it('shows the history, newest last, in parts and of one account', () => {
      arrives(1);
      sends('two');
      incoming.add({
        account: 3,
        name: 'lycos',
        outbox,
        number: 1,
        text: 'three',
        sentAtMs: 1,
        receivedAtMs: 2,
        private: false,
      });
      arrives(4);
      expect(incoming.history().map(({ row }) => row)).to.deep.equal([1, 2, 3, 4]);
      expect(incoming.history({ limit: 2 }).map(({ row }) => row)).to.deep.equal([3, 4]);
      expect(incoming.history({ limit: 2, before: 3 }).map(({ row }) => row)).to.deep.equal([1, 2]);
      expect(incoming.history({ with: 'GOOGLE' })).to.deep.equal([
        {
          row: 1,
          with: 'google',
          direction: 'in',
          text: 'message 1',
          atMs: 20,
          state: null,
          reason: '',
          private: false,
        },
        {
          row: 2,
          with: 'google',
          direction: 'out',
          text: 'two',
          atMs: 5,
          state: 'pending',
          reason: '',
          private: false,
        },
        {
          row: 4,
          with: 'google',
          direction: 'in',
          text: 'message 4',
          atMs: 20,
          state: null,
          reason: '',
          private: false,
        },
      ]);
    });

    it('keeps any text whole', () => {
      arrives(1, 'a\0b\n☃𝄞');
      store.commit();
      expect(incoming.history()[0]!.text).to.equal('a\0b\n☃𝄞');
      expect(sends('a\0b').pending.bytes).to.equal(3);
    });
  });

  describe("of one's own", () => {
    it('gives numbers and ids that only rise', () => {
      expect([sends('one').pending.number, sends('two').pending.number]).to.deep.equal([1, 2]);
      outgoing.fail(2, 'cancelled');
      store.close();
      open();
      expect(incoming.history().map(({ state, reason }) => [state, reason])).to.deep.equal([
        ['pending', ''],
        ['failed', 'cancelled'],
      ]);
      expect(sends('three').pending).to.include({ id: 3, number: 3 });
    });

    it('keeps what is pending, with what the pump needs', () => {
      sends('on its way ☃');
      outgoing.add({ name: 'Lycos', account: null }, 'to whom?', 6, false);
      store.close();
      open();
      const [one, two] = outgoing.allPending();
      expect(one).to.deep.equal({ id: 1, number: 1, name: 'google', account: 2, bytes: 14, text: null, written: true });
      expect(two).to.deep.include({ name: 'Lycos', account: null, written: false });
      expect(outgoing.textOf(one!)).to.equal('on its way ☃');
      outgoing.setRecipient(two!, 9, 'lycos');
      outgoing.markWritten([two!]);
      store.close();
      open();
      expect(outgoing.allPending()[1]).to.deep.include({ name: 'lycos', account: 9, written: true });
    });

    it('follows a message to its end', () => {
      const { pending } = sends('one');
      expect(outgoing.setReason(pending, 'the mailbox is full')).to.include({ state: 'pending' });
      expect(outgoing.outbox()[0]).to.deep.include({ to: 'google', reason: 'the mailbox is full', createdAtMs: 5 });
      expect(outgoing.store(2, 1)).to.deep.equal([]);
      expect(outgoing.accept(pending)).to.include({ state: 'accepted', reason: '' });
      expect(outgoing.outbox()).to.deep.equal([]);
      expect(outgoing.store(2, 1).map(({ id, state }) => [id, state])).to.deep.equal([[1, 'stored']]);
      expect(outgoing.store(2, 1)).to.deep.equal([]);
      expect(outgoing.message(1)).to.include({ state: 'stored' });
    });

    it('tells stored of those up to the number, of this account, that did not fail', () => {
      for (const text of ['one', 'two', 'three']) outgoing.accept(sends(text).pending);
      outgoing.accept(outgoing.add({ name: 'lycos', account: 3 }, 'four', 5, true).pending);
      outgoing.fail(2, 'undeliverable');
      expect(outgoing.store(2, 4).map(({ id }) => id)).to.deep.equal([1, 3]);
      expect(outgoing.find(outgoing.outboxId, 2)).to.equal(null);
      expect(outgoing.find(outgoing.outboxId, 4)).to.equal(4);
      expect(outgoing.find(Buffer.alloc(16), 4)).to.equal(null);
    });

    it('begins a new outbox for what is pending', () => {
      const before = outgoing.outboxId;
      outgoing.accept(sends('one').pending);
      const all = [sends('two').pending, sends('three').pending];
      expect([outgoing.isOlderThan(3), outgoing.isOlderThan(4)]).to.deep.equal([false, true]);
      outgoing.renew(all);
      store.close();
      open();
      expect(outgoing.outboxId).not.to.deep.equal(before);
      expect(outgoing.allPending().map(({ number, written }) => [number, written])).to.deep.equal([
        [1, false],
        [2, false],
      ]);
      expect(sends('four').pending).to.include({ id: 4, number: 3 });
      // What was accepted under the old one is not known by the new one's numbers.
      expect(outgoing.store(2, 1)).to.deep.equal([]);
    });
  });

  describe('as a file', () => {
    it('is refused when it is from a newer version, with what to do', () => {
      store.close();
      const db = new DatabaseSync(file);
      db.exec('PRAGMA user_version = 99');
      db.close();
      expect(() => open())
        .to.throw(/newer version.*99/)
        .with.property('code', 'bad_data');
      open(null);
    });

    it('is refused when it is no history', () => {
      store.close();
      writeFileSync(file, 'not a database at all, but long enough to be read as one'.repeat(20));
      expect(() => open())
        .to.throw(file)
        .with.property('code', 'bad_data');
      expect(() => new Store(file, () => undefined)).to.throw('not a database. Move it away to begin a new one.');
      open(null);
    });

    it('ends with words wherever damage is met, says which file, and leaves it as it is', () => {
      for (let number = 1; number <= 400; number++) {
        arrives(number, `message ${number} ${'x'.repeat(200)}`, Buffer.alloc(16, number % 50));
        sends(`answer ${number}`);
      }
      store.commit();
      store.close();
      const whole = readFileSync(file);
      const pageBytes = whole.readUInt16BE(16);
      let met = 0;
      for (let page = 1; page * pageBytes < whole.length; page++) {
        const spoiled = Buffer.from(whole);
        // What says which kind of page it is.
        spoiled[page * pageBytes] = 0xff;
        const path = join(dirOf(file), `page-${page}.db`);
        writeFileSync(path, spoiled);
        failures = [];
        try {
          open(path);
          for (let before = 800; before > 0; before -= 50) incoming.history({ before });
          incoming.history({ with: 'google' });
          incoming.unshown(1000);
          outgoing.outbox();
          arrives(1000);
          sends('more');
          store.commit();
        } catch (error) {
          met += 1;
          expect(error, `page ${page}`).to.be.instanceOf(ParleyError).with.property('code', 'bad_data');
          expect((error as Error).message)
            .to.include(`The history ${path} is damaged (`)
            .and.include('Move it away');
          if (failures.length > 0) expect(failures).to.deep.equal([error]);
          expect(readFileSync(path).equals(spoiled), `page ${page}`).to.equal(true);
        } finally {
          store.close();
        }
      }
      expect(met).to.be.greaterThan(10);
      open(null);
    });

    it('is not there when everything is kept in memory', () => {
      store.close();
      const before = readFileSync(file);
      open(null);
      arrives(1);
      store.commit();
      expect(store.durable).to.equal(false);
      expect(incoming.history()).to.have.length(1);
      expect(readFileSync(file)).to.deep.equal(before);
    });
  });
});
