// What a salvage does beside saving mail, which test/center/faults/torn.test.ts is about.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { columns, leftOut } from '../../../center/store/rescued.ts';
import { type Salvage, salvage } from '../../../center/store/salvage.ts';
import { openSqliteStore } from '../../../center/store/sqlite.ts';
import type { Store } from '../../../center/store/store.ts';
import { judged, makeAccounts } from './conformance.ts';
import { makeRun, outboxA, positionsIn } from './run.ts';

describe('center/store/salvage', () => {
  let dir: string;
  let file: string;
  let to: string;
  let store: Store;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'parley-salvage-'));
    file = join(dir, 'center.db');
    to = join(dir, 'rescued.db');
    store = await openSqliteStore({ file, reserveBytes: 4096 });
    await makeAccounts(store, 5, 6);
    for (const first of [1, 3, 5]) await store.append(5, makeRun({ first, positions: [first, first + 1] }));
  });
  afterEach(async () => {
    await store.close();
    rmSync(dir, { recursive: true });
  });

  /** Closes the store, does this to its file, and opens what was rescued of it. */
  async function rescueAfter(sql: string): Promise<Salvage> {
    await store.close();
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA ignore_check_constraints = 1; ${sql}`);
    db.close();
    const salvaged = salvage(file, to);
    store = await openSqliteStore({ file: to, reserveBytes: 4096 });
    return salvaged;
  }

  async function positionsOf(account: number): Promise<number[]> {
    return (await store.read(account, 0, 1e9)).flatMap(({ frames }) => positionsIn(frames));
  }

  it('rescues all where nothing is wrong, and leaves nothing beside it', async () => {
    expect(await rescueAfter('')).to.deep.include({ accounts: 2, messages: 6, lost: [] });
    expect(await positionsOf(5)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(await store.outbox(7, outboxA)).to.deep.equal([{ recipient: 5, accepted: 6, stored: 0 }]);
    expect(readdirSync(dir).filter((name) => name.startsWith('salvage-'))).to.deep.equal([]);
  });

  it('names the positions of a run that is gone, and joins the others', async () => {
    const { lost, messages } = await rescueAfter('DELETE FROM runs WHERE account = 5 AND first = 3');
    expect(lost).to.deep.equal([{ account: 5, positions: { from: 3, to: 4 }, text: 'lost' }]);
    expect(messages).to.equal(4);
    expect(await positionsOf(5)).to.deep.equal([1, 2, 5, 6]);
  });

  it('does without the numbers of a mailbox that are wrong', async () => {
    const { lost } = await rescueAfter('UPDATE mailboxes SET acked_to = 4 WHERE account = 5');
    expect(lost).to.deep.equal([{ account: 5, positions: null, text: 'up to where its mail had been stored is lost' }]);
    expect(await positionsOf(5)).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('names an account that is gone with its mail', async () => {
    const { lost, accounts } = await rescueAfter('DELETE FROM accounts WHERE id = 5');
    expect(accounts).to.equal(1);
    expect(lost.map(({ account, text }) => [account, text.slice(0, 26)])).to.deep.equal([
      [5, 'the account itself is lost'],
    ]);
  });

  it('says where a name may be wrong', async () => {
    const { lost } = await rescueAfter("UPDATE accounts SET name = 'b5' WHERE id = 5");
    expect(lost).to.deep.equal([{ account: 5, positions: null, text: 'its name is b5, or was a5' }]);
  });

  it('ends sessions, and gives out no position again', async () => {
    await store.claimSession(judged(5), { jti: 'one', nextJti: null, key: '', expiresAtMs: 9e15 }, '::1');
    const before = await store.openMailbox(5);
    if (before !== 'gone') await store.saveMarks(5, [], before.next + 65_536);
    await rescueAfter('');
    expect((await store.account(5))?.session).to.equal(null);
    const after = await store.openMailbox(5);
    if (before === 'gone' || after === 'gone') throw new Error('the mailbox is gone');
    expect(after.next).to.be.greaterThan(before.next + 65_536 + 1e6);
  });

  it('does not bring back what was removed or delivered', async () => {
    await store.removeAccount(6);
    await store.discard(5, 4);
    const { accounts, messages } = await rescueAfter('');
    expect({ accounts, messages }).to.deep.equal({ accounts: 1, messages: 2 });
    expect((await store.account(6))?.state).to.equal('removed');
    expect(await positionsOf(5)).to.deep.equal([5, 6]);
  });

  it('keeps blocks, familiar peers, invites, locks and the time', async () => {
    await store.setBlock(5, 6, true);
    await store.addFamiliar(5, 'key', 'address');
    await store.createInvite({ code: 'hash', createdAtMs: 1, expiresAtMs: 9e15, usesLeft: 3 });
    await store.setLockouts([{ key: 'pair', untilMs: 5 }]);
    await store.saveTime(77);
    await rescueAfter('');
    expect(await store.blocks(5)).to.deep.equal([6]);
    expect(await store.isFamiliar(5, 'key', '')).to.equal(true);
    expect(await store.invites()).to.have.length(1);
    expect(await store.lockouts()).to.deep.equal([{ key: 'pair', untilMs: 5 }]);
    expect(await store.time()).to.equal(77);
  });

  it('knows every table that there is', async () => {
    const db = new DatabaseSync(file, { readOnly: true });
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").all();
    db.close();
    expect(names.map(({ name }) => name)).to.have.members([...Object.keys(columns), ...leftOut]);
  });

  it('writes over nothing', () => {
    salvage(file, to);
    expect(() => salvage(file, to)).to.throw('EEXIST');
    expect(existsSync(to)).to.equal(true);
  });
});
