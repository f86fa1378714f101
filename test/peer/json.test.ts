import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { peerCommands } from '../../peer/commands.ts';
import type { PeerEvent } from '../../peer/events.ts';
import { JsonWriter, parseInput, parseSignIn, requestId } from '../../peer/json.ts';

const page = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');

// A key for each type of event, so that a new one is missed here at compile time.
const eventTypes: Record<PeerEvent['type'], true> = {
  ...{
    pinned: true,
    welcome: true,
    waiting: true,
    repeated: true,
    message: true,
    broadcast: true,
    accepted: true,
    stored: true,
  },
  ...{ failed: true, delayed: true, presence: true, disconnected: true, reconnected: true, ended: true, notice: true },
  ...{ address_request: true, introduced: true, consent_ended: true, link: true, verify: true },
};

describe('JSON lines', () => {
  it('have a page that tells of every command and every event', () => {
    for (const name of [...peerCommands, ...Object.keys(eventTypes)]) expect(page).to.include(`\`${name}\``);
  });

  it('are one line each, whatever is in them', () => {
    let out = '';
    const writer = new JsonWriter((text) => {
      out += text;
    });
    writer.event({ type: 'notice', text: 'a\nb\u2028c' });
    expect(out.split('\n')).to.have.length(2);
    expect(JSON.parse(out)).to.deep.equal({ event: 'notice', text: 'a\nb\u2028c' });
  });

  it('show nothing raw that would steer a terminal, and lose none of it', () => {
    let out = '';
    const writer = new JsonWriter((text) => {
      out += text;
    });
    const text = '\u001b[31m \u009b31m \u202eabc\u2066 \u007f 日本';
    writer.event({ type: 'notice', text });
    expect(out.slice(0, -1)).not.to.match(/[\p{Cc}\p{Bidi_Control}]/u);
    expect(out).to.include('日本');
    expect(JSON.parse(out)).to.deep.equal({ event: 'notice', text });
  });

  it('are read as commands', () => {
    expect(parseInput('{"command":"block","name":"al","id":3}')).to.deep.equal({ command: 'block', name: 'al' });
    expect(parseInput('block al')).to.deep.equal({ command: 'block', name: 'al' });
    expect(parseInput('')).to.equal(null);
    for (const wrong of ['{', '{"command":"block","name":"al","id":{}}', '{"id":1}']) {
      expect(() => parseInput(wrong), wrong).to.throw();
    }
  });

  it('give their id even where they are wrong', () => {
    expect(requestId('{"id":7,"command":"x"}')).to.equal(7);
    expect(requestId('{"id":[]}')).to.equal(undefined);
    expect(requestId('{')).to.equal(undefined);
    expect(requestId('online')).to.equal(undefined);
  });

  it('sign in', () => {
    const login = { how: 'login', name: 'seas', password: 'summer' };
    expect(parseSignIn('{"command":"login","name":"seas","password":"summer"}')).to.deep.equal(login);
    expect(parseSignIn('seas')).to.equal(null);
    expect(() => parseSignIn('{"command":"login","name":"seas"}')).to.throw('"name" and "password"');
    expect(() => parseSignIn('{"command":"online"}')).to.throw('Sign in first');
  });
});
