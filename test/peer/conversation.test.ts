import { expect } from 'chai';
import { Conversation, maxKnownNames } from '../../peer/conversation.ts';
import type { OutgoingMessage } from '../../peer/events.ts';

describe('conversation', () => {
  const message = (id: number, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
    ...{ id, to: 'google', text: `text ${id}`, createdAtMs: 0, state: 'pending', reason: '', private: false },
    ...more,
  });
  const fresh = () => new Conversation({ holds: false, keepUnstored: true });

  it('keeps what is pending until it is accepted, then until it is stored', () => {
    const conversation = fresh();
    conversation.sent(message(1));
    conversation.sent(message(2));
    expect(conversation.pending.map(({ id }) => id)).to.deep.equal([1, 2]);
    expect(conversation.settled('accepted')).to.equal(false);
    conversation.take({ type: 'accepted', message: message(1) });
    conversation.take({ type: 'accepted', message: message(2) });
    expect(conversation.settled('accepted')).to.equal(true);
    expect(conversation.settled('stored')).to.equal(false);
    conversation.take({ type: 'stored', message: message(1) });
    conversation.take({ type: 'stored', message: message(2) });
    expect(conversation.settled('stored')).to.equal(true);
  });

  it('does not mind receipts that come before the reply, or in the other order', () => {
    const conversation = fresh();
    expect(conversation.take({ type: 'accepted', message: message(1) })).to.equal(true);
    expect(conversation.sent(message(1))).to.equal(false);
    expect(conversation.settled('accepted')).to.equal(true);
    conversation.sent(message(2));
    expect(conversation.take({ type: 'stored', message: message(2) })).to.equal(true);
    expect(conversation.take({ type: 'accepted', message: message(2) })).to.equal(false);
    conversation.take({ type: 'stored', message: message(1) });
    expect(conversation.settled('stored')).to.equal(true);
  });

  it('counts what failed, but not what was cancelled', () => {
    const conversation = fresh();
    conversation.sent(message(1));
    conversation.sent(message(2));
    conversation.note({ reply: 'cancel', message: message(1) });
    expect(conversation.take({ type: 'failed', code: 'cancelled', message: message(1) })).to.equal(false);
    expect(conversation.take({ type: 'failed', code: 'blocked', message: message(2) })).to.equal(true);
    expect(conversation.undelivered).to.equal(1);
    expect(conversation.settled('stored')).to.equal(true);
  });

  it('says once for each reason that a message is delayed', () => {
    const conversation = fresh();
    conversation.sent(message(1));
    const delayed = (code: 'mailbox_full' | 'sender_quota') =>
      conversation.take({ type: 'delayed', code, retryAfterMs: 1, message: message(1) });
    expect([delayed('mailbox_full'), delayed('mailbox_full'), delayed('sender_quota')]).to.deep.equal([
      true,
      false,
      true,
    ]);
  });

  it('waits for announced mail, unless it is held', () => {
    const conversation = fresh();
    conversation.take({ type: 'waiting', count: 1 });
    expect(conversation.settled('accepted')).to.equal(false);
    const incoming = {
      row: 0,
      from: 'al',
      fromAccount: 1,
      text: '',
      sentAtMs: 0,
      receivedAtMs: 0,
      again: false,
      private: false,
    };
    conversation.take({ type: 'message', message: { ...incoming, waited: true } });
    expect(conversation.settled('accepted')).to.equal(true);
    conversation.take({ type: 'waiting', count: 2 });
    // From the history: the center may have it, too, or not.
    conversation.take({ type: 'message', message: { ...incoming, waited: true, again: true } });
    conversation.take({ type: 'message', message: { ...incoming, waited: true } });
    expect(conversation.settled('accepted')).to.equal(false);
    expect(conversation.take({ type: 'repeated', count: 1 })).to.equal(false);
    expect(conversation.settled('accepted')).to.equal(true);
    const holding = new Conversation({ holds: true, keepUnstored: false });
    holding.take({ type: 'waiting', count: 1 });
    expect(holding.settled('accepted')).to.equal(true);
    holding.note({ reply: 'inbox', coming: 1 });
    expect(holding.settled('accepted')).to.equal(false);
  });

  describe('with private messages', () => {
    const secret = (id: number, more: Partial<OutgoingMessage> = {}) => message(id, { private: true, ...more });

    it('keeps them until they are stored, which is all that becomes of them', () => {
      const conversation = fresh();
      conversation.note({ reply: 'private', message: secret(1), linked: true });
      expect(conversation.settled('accepted')).to.equal(false);
      expect(conversation.take({ type: 'stored', message: secret(1, { state: 'stored' }) })).to.equal(true);
      expect(conversation.settled('stored')).to.equal(true);
    });

    it('does not mind a receipt that comes before the reply', () => {
      const conversation = fresh();
      conversation.take({ type: 'stored', message: secret(1, { state: 'stored' }) });
      conversation.note({ reply: 'private', message: secret(1), linked: true });
      expect(conversation.settled('accepted')).to.equal(true);
    });

    it('does not wait for those that rest, such as those of an earlier session', () => {
      const conversation = fresh();
      conversation.begin([secret(1), message(2)]);
      expect(conversation.pending.map(({ id }) => id)).to.deep.equal([1, 2]);
      expect(conversation.awaited.map(({ id }) => id)).to.deep.equal([2]);
      expect(conversation.awaitedCount).to.equal(1);
      conversation.take({ type: 'accepted', message: message(2) });
      expect(conversation.settled('accepted')).to.equal(true);
      conversation.note({ reply: 'private', message: secret(3), linked: false });
      expect(conversation.settled('accepted')).to.equal(false);
      conversation.rest(3);
      conversation.rest(99);
      expect([conversation.settled('accepted'), conversation.awaitedCount]).to.deep.equal([true, 0]);
      conversation.take({ type: 'stored', message: secret(3, { state: 'stored' }) });
      expect([conversation.isPending(3), conversation.awaitedCount]).to.deep.equal([false, 0]);
    });

    it('has news of a link only where something waits for it', () => {
      const conversation = fresh();
      const link = (state: 'up' | 'moved' | 'down', name = 'google') =>
        conversation.take({ type: 'link', name, state, route: 'direct' });
      expect([link('up'), link('moved'), link('down')]).to.deep.equal([false, false, false]);
      conversation.note({ reply: 'private', message: secret(1), linked: true });
      conversation.note({ reply: 'message', message: message(2, { to: 'al' }) });
      expect([link('up'), link('moved'), link('down', 'al'), link('down')]).to.deep.equal([false, false, false, true]);
    });

    it('forgets what was stored first and accepted then', () => {
      const conversation = fresh();
      conversation.note({ reply: 'message', message: message(1) });
      conversation.take({ type: 'stored', message: message(1, { state: 'stored' }) });
      conversation.take({ type: 'accepted', message: message(1, { state: 'accepted' }) });
      // Were it kept as answered early, it would not be taken for new.
      expect(conversation.sent(message(1))).to.equal(true);
    });

    it('has news of the end of a consent, of the link no more, and none for whoever ended it', () => {
      const conversation = fresh();
      const end = (own: boolean) =>
        conversation.take({ type: 'consent_ended', name: 'google', own, code: 'revoked', reason: 'Over.' });
      const link = (state: 'up' | 'down') =>
        conversation.take({ type: 'link', name: 'Google', state, route: 'direct' });
      conversation.note({ reply: 'private', message: secret(1), linked: true });
      expect([end(true), link('down'), end(false), link('down')]).to.deep.equal([false, false, true, false]);
      expect([link('up'), link('down')]).to.deep.equal([false, true]);
    });

    it('waits for the digits of a verification, unless the link is gone', () => {
      const conversation = fresh();
      conversation.note({ reply: 'verify', name: 'Google', confirmed: false });
      expect(conversation.settled('accepted')).to.equal(false);
      conversation.take({ type: 'verify', name: 'google', digits: '123456' });
      expect(conversation.settled('accepted')).to.equal(true);
      conversation.note({ reply: 'verify', name: 'google', confirmed: false });
      conversation.take({ type: 'link', name: 'google', state: 'down', route: 'direct' });
      expect(conversation.settled('accepted')).to.equal(true);
      conversation.note({ reply: 'verify', name: 'google', confirmed: true });
      expect(conversation.settled('accepted')).to.equal(true);
    });
  });

  it('knows the names it met last', () => {
    const conversation = fresh();
    for (let i = 0; i <= maxKnownNames; i += 1) conversation.meet(`name${i}`);
    expect(conversation.names).to.have.length(maxKnownNames).and.not.include('name0');
  });
});
