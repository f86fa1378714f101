import { expect } from 'chai';
import { hasDisplaced, loginOf, nameSession, nextLogin } from '../../center/session-names.ts';

describe('session names', () => {
  it('are never the same, and tell the login', () => {
    const login = { generation: 12, since: 7 };
    const [one, other] = [nameSession(login), nameSession(login)];
    expect(one).not.to.equal(other);
    expect(loginOf(one)).to.deep.equal(login);
  });

  it('may tell nothing, as those of older centers', () => {
    expect(loginOf(nameSession(null))).to.equal(null);
    for (const name of ['', 'AAAA', 'AAAA.1', 'AAAA.1.2.3', 'AAAA.1.x', 'AAAA.-1.2'])
      expect(loginOf(name)).to.equal(null);
    expect(nextLogin(4, 'AAAA')).to.deep.equal({ generation: 5, since: 5 });
    expect(hasDisplaced('AAAA', 'BBBB')).to.equal(false);
  });

  it('tell what was displaced: by an unbroken row of logins', () => {
    const first = nameSession(nextLogin(3, null));
    const second = nameSession(nextLogin(4, first));
    const third = nameSession(nextLogin(5, second));
    expect(hasDisplaced(second, first)).to.equal(true);
    expect(hasDisplaced(third, first)).to.equal(true);
    expect(hasDisplaced(first, third)).to.equal(false);
    expect(hasDisplaced(second, second)).to.equal(false);
    // Logged out, or the password changed, in between.
    expect(hasDisplaced(nameSession(nextLogin(5, null)), second)).to.equal(false);
  });
});
