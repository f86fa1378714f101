import { expect } from 'chai';
import fc from 'fast-check';
import type { IncomingMessage, OutgoingMessage, PeerEvent } from '../../peer/events.ts';
import {
  age,
  errorText,
  localTime,
  renderEvent,
  renderOutgoing,
  renderResting,
  renderRestingCount,
  renderUnsent,
} from '../../peer/render.ts';
import { ParleyError } from '../../shared/errors.ts';

const receivedAtMs = new Date(2026, 10, 21, 9, 14).getTime();

const incoming = (more: Partial<IncomingMessage> = {}): PeerEvent => ({
  type: 'message',
  message: {
    ...{ row: 1, from: 'seas', fromAccount: 7, text: 'Hello.', sentAtMs: receivedAtMs, receivedAtMs },
    ...{ waited: false, again: false, private: false },
    ...more,
  },
});

const outgoing = (more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  ...{ id: 3, to: 'google', text: 'Hello', createdAtMs: receivedAtMs, state: 'pending', reason: '', private: false },
  ...more,
});

const lines = (event: PeerEvent) => renderEvent(event).map(({ text }) => text);
const line = (event: PeerEvent) => lines(event).join('|');

describe('lines of events', () => {
  it('are the ones that scripts match', () => {
    expect(line({ type: 'welcome', name: 'seas', account: 1 })).to.equal('Welcome, seas!');
    expect(line({ type: 'presence', name: 'google', online: true })).to.equal('google has logged on.');
    expect(line({ type: 'presence', name: 'google', online: false })).to.equal('google is offline.');
    expect(line(incoming())).to.equal('<seas>: Hello.');
    expect(line({ type: 'broadcast', from: 'seas', text: 'hi all', sentAtMs: 0 })).to.equal('(all) <seas>: hi all');
    expect(line({ type: 'waiting', count: 3 })).to.equal('You have 3 messages waiting.');
    expect(line({ type: 'waiting', count: 1 })).to.equal('You have 1 message waiting.');
    expect(line({ type: 'disconnected', unsent: 3, reason: '' })).to.equal(
      'Connection lost, 3 messages will be sent later.',
    );
    expect(line({ type: 'disconnected', unsent: 0, reason: '' })).to.equal(
      'Connection lost, 0 messages will be sent later.',
    );
    expect(line({ type: 'reconnected' })).to.equal('Connected again.');
  });

  it('mark what waited and what may have been shown before', () => {
    expect(line(incoming({ waited: true }))).to.equal('(2026-11-21 09:14) <seas>: Hello.');
    expect(line(incoming({ again: true }))).to.equal('(again) <seas>: Hello.');
    expect(line(incoming({ again: true, waited: true }))).to.equal('(again) (2026-11-21 09:14) <seas>: Hello.');
  });

  it('of private links are the ones that scripts match', () => {
    expect(line({ type: 'address_request', from: 'seas' })).to.equal(
      'Request: seas wants your address. [allow seas] to accept.',
    );
    expect(line({ type: 'introduced', name: 'google' })).to.equal('You can now privately message google');
    expect(line(incoming({ private: true }))).to.equal('(private) <seas>: Hello.');
    expect(line({ type: 'verify', name: 'google', digits: '012345' })).to.equal(
      'Compare with google, by voice: 012 345. If both see the same: verify google yes',
    );
  });

  it('say in words why a consent is over', () => {
    const ended = { type: 'consent_ended', name: 'google', own: false, code: 'expired' } as const;
    expect(line({ ...ended, reason: 'The time of the consent is over.' })).to.equal(
      'You can no longer privately message google. The time of the consent is over.',
    );
  });

  it('say of a link only that it is down', () => {
    const link = (state: 'up' | 'moved' | 'down') => lines({ type: 'link', name: 'google', state, route: 'direct' });
    expect([link('up'), link('moved')]).to.deep.equal([[], []]);
    expect(link('down')).to.deep.equal(['The link with google is down; private messages wait.']);
  });

  it('keep the mark of a private message in one piece with its sender, behind all other marks', () => {
    expect(line(incoming({ private: true, again: true }))).to.equal('(again) (private) <seas>: Hello.');
    const late = { private: true, sentAtMs: receivedAtMs - 3_600_000, receivedAtMs };
    expect(line(incoming(late))).to.equal('(2026-11-21 08:14) (private) <seas>: Hello.');
    expect(line(incoming({ ...late, again: true }))).to.equal('(again) (2026-11-21 08:14) (private) <seas>: Hello.');
    expect(line(incoming({ ...late, sentAtMs: receivedAtMs - 60_000 }))).to.equal('(private) <seas>: Hello.');
  });

  it('show a private message of one’s own as stored, or marked', () => {
    const own = (state: OutgoingMessage['state']) => renderOutgoing(outgoing({ private: true, state })).text;
    expect(own('pending')).to.equal('(pending) (private) to google: Hello');
    expect(own('stored')).to.equal('(private) to google: Hello');
    expect(line({ type: 'stored', message: outgoing({ private: true, state: 'stored' }) })).to.equal(own('stored'));
    const failed = outgoing({ private: true, state: 'failed', reason: 'google has blocked you' });
    expect(line({ type: 'failed', message: failed, code: 'blocked' })).to.equal(
      'Your private message to google was not delivered. google has blocked you.\n    Hello',
    );
  });

  it('say what becomes of what is unsent', () => {
    const unsent = (keepsOutbox: boolean, ...of: boolean[]) =>
      renderUnsent(
        of.map((isPrivate) => outgoing({ private: isPrivate })),
        keepsOutbox,
      ).map(({ text }) => text);
    expect(unsent(true)).to.deep.equal([]);
    expect(unsent(true, false)).to.deep.equal(['1 message is unsent: it goes at your next login.']);
    expect(unsent(true, false, false, true)).to.deep.equal([
      '2 messages are unsent: they go at your next login.',
      '1 private message is unsent: it goes when you are linked.',
    ]);
    expect(unsent(false, true, true)).to.deep.equal([
      '2 private messages are unsent: they are lost, as --no-history keeps nothing.',
    ]);
    expect(renderRestingCount(1).text).to.equal('1 private message waits for a link: outbox lists it.');
    expect(renderResting(outgoing({ private: true })).text)
      .to.include('getaddress google')
      .and.include('why google');
  });

  it('say how many are unsent after a login elsewhere', () => {
    expect(lines({ type: 'ended', code: 'displaced', text: '', unsent: 2 })).to.deep.equal([
      'Logged on different location!',
      '2 messages are unsent; they go when you log in here again.',
    ]);
    expect(lines({ type: 'ended', code: 'displaced', text: '', unsent: 0 })[1]).to.equal('No messages are unsent.');
    expect(line({ type: 'ended', code: 'banned', text: 'You are banned', unsent: 0 })).to.equal('You are banned.');
  });

  it('show a message of one’s own with its state', () => {
    expect(line({ type: 'accepted', message: outgoing({ state: 'accepted' }) })).to.equal('to google: Hello');
    expect(line({ type: 'stored', message: outgoing({ state: 'stored' }) })).to.equal('(stored) to google: Hello');
  });

  it('say why a message was not delivered, and repeat it', () => {
    const message = outgoing({ state: 'failed', reason: 'google has blocked you', text: 'one\ntwo' });
    expect(line({ type: 'failed', message, code: 'blocked' })).to.equal(
      'Your message to google was not delivered. google has blocked you.\n    one\n    two',
    );
  });

  it('never begin with remote text, and hold no control character but newline', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    const nasty = fc.array(fc.oneof(text, fc.constantFrom('\n', '\r', '\x1b[2J', '\u202e', '\x9b')), { maxLength: 6 });
    fc.assert(
      fc.property(
        nasty.map((parts) => parts.join('')),
        (remote) => {
          const events: PeerEvent[] = [
            incoming({ text: remote }),
            incoming({ text: remote, from: remote, private: true }),
            { type: 'address_request', from: remote },
            { type: 'introduced', name: remote },
            { type: 'consent_ended', name: remote, own: false, code: 'revoked', reason: remote },
            { type: 'link', name: remote, state: 'down', route: 'direct' },
            { type: 'verify', name: remote, digits: '123456' },
            { type: 'broadcast', from: remote, text: remote, sentAtMs: 0 },
            { type: 'notice', text: remote },
            { type: 'failed', message: outgoing({ to: remote, text: remote, reason: remote }), code: 'blocked' },
            { type: 'delayed', message: outgoing({ reason: remote }), code: 'blocked', retryAfterMs: 1 },
            { type: 'ended', code: 'banned', text: remote, unsent: 1 },
          ];
          for (const event of events) {
            for (const rendered of lines(event)) {
              expect(rendered).not.to.match(/[\p{Cc}--\n]|\p{Bidi_Control}/v);
              const further = rendered.split('\n').slice(1);
              for (const row of further) expect(row.startsWith('    ')).to.equal(true);
            }
          }
        },
      ),
    );
  });
});

describe('times and errors', () => {
  it('are local, and survive nonsense', () => {
    expect(localTime(receivedAtMs)).to.equal('2026-11-21 09:14');
    expect(localTime(Number.NaN)).to.equal('at an unknown time');
  });

  it('tell an age in one unit', () => {
    expect([age(0), age(1_001), age(3_599_000), age(7_200_000), age(86_400_000), age(259_200_000)]).to.deep.equal([
      '0 s',
      '2 s',
      '59 min',
      '2 h',
      '1 day',
      '3 days',
    ]);
  });

  it('show the text of the center as it is, but safe', () => {
    const text = 'Incorrect username/password. 2 more login attempts.';
    expect(errorText(new ParleyError('bad_credentials', text))).to.equal(text);
    expect(errorText(new ParleyError('internal', 'a\x1b[31m\nb'))).to.equal('a\n    b');
  });
});
