import { expect } from 'chai';
import { Clock } from '../../center/clock.ts';
import { type Attempt, Lockout, type LockoutLimits } from '../../center/lockout.ts';
import type { LockoutRecord } from '../../center/store/store.ts';
import { ParleyError } from '../../shared/errors.ts';

const minuteMs = 60_000;

describe('Lockout', () => {
  let nowMs = 0;
  let saved: LockoutRecord[];
  let saves: number;
  let checks: number;
  let lockout: Lockout;

  const clock = new Clock(
    0,
    () => 0,
    () => nowMs,
  );

  function open(limits: Partial<LockoutLimits> = {}): Lockout {
    const save = async (records: LockoutRecord[]) => {
      saved = records;
      saves += 1;
    };
    return new Lockout({ clock, limits, saved, save });
  }

  beforeEach(() => {
    nowMs = 1_000_000;
    saved = [];
    saves = 0;
    checks = 0;
    lockout = open();
  });

  /** What an attempt is answered: `welcome` or the error's text. */
  async function say(isRight: boolean, attempt: Partial<Attempt> = {}): Promise<string> {
    try {
      await judge(isRight, attempt);
      return 'welcome';
    } catch (error) {
      expect(error).to.be.instanceOf(ParleyError);
      return (error as ParleyError).message;
    }
  }

  function judge(isRight: boolean, attempt: Partial<Attempt> = {}): Promise<void> {
    const from = { name: 'seas', address: '192.0.2.1', hasLiveSession: false, isFamiliar: async () => false };
    return lockout.judge({ ...from, ...attempt }, async () => {
      checks += 1;
      return isRight;
    });
  }

  const errorOf = (act: Promise<unknown>): Promise<ParleyError> =>
    act.then(
      () => expect.fail('it did not reject'),
      (error) => error,
    );
  const wrong = (attempt: Partial<Attempt> = {}) => say(false, attempt);
  const right = (attempt: Partial<Attempt> = {}) => say(true, attempt);

  async function lockPair(attempt: Partial<Attempt> = {}): Promise<void> {
    await wrong(attempt);
    await wrong(attempt);
    expect(await wrong(attempt)).to.include('Too many');
  }

  describe('of an account from an address', () => {
    it('counts down the attempts, then the seconds', async () => {
      expect(await wrong()).to.equal('Incorrect username/password. 2 more login attempts.');
      expect(await wrong()).to.equal('Incorrect username/password. 1 more login attempts.');
      expect(await wrong()).to.equal('Too many login attempts. Please wait 60 seconds.');
      nowMs += 40_000;
      expect(await wrong()).to.equal('seas is suspended for another 20 seconds.');
      nowMs += 1;
      expect(await right()).to.equal('seas is suspended for another 20 seconds.');
      nowMs += 19_998;
      expect(await wrong()).to.equal('seas is suspended for another 1 seconds.');
      nowMs += 1;
      expect(await right()).to.equal('welcome');
    });

    it('has a code, the attempts left and the time for each answer', async () => {
      const answers = [];
      for (let tries = 0; tries < 4; tries += 1) {
        const { code, attemptsLeft, retryAfterMs } = await errorOf(judge(false));
        answers.push([code, attemptsLeft, retryAfterMs]);
        nowMs += 1500;
      }
      expect(answers).to.deep.equal([
        ['bad_credentials', 2, 0],
        ['bad_credentials', 1, 0],
        ['locked', 0, 60_000],
        ['suspended', 0, 58_500],
      ]);
    });

    it('during a lock checks nothing and is not prolonged', async () => {
      await lockPair();
      expect(checks).to.equal(3);
      for (let tries = 0; tries < 50; tries += 1) {
        nowMs += 1000;
        await wrong();
      }
      expect(checks).to.equal(3);
      nowMs += 10_000;
      expect(await right()).to.equal('welcome');
    });

    it('after a lock begins anew', async () => {
      await lockPair();
      nowMs += minuteMs;
      expect(await wrong()).to.include('2 more');
    });

    it('forgets after a success or ten minutes without a wrong password', async () => {
      await wrong();
      await wrong();
      expect(await right()).to.equal('welcome');
      expect(await wrong()).to.include('2 more');
      expect(await wrong()).to.include('1 more');
      nowMs += 10 * minuteMs - 1;
      expect(await wrong()).to.include('Too many');
      nowMs += minuteMs;
      await wrong();
      nowMs += 10 * minuteMs;
      expect(await wrong()).to.include('2 more');
    });

    it('leaves the account alone from elsewhere, and the address for others', async () => {
      await lockPair();
      expect(await right({ address: '192.0.2.2' })).to.equal('welcome');
      expect(await right({ name: 'google' })).to.equal('welcome');
    });

    it('goes by the name without regard to case, and tells it as typed', async () => {
      await wrong({ name: 'SEAS' });
      await wrong({ name: 'Seas' });
      await wrong();
      expect(await right({ name: 'sEAs' })).to.equal('sEAs is suspended for another 60 seconds.');
    });

    it('counts many attempts at once one by one', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => wrong()));
      expect(checks).to.equal(3);
      expect(answers.slice(0, 3).map((answer) => answer.slice(0, 9))).to.deep.equal([
        'Incorrect',
        'Incorrect',
        'Too many ',
      ]);
      for (const answer of answers.slice(3)) expect(answer).to.include('suspended');
      expect(await Promise.all([1, 2, 3].map(() => right({ name: 'google' })))).to.deep.equal(Array(3).fill('welcome'));
    });

    it('lets only so many wait in line', async () => {
      lockout = open({ maxInLine: 2 });
      const held = Promise.withResolvers<boolean>();
      const attempt = { name: 'seas', address: 'a', hasLiveSession: false, isFamiliar: async () => false };
      const first = lockout.judge(attempt, () => held.promise);
      const waiting = [right({ address: 'a' }), right({ address: 'a' })];
      expect((await errorOf(judge(true, { address: 'a' }))).code).to.equal('busy');
      held.resolve(true);
      await first;
      expect(await Promise.all(waiting)).to.deep.equal(['welcome', 'welcome']);
      expect(await right({ address: 'a' })).to.equal('welcome');
    });

    it('does not count what could not be checked', async () => {
      for (let tries = 0; tries < 5; tries += 1) {
        const attempt = { name: 'seas', address: '192.0.2.1', hasLiveSession: false, isFamiliar: async () => false };
        const busy = async () => {
          throw new ParleyError('busy', 'Busy.');
        };
        expect((await errorOf(lockout.judge(attempt, busy))).code).to.equal('busy');
      }
      expect(await wrong()).to.include('2 more');
    });
  });

  describe('of an address', () => {
    const failForAccounts = async (count: number, attempt: Partial<Attempt> = {}) => {
      let answer = '';
      for (let index = 0; index < count; index += 1) answer = await wrong({ name: `user${index}`, ...attempt });
      return answer;
    };

    it('begins with the tenth account it fails for', async () => {
      expect(await failForAccounts(9)).to.include('2 more');
      expect(await wrong({ name: 'user0' }), 'not a new one').to.include('1 more');
      expect(await wrong({ name: 'user9' })).to.equal('Too many login attempts. Please wait 60 seconds.');
      const before = checks;
      expect(await right()).to.equal('seas is suspended for another 60 seconds.');
      expect(checks).to.equal(before);
      expect(await right({ address: '192.0.2.2' })).to.equal('welcome');
      nowMs += minuteMs;
      expect(await right()).to.equal('welcome');
    });

    it('spares addresses that somebody is logged in from', async () => {
      expect(await failForAccounts(12, { hasLiveSession: true })).to.include('2 more');
      expect(saves).to.equal(0);
      expect(await right({ hasLiveSession: true })).to.equal('welcome');
      expect(await wrong()).to.include('Too many');
      expect(await right({ hasLiveSession: true })).to.equal('welcome');
      expect(await right()).to.include('suspended');
    });

    it('forgets accounts that then succeed, and all after ten minutes', async () => {
      await failForAccounts(9);
      expect(await right({ name: 'user3' })).to.equal('welcome');
      expect(await wrong({ name: 'user9' })).to.include('2 more');
      nowMs += 10 * minuteMs;
      expect(await failForAccounts(9)).to.include('2 more');
    });
  });

  describe('of an account from anywhere', () => {
    const spread = async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        nowMs += 1000;
        expect(await wrong({ address: `198.51.${count}.${index}` })).to.include('2 more');
      }
    };

    it('begins at thirty in an hour, and only for keys and addresses that are new', async () => {
      await spread(29);
      expect(await right({ address: '203.0.113.1' })).to.equal('welcome');
      await spread(1);
      const before = checks;
      expect(await right({ address: '203.0.113.1' })).to.match(/^seas is suspended for another \d+ seconds\.$/);
      expect(checks).to.equal(before);
      expect(await right({ address: '203.0.113.1', isFamiliar: async () => true })).to.equal('welcome');
      expect(await wrong({ address: '203.0.113.2', isFamiliar: async () => true })).to.include('2 more');
      expect(await right({ name: 'google', address: '203.0.113.1' })).to.equal('welcome');
    });

    it('ends when thirty are no longer within an hour', async () => {
      await spread(30);
      const { retryAfterMs } = await errorOf(judge(true, { address: '203.0.113.1' }));
      expect(retryAfterMs).to.equal(60 * minuteMs - 29_000);
      nowMs += retryAfterMs - 1;
      expect(await right({ address: '203.0.113.1' })).to.include('another 1 seconds');
      nowMs += 1;
      expect(await right({ address: '203.0.113.1' })).to.equal('welcome');
    });

    it('is not prolonged by the wrong passwords of familiar peers', async () => {
      await spread(30);
      const { retryAfterMs } = await errorOf(judge(true, { address: '203.0.113.1' }));
      nowMs += 10_000;
      await wrong({ address: '203.0.113.2', isFamiliar: async () => true });
      expect((await errorOf(judge(true, { address: '203.0.113.1' }))).retryAfterMs).to.equal(retryAfterMs - 10_000);
    });
  });

  describe('across a restart', () => {
    it('keeps the seconds left, of every kind of lock', async () => {
      await lockPair();
      for (let index = 0; index < 10; index += 1) await wrong({ name: `user${index}`, address: '192.0.2.7' });
      for (let index = 0; index < 30; index += 1) await wrong({ name: 'many', address: `198.51.100.${index}` });
      nowMs += 40_000;
      lockout = open();
      expect(await right()).to.equal('seas is suspended for another 20 seconds.');
      expect(await right({ address: '192.0.2.7' })).to.equal('seas is suspended for another 20 seconds.');
      expect(await right({ name: 'many', address: '203.0.113.1' })).to.equal(
        'many is suspended for another 3560 seconds.',
      );
      nowMs += 20_000;
      expect(await right()).to.equal('welcome');
      expect(await right({ address: '192.0.2.7' })).to.equal('welcome');
    });

    it('saves when a lock begins and at no other time', async () => {
      await wrong();
      await wrong();
      await right({ name: 'google' });
      expect(saves).to.equal(0);
      await wrong();
      expect(saves).to.equal(1);
      await wrong();
      expect(saves).to.equal(1);
    });

    it('has saved a lock before it is answered', async () => {
      const durable = Promise.withResolvers<void>();
      lockout = new Lockout({ clock, saved: [], save: () => durable.promise });
      await wrong();
      await wrong();
      let answered = false;
      const third = wrong().then((answer) => {
        answered = true;
        return answer;
      });
      await new Promise(setImmediate);
      expect(answered).to.equal(false);
      durable.resolve();
      expect(await third).to.include('Too many');
    });

    it('saves no locks that are over', async () => {
      await lockPair();
      nowMs += minuteMs;
      await lockPair({ name: 'google' });
      expect(saved).to.have.length(1);
    });
  });

  describe('unlock', () => {
    it('ends the locks of an account and forgets its wrong passwords', async () => {
      await lockPair({ name: 'Seas' });
      await lockPair({ address: '192.0.2.2' });
      await wrong({ address: '192.0.2.3' });
      await lockPair({ name: 'google' });
      for (let index = 0; index < 25; index += 1) await wrong({ address: `198.51.100.${index}` });
      expect(await lockout.unlock('SEAS')).to.equal(true);
      expect(await right()).to.equal('welcome');
      expect(await right({ address: '192.0.2.2' })).to.equal('welcome');
      expect(await wrong({ address: '192.0.2.3' })).to.include('2 more');
      expect(await right({ address: '203.0.113.1' })).to.equal('welcome');
      expect(await right({ name: 'google' })).to.include('suspended');
      lockout = open();
      expect(await right()).to.equal('welcome');
    });

    it('says where there was nothing to unlock', async () => {
      await lockPair({ name: 'google' });
      await right();
      expect(await lockout.unlock('seas')).to.equal(false);
    });

    it('of one account leaves those whose names end alike', async () => {
      await lockPair({ name: 'x.seas' });
      await lockout.unlock('seas');
      expect(await right({ name: 'x.seas' })).to.include('suspended');
    });
  });

  it('forgets the oldest rather than grow', async () => {
    lockout = open({ maxRemembered: 2 });
    await wrong({ name: 'a' });
    await wrong({ name: 'b' });
    await wrong({ name: 'c' });
    expect(await wrong({ name: 'c' })).to.include('1 more');
    expect(await wrong({ name: 'a' })).to.include('2 more');
    for (const name of ['d', 'e', 'f']) await lockPair({ name, address: `address of ${name}` });
    expect(saved).to.have.length(2);
    expect(await right({ name: 'd', address: 'address of d' })).to.equal('welcome');
    expect(await right({ name: 'f', address: 'address of f' })).to.include('suspended');
  });
});
