import { expect } from 'chai';
import fc from 'fast-check';
import type { IncomingMessage, OutgoingMessage, PeerEvent } from '../../peer/events.ts';
import { age, errorText, localTime, renderEvent } from '../../peer/render.ts';
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
