import bcrypt from 'bcrypt';
import { expect } from 'chai';
import sinon from 'sinon';
import { Passwords } from '../../center/passwords.ts';
import { ParleyError } from '../../shared/errors.ts';

async function errorOf(act: Promise<unknown>): Promise<ParleyError> {
  try {
    await act;
  } catch (error) {
    expect(error).to.be.instanceOf(ParleyError);
    return error as ParleyError;
  }
  throw new Error('it did not reject');
}

describe('Passwords', () => {
  let passwords: Passwords;

  beforeEach(() => {
    passwords = new Passwords({ cost: 4 });
  });

  afterEach(async () => {
    sinon.restore();
    await passwords.close();
  });

  it('are known by their hash, and others are not', async () => {
    const hash = await passwords.hash('summerisover');
    expect(bcrypt.getRounds(hash)).to.equal(4);
    expect(hash).not.to.include('summerisover');
    expect(await passwords.hash('summerisover')).not.to.equal(hash);
    expect(await passwords.verify('summerisover', hash)).to.equal(true);
    expect(await passwords.verify('Summerisover', hash)).to.equal(false);
    expect(await passwords.verify('', hash)).to.equal(false);
  });

  it('cost 12 by default', async () => {
    const byDefault = new Passwords();
    expect(bcrypt.getRounds(await byDefault.hash('summerisover'))).to.equal(12);
    await byDefault.close();
  });

  it('of up to 72 bytes count to the last byte; longer ones and NUL are refused, never cut', async () => {
    const longest = `${'é'.repeat(35)}ab`;
    const hash = await passwords.hash(longest);
    expect(await passwords.verify(longest, hash)).to.equal(true);
    expect(await passwords.verify(`${'é'.repeat(35)}ac`, hash)).to.equal(false);
    expect(await passwords.verify(`${longest}x`, hash)).to.equal(false);
    expect((await errorOf(passwords.hash(`${longest}x`))).code).to.equal('bad_password');

    const short = await passwords.hash('summer');
    expect(await passwords.verify('summer\0isover', short)).to.equal(false);
    expect((await errorOf(passwords.hash('summer\0isover'))).code).to.equal('bad_password');
  });

  it('of no account are never right and cost as much', async () => {
    const slower = new Passwords({ cost: 9 });
    const hash = await slower.hash('summerisover');
    // The least of several, of the time of this process alone: others on the machine make one wait, and it none the longer.
    const least = { withAccount: Number.POSITIVE_INFINITY, without: Number.POSITIVE_INFINITY };
    for (let times = 0; times < 12; times += 1) {
      const which = times % 2 === 0 ? 'withAccount' : 'without';
      const before = process.cpuUsage();
      expect(await slower.verify('wrong password', which === 'withAccount' ? hash : null)).to.equal(false);
      least[which] = Math.min(least[which], process.cpuUsage(before).user);
    }
    expect(least.without / least.withAccount).to.be.within(0.4, 2.5);
    await slower.close();
  });

  it('are refused as busy where the queue is full, and only then', async () => {
    const narrow = new Passwords({ cost: 4, atOnce: 1, maxWaiting: 2 });
    const taken = [1, 2, 3].map(() => narrow.hash('summerisover'));
    const refused = await errorOf(narrow.hash('summerisover'));
    expect(refused.code).to.equal('busy');
    expect(refused.retryAfterMs).to.be.above(0);
    expect((await errorOf(narrow.verify('summerisover', null))).code).to.equal('busy');
    expect(await Promise.all(taken)).to.have.length(3);
    expect(await narrow.hash('summerisover')).to.be.a('string');
    await narrow.close();
  });

  it('are hashed in the order in which they were asked for', async () => {
    const narrow = new Passwords({ cost: 4, atOnce: 1 });
    const order: number[] = [];
    await Promise.all([0, 1, 2, 3].map((turn) => narrow.verify('summerisover', null).then(() => order.push(turn))));
    expect(order).to.deep.equal([0, 1, 2, 3]);
    await narrow.close();
  });

  it('are not checked where nobody waits for the answer any more, and hold nobody up', async () => {
    const narrow = new Passwords({ cost: 4, atOnce: 1, maxWaiting: 2 });
    const hash = await narrow.hash('summerisover');
    const compare = sinon.spy(bcrypt, 'compare');
    let isConnected = true;
    const running = narrow.verify('wrong password', hash, () => isConnected);
    const dropped = [1, 2].map(() => errorOf(narrow.verify('summerisover', hash, () => isConnected)));
    isConnected = false;
    // The queue is full only of those who are gone.
    const next = narrow.verify('summerisover', hash, () => true);
    expect((await Promise.all(dropped)).map(({ code }) => code)).to.deep.equal(['timeout', 'timeout']);
    expect((await errorOf(narrow.verify('summerisover', hash, () => isConnected))).code).to.equal('timeout');
    expect(await running, 'what has begun is finished').to.equal(false);
    expect(await next).to.equal(true);
    expect(compare.callCount).to.equal(2);
    await narrow.close();
  });

  it('whose turn comes when nobody waits any more are passed over', async () => {
    const narrow = new Passwords({ cost: 4, atOnce: 1 });
    const hash = await narrow.hash('summerisover');
    let isConnected = true;
    const running = narrow.verify('summerisover', hash);
    const dropped = errorOf(narrow.verify('summerisover', hash, () => isConnected));
    const next = narrow.verify('summerisover', hash);
    isConnected = false;
    expect((await dropped).code).to.equal('timeout');
    expect([await running, await next]).to.deep.equal([true, true]);
    await narrow.close();
  });

  it('after a hash that failed the next still runs', async () => {
    const narrow = new Passwords({ cost: 4, atOnce: 1 });
    const broken = narrow.verify('summerisover', 7 as unknown as string).catch(() => 'failed');
    const next = narrow.hash('summerisover');
    expect(await broken).to.equal('failed');
    expect(await next).to.be.a('string');
    await narrow.close();
  });

  it('at the end what runs is finished, what waits is refused', async () => {
    const narrow = new Passwords({ cost: 4, atOnce: 1 });
    const running = narrow.hash('summerisover');
    const waiting = errorOf(narrow.hash('summerisover'));
    const closed = Promise.all([narrow.close(), narrow.close()]);
    expect((await waiting).code).to.equal('shutting_down');
    expect((await errorOf(narrow.hash('summerisover'))).code).to.equal('shutting_down');
    await closed;
    expect(await running).to.be.a('string');
  });
});
