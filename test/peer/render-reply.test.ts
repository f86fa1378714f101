import { expect } from 'chai';
import type { LinkInfo, OutgoingMessage } from '../../peer/events.ts';
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
      '1 other account is online:',
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
    const at = { atMs: receivedAtMs, with: 'google', reason: '', private: false };
    expect(
      text({
        reply: 'history',
        lines: [
          { ...at, row: 1, direction: 'in', text: 'Hi', state: null },
          { ...at, row: 2, direction: 'out', text: 'Hello', state: 'accepted' },
          { ...at, row: 3, direction: 'out', text: 'Well?', state: 'stored' },
          { ...at, row: 4, direction: 'out', text: 'Hey', state: 'failed', reason: 'cancelled' },
          { ...at, row: 5, direction: 'out', text: 'Hey!', state: 'failed', reason: 'blocked' },
        ],
      }),
    ).to.deep.equal([
      '(2026-11-21 09:14) <google>: Hi',
      '(2026-11-21 09:14) to google: Hello',
      '(stored) (2026-11-21 09:14) to google: Well?',
      '(withdrawn) (2026-11-21 09:14) to google: Hey',
      '(failed) (2026-11-21 09:14) to google: Hey!',
    ]);
  });

  it('of requests and consents say what they mean', () => {
    expect(text({ reply: 'getaddress', name: 'google', linked: false })).to.deep.equal([
      'Request has been sent.',
      'If google allows it, each of you is shown the other’s address.',
    ]);
    expect(text({ reply: 'getaddress', name: 'google', linked: true })).to.deep.equal([
      'Request has been sent.',
      'You two are linked already: private google TEXT.',
    ]);
    const allowed = (forMs: number, once = false) => text({ reply: 'allow', name: 'seas', forMs, once })[0];
    const rest = 'and each of you is shown the other’s address. revoke seas ends it.';
    expect(allowed(0)).to.equal(`seas may link with you for a day, ${rest}`);
    expect(allowed(5_400_000)).to.equal(`seas may link with you for 90 minutes, ${rest}`);
    expect(allowed(3_600_000)).to.equal(`seas may link with you for 1 hour, ${rest}`);
    expect(allowed(172_800_000)).to.equal(`seas may link with you for 2 days, ${rest}`);
    expect(allowed(0, true)).to.equal(`seas may link with you until one of you logs out, ${rest}`);
    expect(text({ reply: 'deny', name: 'seas', consented: false })[0]).to.include('seas is not told');
    expect(text({ reply: 'deny', name: 'seas', consented: true })).to.deep.equal([
      'There is a consent with seas already: revoke seas ends it.',
    ]);
    expect(text({ reply: 'revoke', name: 'seas', later: false })).to.deep.equal([
      'You and seas may not link any more.',
    ]);
  });

  it('list consents, aligned', () => {
    const consents = [
      { name: 'al', given: true, untilMs: receivedAtMs, once: false },
      { name: 'google', given: false, untilMs: receivedAtMs, once: true },
    ];
    expect(text({ reply: 'consents', consents, more: true })).to.deep.equal([
      'al      allowed by you  until 2026-11-21 09:14',
      'google  allows you      until one of you logs out',
      '… and more.',
    ]);
    expect(text({ reply: 'consents', consents: [], more: false })[0]).to.match(/^There are no consents\. getaddress/);
  });

  it('list links, aligned', () => {
    const link = { verified: false, sinceMs: receivedAtMs };
    const links: LinkInfo[] = [
      { ...link, name: 'al', route: 'relayed', where: '', roundTripMs: 12.4 },
      { ...link, name: 'bo', route: 'dialled back', where: '[fe80::1]:6068', roundTripMs: null },
      { ...link, name: 'google', route: 'direct', where: '127.0.0.1:6068', roundTripMs: 0.42, verified: true },
    ];
    expect(text({ reply: 'links', links })).to.deep.equal([
      'al      relayed       through the center  12 ms   unverified  since 2026-11-21 09:14',
      'bo      dialled back  [fe80::1]:6068      -       unverified  since 2026-11-21 09:14',
      'google  direct        127.0.0.1:6068      0.4 ms  verified    since 2026-11-21 09:14',
    ]);
    expect(text({ reply: 'links', links: links.slice(2) })).to.deep.equal([
      'google  direct  127.0.0.1:6068  0.4 ms  verified  since 2026-11-21 09:14',
    ]);
    expect(text({ reply: 'links', links: [] })[0]).to.include('getaddress NAME asks for one');
  });

  it('of links are safe to show', () => {
    expect(text({ reply: 'why', name: 'google', lines: ['one\ntwo', '\x1b[31mred'] })).to.deep.equal([
      'one\n    two',
      'red',
    ]);
    expect(text({ reply: 'verify', name: 'google', confirmed: false })[0]).to.include('six digits');
    expect(text({ reply: 'verify', name: 'google', confirmed: true })).to.deep.equal(['google is verified.']);
    expect(text({ reply: 'trust', name: 'google' })).to.deep.equal(['The machine that google uses now is trusted.']);
    expect(text({ reply: 'untrust', name: 'google' })[0]).to.include('until trust google');
    expect(text({ reply: 'private', message: outgoing({ private: true }), linked: false })).to.deep.equal([]);
  });

  it('mark private messages in outbox and history', () => {
    const message = outgoing({ createdAtMs: 0, reason: 'waiting for google’s consent', private: true });
    expect(text({ reply: 'outbox', messages: [message] })).to.deep.equal([
      '1 message is still in the outbox:',
      '  3  (1 min, waiting for google’s consent) (private) to google: Hello',
    ]);
    expect(text({ reply: 'cancel', message })).to.deep.equal(['Withdrawn: (private) to google: Hello']);
    const at = { atMs: receivedAtMs, with: 'google', reason: '', private: true };
    expect(
      text({
        reply: 'history',
        lines: [
          { ...at, row: 1, direction: 'in', text: 'Hi', state: null },
          { ...at, row: 2, direction: 'out', text: 'Hello', state: 'stored' },
          { ...at, row: 3, direction: 'out', text: 'Well?', state: 'pending' },
        ],
      }),
    ).to.deep.equal([
      '(2026-11-21 09:14) (private) <google>: Hi',
      '(2026-11-21 09:14) (private) to google: Hello',
      '(pending) (2026-11-21 09:14) (private) to google: Well?',
    ]);
  });
});
