import { expect } from 'chai';
import type { OutgoingMessage } from '../../peer/events.ts';
import { renderReply } from '../../peer/render-reply.ts';

const receivedAtMs = new Date(2026, 10, 21, 9, 14).getTime();

const outgoing = (more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  ...{ id: 3, to: 'google', text: 'Hello', createdAtMs: receivedAtMs, state: 'pending', reason: '', private: false },
  ...more,
});

describe('lines of replies', () => {
  const text = (reply: Parameters<typeof renderReply>[0]) => renderReply(reply, 61_000).map((one) => one.text);

  it('say whom a broadcast left out', () => {
    expect(text({ reply: 'broadcast', text: 'hi', handed: 2, leftOut: 0 })).to.deep.equal([
      '(all) to 2 recipients: hi',
    ]);
    expect(text({ reply: 'broadcast', text: 'hi', handed: 1, leftOut: 1 })).to.deep.equal([
      '(all) to 1 recipient: hi',
      'Your message could not be delivered to some recipients.',
    ]);
    expect(text({ reply: 'broadcast', text: 'hi', handed: 0, leftOut: 0 })).to.deep.equal(['Nobody else is online.']);
  });

  it('list people', () => {
    const people = [
      { name: 'al', online: true },
      { name: 'bo', online: false },
    ];
    expect(text({ reply: 'online', people: people.slice(0, 1), more: false })).to.deep.equal([
      '1 account is online:',
      '  al',
    ]);
    expect(text({ reply: 'users', people, more: true })).to.deep.equal([
      '2 accounts:',
      '  al (online)',
      '  bo',
      '  … and more: narrow it down with users PATTERN.',
    ]);
    expect(text({ reply: 'blocked', people: [], more: false })).to.deep.equal(['You have blocked nobody.']);
  });

  it('list the outbox with number, age and reason', () => {
    const messages = [outgoing({ createdAtMs: 0, reason: 'the mailbox of google is full' })];
    expect(text({ reply: 'outbox', messages })).to.deep.equal([
      '1 message is not accepted yet:',
      '  3  (1 min, the mailbox of google is full) to google: Hello',
    ]);
  });

  it('show history as it was said', () => {
    const at = { atMs: receivedAtMs, with: 'google', private: false };
    expect(
      text({
        reply: 'history',
        lines: [
          { ...at, row: 1, direction: 'in', text: 'Hi', state: null },
          { ...at, row: 2, direction: 'out', text: 'Hello', state: 'accepted' },
          { ...at, row: 3, direction: 'out', text: 'Well?', state: 'stored' },
        ],
      }),
    ).to.deep.equal([
      '(2026-11-21 09:14) <google>: Hi',
      '(2026-11-21 09:14) to google: Hello',
      '(stored) (2026-11-21 09:14) to google: Well?',
    ]);
  });
});
