// What a peer comes back with, from one Welcome to the next.
import { expect } from 'chai';
import { nextPass } from '../../peer/ticket.ts';
import { generateKey, publicDer } from '../../shared/identity.ts';
import { ticketSecret } from '../../shared/ticket.ts';

describe('what a session is continued with', () => {
  const key = generateKey();
  const identityKey = publicDer(generateKey());
  const next = (welcome: { token: string; ticket: string }, before?: ReturnType<typeof nextPass>) =>
    nextPass(welcome, key, identityKey, before);

  it('is the ticket of the last Welcome that had one, for as long as the token is the same', () => {
    const first = next({ token: 'one', ticket: 'first' });
    expect(first.ticket).to.include({ text: 'first', isGood: true });
    expect(first.ticket?.secret).to.deep.equal(ticketSecret(key, identityKey, 'one'));
    expect(next({ token: 'one', ticket: '' }, first).ticket).to.equal(first.ticket);
    expect(next({ token: 'two', ticket: '' }, first)).to.deep.equal({ key, token: 'two', ticket: null });
    expect(next({ token: 'two', ticket: 'second' }, first).ticket?.secret).to.deep.equal(
      ticketSecret(key, identityKey, 'two'),
    );
  });

  it('is a signature where TLS could not send the ticket', () => {
    expect(next({ token: 'one', ticket: 'A'.repeat(128) }).ticket).not.to.equal(null);
    for (const ticket of ['A'.repeat(129), 'A'.repeat(5000), 'a b', 'A\0B', 'ü', '\ud800', '\n']) {
      expect(next({ token: 'one', ticket })).to.deep.equal({ key, token: 'one', ticket: null });
    }
  });
});
