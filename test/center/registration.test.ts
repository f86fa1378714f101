import { expect } from 'chai';
import { Clock } from '../../center/clock.ts';
import { inviteHash, newInvite, Registration, type RegistrationOptions } from '../../center/registration.ts';
import { ParleyError } from '../../shared/errors.ts';

const loopback = { loopback: true };
const remote = { loopback: false };
const hourMs = 3_600_000;

describe('Registration', () => {
  let nowMs = 0;
  const clock = new Clock(
    0,
    () => 0,
    () => nowMs,
  );
  const open = (options: Partial<RegistrationOptions> = {}) => new Registration({ clock, ...options });

  beforeEach(() => {
    nowMs = 1_000_000;
  });

  function errorOf(act: () => unknown): ParleyError {
    try {
      act();
    } catch (error) {
      expect(error).to.be.instanceOf(ParleyError);
      return error as ParleyError;
    }
    throw new Error('it did not throw');
  }

  async function rejectionOf(act: Promise<unknown>): Promise<ParleyError> {
    return act.then(
      () => expect.fail('it did not reject'),
      (error) => error,
    );
  }

  it('is open over loopback and by invite elsewhere, unless told otherwise', () => {
    expect(open().modeFor(loopback)).to.equal('open');
    expect(open().modeFor(remote)).to.equal('invite');
    for (const mode of ['open', 'invite', 'closed'] as const) {
      expect(open({ mode }).modeFor(loopback)).to.equal(mode);
      expect(open({ mode }).modeFor(remote)).to.equal(mode);
    }
  });

  it('where it is open needs no invite and spends none', () => {
    expect(open().admit(loopback, '', [])).to.equal(undefined);
    expect(open().admit(loopback, newInvite({ nowMs }).code, [])).to.equal(undefined);
  });

  it('where it is closed is refused, with an invite as well', () => {
    const { code, record } = newInvite({ nowMs });
    expect(errorOf(() => open({ mode: 'closed' }).admit(loopback, code, [record])).code).to.equal(
      'registration_closed',
    );
  });

  it('by invite takes a good one, however it was typed', () => {
    const { code, record } = newInvite({ nowMs });
    const others = [newInvite({ nowMs }).record, record];
    const typed = [
      code,
      code.toUpperCase(),
      code.replaceAll('-', ' '),
      ` ${code.replaceAll('0', 'o').replaceAll('1', 'L')}\n`,
    ];
    for (const one of typed) expect(open().admit(remote, one, others), one).to.equal(record.code);
  });

  it('by invite refuses a missing, unknown, spent or expired one', () => {
    const { code, record } = newInvite({ nowMs, lifetimeMs: 1000 });
    const refused = (typed: string, records = [record]) => errorOf(() => open().admit(remote, typed, records));
    expect(refused('').code).to.equal('invite_needed');
    expect(refused(newInvite({ nowMs }).code).code).to.equal('invite_needed');
    expect(refused(code, []).code).to.equal('invite_needed');
    expect(refused(code, [{ ...record, usesLeft: 0 }]).code).to.equal('invite_needed');
    expect(refused(record.code).code, 'the hash is no invite').to.equal('invite_needed');
    nowMs += 1000;
    expect(refused(code).code).to.equal('invite_needed');
    expect(refused(code).message).not.to.include(code);
  });

  it('counts five an hour from an address', async () => {
    const registration = open();
    const act = async () => 'made';
    for (let made = 0; made < 5; made += 1) {
      expect(await registration.count('192.0.2.1', act)).to.equal('made');
      nowMs += 1000;
    }
    const refused = await rejectionOf(registration.count('192.0.2.1', act));
    expect(refused.code).to.equal('rate_limited');
    expect(refused.retryAfterMs).to.equal(hourMs - 5000);
    expect(await registration.count('192.0.2.2', act)).to.equal('made');
    nowMs += hourMs - 5000;
    expect(await registration.count('192.0.2.1', act)).to.equal('made');
    expect((await rejectionOf(registration.count('192.0.2.1', act))).code).to.equal('rate_limited');
  });

  it('counts those under way, and none that failed', async () => {
    const registration = open({ maxPerHour: 2 });
    const failing = Promise.withResolvers<string>();
    const first = registration.count('192.0.2.1', () => failing.promise);
    const second = registration.count('192.0.2.1', async () => 'made');
    expect((await rejectionOf(registration.count('192.0.2.1', async () => 'made'))).code).to.equal('rate_limited');
    expect(await second).to.equal('made');
    failing.reject(new ParleyError('name_taken', 'The name is taken.'));
    expect((await rejectionOf(first)).code).to.equal('name_taken');
    expect(await registration.count('192.0.2.1', async () => 'made')).to.equal('made');
    expect((await rejectionOf(registration.count('192.0.2.1', async () => 'made'))).code).to.equal('rate_limited');
  });

  it('has no limit where it is 0', async () => {
    const registration = open({ maxPerHour: 0 });
    for (let made = 0; made < 20; made += 1) await registration.count('192.0.2.1', async () => 'made');
  });

  it('forgets the oldest addresses rather than grow', async () => {
    const registration = open({ maxPerHour: 1, maxAddresses: 2 });
    const act = async () => 'made';
    for (const address of ['a', 'b', 'c']) await registration.count(address, act);
    expect((await rejectionOf(registration.count('c', act))).code).to.equal('rate_limited');
    expect(await registration.count('a', act)).to.equal('made');
  });
});

describe('newInvite', () => {
  it('is random, readable, and stored only as its hash', () => {
    const nowMs = 5000;
    const codes = Array.from({ length: 200 }, () => newInvite({ nowMs }));
    expect(new Set(codes.map(({ code }) => code)).size).to.equal(200);
    for (const { code, record } of codes) {
      expect(code).to.match(/^([0-9a-hjkmnp-tv-z]{4}-){6}[0-9a-hjkmnp-tv-z]{4}$/);
      expect(record.code)
        .to.match(/^[0-9a-f]{64}$/)
        .and.equal(inviteHash(code));
      expect(record).to.deep.include({ createdAtMs: nowMs, expiresAtMs: nowMs + 7 * 24 * hourMs, usesLeft: 1 });
    }
  });

  it('lasts and serves as often as told', () => {
    expect(newInvite({ nowMs: 0, lifetimeMs: 10, uses: 3 }).record).to.deep.include({ expiresAtMs: 10, usesLeft: 3 });
  });
});
