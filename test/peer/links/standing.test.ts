import { expect } from 'chai';
import sinon from 'sinon';
import type { Introduction } from '../../../peer/links/introduction.ts';
import type { KnownKey } from '../../../peer/links/private-store.ts';
import { Standing } from '../../../peer/links/standing.ts';

const account = 7;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe('the standing of another account', () => {
  let clock: sinon.SinonFakeTimers;
  let known: KnownKey[];
  let expired: string[];
  let standing: Standing;

  beforeEach(() => {
    clock = sinon.useFakeTimers();
    known = [];
    expired = [];
    const put = (key: string, verified: boolean): void => {
      known = [...known.filter((one) => one.key !== key), { key, verified }];
    };
    const keys = {
      keys: () => known,
      trust: (_account: number, key: string, verified: boolean) => put(key, verified),
      untrust: () => {
        known = [{ key: '', verified: false }];
      },
    };
    standing = new Standing({ account, keys, nowMs: () => Date.now(), onExpired: (what) => expired.push(what) });
  });

  afterEach(() => {
    standing.forget();
    sinon.restore();
  });

  function introduction(more: Partial<Introduction> = {}): Introduction {
    return {
      ...{ account, key: 'SHA256:one', name: 'google', token: 'good', candidates: [], once: false },
      ...{ expiresAtMs: hourMs, consentUntilMs: hourMs, dialFirst: true, fresh: true },
      ...more,
    };
  }

  it('takes the first key, and doubts another until the user vouches for it', () => {
    expect([standing.kind, standing.introduction]).to.deep.equal(['unknown', null]);
    expect(standing.meet(introduction())).to.equal('known');
    expect(standing.introduction).to.include({ name: 'google' });
    const other = introduction({ key: 'SHA256:two' });
    expect(standing.meet(other)).to.equal('new key');
    expect(standing.meet(other)).to.equal('same new key');
    expect([standing.kind, standing.introduction]).to.deep.equal(['new key', null]);
    expect(standing.trust()).to.equal(other);
    expect(standing.meet(other)).to.equal('known');
    expect(standing.trust()).to.equal(null);
    expect(known.map(({ key }) => key)).to.deep.equal(['SHA256:one', 'SHA256:two']);
  });

  it('doubts every key after untrust, also that of the introduction', () => {
    const first = introduction();
    standing.meet(first);
    standing.untrust();
    expect([standing.kind, standing.introduction]).to.deep.equal(['new key', null]);
    expect(standing.meet(first)).to.equal('same new key');
    expect(standing.trust()).to.equal(first);
  });

  it('knows which keys were compared', () => {
    standing.meet(introduction());
    expect(standing.isVerified('SHA256:one')).to.equal(false);
    standing.verified('SHA256:one');
    expect(standing.isVerified('SHA256:one')).to.equal(true);
  });

  it('tells whether the consent has expired or what proves it', () => {
    standing.meet(introduction({ consentUntilMs: 2 * hourMs }));
    clock.tick(hourMs);
    expect(expired).to.deep.equal(['introduction']);
    standing.meet(introduction({ consentUntilMs: 2 * hourMs, expiresAtMs: 2 * hourMs }));
    clock.tick(hourMs);
    expect(expired).to.deep.equal(['introduction', 'consent']);
  });

  it('asks for another introduction until there is one, but not beyond the end of the consent', () => {
    standing.meet(introduction({ consentUntilMs: hourMs + 25_000 }));
    clock.tick(hourMs + 24_999);
    expect(expired).to.deep.equal(['introduction', 'introduction', 'introduction']);
    clock.tick(1);
    expect(expired.slice(3)).to.deep.equal(['consent']);
  });

  it('knows who has ended it, also when the center has heard of it', () => {
    standing.meet(introduction());
    standing.end('google', 'revoked', 'user');
    expect(standing.end('google', 'revoked', 'center')).to.include({ own: true, reason: 'You revoked the consent.' });
    expect(standing.isOver(introduction({ fresh: false }))).to.equal(false);
    expect(standing.end('google', 'blocked', 'center')).to.include({ own: false });
  });

  it('is not introduced anew by what was said before the center heard that the user has ended it', () => {
    standing.meet(introduction());
    standing.end('google', 'revoked', 'user');
    expect(standing.isOver(introduction({ fresh: false }))).to.equal(true);
    expect(standing.isOver(introduction({ fresh: true }))).to.equal(false);
  });

  it('waits for an end that is further away than a timer can wait', () => {
    standing.meet(introduction({ consentUntilMs: 60 * dayMs, expiresAtMs: 60 * dayMs }));
    clock.tick(60 * dayMs - 1);
    expect(expired).to.deep.equal([]);
    clock.tick(1);
    expect(expired).to.deep.equal(['consent']);
  });

  it('watches the last introduction only, and none after the end', () => {
    standing.meet(introduction());
    standing.meet(introduction({ consentUntilMs: 3 * hourMs, expiresAtMs: 3 * hourMs }));
    clock.tick(2 * hourMs);
    expect(expired).to.deep.equal([]);
    standing.end('google', 'revoked', 'other');
    expect([standing.kind, standing.introduction]).to.deep.equal(['ended', null]);
    expect(standing.ending).to.include({ code: 'revoked', own: false, reason: 'The consent was revoked by google.' });
    clock.tick(2 * hourMs);
    expect(expired).to.deep.equal([]);
    standing.forget();
    expect([standing.kind, standing.ending]).to.deep.equal(['unknown', null]);
  });

  it('knows the consent that the other side has ended, until the center says so itself or another one begins', () => {
    const same = introduction({ fresh: false });
    const next = introduction({ fresh: false, consentUntilMs: 5 * hourMs });
    standing.meet(introduction());
    expect(standing.isOver(same)).to.equal(false);
    standing.end('google', 'revoked', 'other');
    expect([standing.isOver(same), standing.isOver(next)]).to.deep.equal([true, false]);
    expect(standing.isOver(introduction({ fresh: true }))).to.equal(false);
    standing.end('google', 'revoked', 'center');
    expect(standing.isOver(same)).to.equal(false);
    standing.meet(same);
    standing.end('google', 'logged_out', 'other');
    expect(standing.isOver(same)).to.equal(false);
  });
});
