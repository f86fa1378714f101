import { expect } from 'chai';
import type { OutgoingMessage } from '../../peer/events.ts';
import { askSignIn, Conversation, isRefusal, maxKnownNames } from '../../peer/front.ts';
import { ParleyError } from '../../shared/errors.ts';

const blank = { user: null, password: null, register: false, invite: null, resume: false };

/** Answers in order; what was asked is kept. */
function asker(...answers: string[]) {
  const asked: string[] = [];
  const ask = async ({ prompt, secret }: { prompt: string; secret: boolean }) => {
    asked.push(secret ? `${prompt}*` : prompt);
    return answers.shift() ?? null;
  };
  return { ask, asked };
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error: unknown) => error,
  );
}

describe('signing in', () => {
  it('asks for name and password', async () => {
    const { ask, asked } = asker('seas', 'summerisover');
    expect(await askSignIn(blank, ask)).to.deep.equal({ how: 'login', name: 'seas', password: 'summerisover' });
    expect(asked).to.deep.equal(['Username: ', 'Password: *']);
  });

  it('asks for a new account’s password twice', async () => {
    const { ask, asked } = asker('register', 'seas', 'summer', 'summer');
    const how = { how: 'register', name: 'seas', password: 'summer', invite: null };
    expect(await askSignIn(blank, ask)).to.deep.equal(how);
    expect(asked).to.deep.equal(['Username: ', 'Username: ', 'Password: *', 'Password again: *']);
  });

  it('asks for nothing that is given', async () => {
    const { ask, asked } = asker();
    expect(await askSignIn({ ...blank, user: 'seas', resume: true }, ask)).to.deep.equal({
      how: 'resume',
      name: 'seas',
    });
    const given = { ...blank, user: 'seas', password: 'summer', register: true, invite: 'code' };
    expect(await askSignIn(given, ask)).to.deep.equal({
      ...{ how: 'register', name: 'seas', password: 'summer', invite: 'code' },
    });
    expect(asked).to.deep.equal([]);
  });

  it('finds out before it connects what cannot be right', async () => {
    expect(await failure(askSignIn(blank, asker('-x').ask))).to.include({ code: 'bad_name' });
    expect(await failure(askSignIn(blank, asker('online').ask))).to.include({ code: 'bad_name' });
    expect(await failure(askSignIn(blank, asker('register', 'seas', 'short').ask))).to.include({
      code: 'bad_password',
    });
    expect(await failure(askSignIn(blank, asker('register', 'seas', 'summer', 'winter').ask))).to.be.an('error');
  });

  it('ends where the input does, or with quit', async () => {
    expect(await askSignIn(blank, asker().ask)).to.equal(null);
    expect(await askSignIn(blank, asker('seas').ask)).to.equal(null);
    expect(await askSignIn(blank, asker('quit').ask)).to.equal(null);
  });

  it('tells a refusal from a center that could not be asked', () => {
    expect(isRefusal(new ParleyError('bad_credentials', ''))).to.equal(true);
    expect(isRefusal(new ParleyError('bad_address', ''))).to.equal(true);
    expect(isRefusal(new ParleyError('bad_data', ''))).to.equal(true);
    expect(isRefusal(new ParleyError('center_changed', ''))).to.equal(false);
    expect(isRefusal(new ParleyError('disconnected', ''))).to.equal(false);
    expect(isRefusal(new Error())).to.equal(false);
  });
});

describe('conversation', () => {
  const message = (id: number, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
    ...{ id, to: 'google', text: `text ${id}`, createdAtMs: 0, state: 'pending', reason: '' },
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
    const incoming = { row: 0, from: 'al', fromAccount: 1, text: '', sentAtMs: 0, receivedAtMs: 0, again: false };
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
