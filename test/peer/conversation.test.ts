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
    const holding = new Conversation({ holds: true, keepUnstored: false });
    holding.take({ type: 'waiting', count: 1 });
    expect(holding.settled('accepted')).to.equal(true);
    holding.note({ reply: 'inbox', coming: 1 });
    expect(holding.settled('accepted')).to.equal(false);
  });

  it('knows the names it met last', () => {
    const conversation = fresh();
    for (let i = 0; i <= maxKnownNames; i += 1) conversation.meet(`name${i}`);
    expect(conversation.names).to.have.length(maxKnownNames).and.not.include('name0');
  });
});
