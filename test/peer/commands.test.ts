import { expect } from 'chai';
import { helpLines, parseLine, parseObject, peerCommands } from '../../peer/commands.ts';
import { CommandError } from '../../peer/fields.ts';
import { maxConsentMs } from '../../peer/link-commands.ts';
import { commandNames } from '../../shared/names.ts';

function fails(line: string, ...parts: string[]): void {
  const found = expect(() => parseLine(line)).to.throw(CommandError);
  for (const part of parts) found.with.property('message').that.includes(part);
}

describe('commands', () => {
  it('are all reserved, so that no account has the name of one', () => {
    for (const name of peerCommands) expect(commandNames).to.include(name);
  });

  it('are read bare and with a slash, whatever their case', () => {
    const command = { command: 'message', to: 'google', text: 'Hello' };
    expect(parseLine('message google Hello')).to.deep.equal(command);
    expect(parseLine('/message google Hello')).to.deep.equal(command);
    expect(parseLine('  Message google Hello')).to.deep.equal(command);
  });

  it('keep the rest of a message as it is', () => {
    expect(parseLine('message google  two  blanks \n and a line ')).to.deep.equal({
      command: 'message',
      to: 'google',
      text: ' two  blanks \n and a line ',
    });
    expect(parseLine('broadcast hi  all')).to.deep.equal({ command: 'broadcast', text: 'hi  all' });
  });

  it('are read with their arguments', () => {
    expect(parseLine('users al*')).to.deep.equal({ command: 'users', pattern: 'al*' });
    expect(parseLine('users /^a b/')).to.deep.equal({ command: 'users', pattern: '/^a b/' });
    expect(parseLine('users')).to.deep.equal({ command: 'users', pattern: '' });
    expect(parseLine('block google')).to.deep.equal({ command: 'block', name: 'google' });
    expect(parseLine('inbox')).to.deep.equal({ command: 'inbox', limit: 0 });
    expect(parseLine('inbox 7')).to.deep.equal({ command: 'inbox', limit: 7 });
    expect(parseLine('hold')).to.deep.equal({ command: 'hold', on: true });
    expect(parseLine('hold off')).to.deep.equal({ command: 'hold', on: false });
    expect(parseLine('cancel 3')).to.deep.equal({ command: 'cancel', number: 3 });
    expect(parseLine('history')).to.deep.equal({ command: 'history', with: '', limit: 20 });
    expect(parseLine('history 5')).to.deep.equal({ command: 'history', with: '', limit: 5 });
    expect(parseLine('history google 5')).to.deep.equal({ command: 'history', with: 'google', limit: 5 });
    expect(parseLine('passwd')).to.deep.equal({ command: 'passwd' });
    expect(parseLine('delete-account')).to.deep.equal({ command: 'delete-account', discardOutbox: false });
  });

  it('of private links are read with their arguments', () => {
    for (const command of ['getaddress', 'deny', 'revoke', 'why', 'trust', 'untrust']) {
      expect(parseLine(`${command} google`)).to.deep.equal({ command, name: 'google' });
    }
    for (const command of ['consents', 'links']) expect(parseLine(command)).to.deep.equal({ command });
    expect(parseLine('private google  Hello. ')).to.deep.equal({ command: 'private', to: 'google', text: ' Hello. ' });
    expect(parseLine('verify google')).to.deep.equal({ command: 'verify', name: 'google', confirmed: false });
    expect(parseLine('verify google Yes')).to.deep.equal({ command: 'verify', name: 'google', confirmed: true });
  });

  it('allow for a time, a day, or once', () => {
    const allow = (forMs: number, once = false) => ({ command: 'allow', name: 'seas', forMs, once });
    expect(parseLine('allow seas')).to.deep.equal(allow(0));
    expect(parseLine('allow seas once')).to.deep.equal(allow(0, true));
    expect(parseLine('allow seas 30m')).to.deep.equal(allow(1_800_000));
    expect(parseLine('allow seas 1h')).to.deep.equal(allow(3_600_000));
    expect(parseLine('allow seas 2D')).to.deep.equal(allow(172_800_000));
    expect(parseLine('allow seas 365d')).to.deep.equal(allow(maxConsentMs));
    expect(parseObject({ command: 'allow', name: 'seas', for: '1h' })).to.deep.equal(allow(3_600_000));
    for (const wrong of ['0m', '366d', '1', 'h', '1w', '1.5h', '-1h', 'twice', '9999999m']) {
      fails(`allow seas ${wrong}`, `"${wrong}" is not a time of one minute to 365 days`, 'Usage: allow NAME');
    }
  });

  it('are nothing for a blank line', () => {
    expect(parseLine('')).to.equal(null);
    expect(parseLine(' \t ')).to.equal(null);
  });

  it('that are unknown are never messages, and the nearest is suggested', () => {
    fails('mesage google Hello', 'Unknown command: mesage', 'Did you mean message?');
    fails('Hello everybody', 'Unknown command: Hello');
    fails('xyzzy', 'help lists the commands');
    fails('search google', 'Unknown command');
    fails('constructor', 'Unknown command');
    fails('/', 'Unknown command');
  });

  it('say what is missing, wrong or too much', () => {
    fails('message', 'The name is missing', 'message NAME TEXT');
    fails('message google', 'The text is missing');
    fails('broadcast', 'The text is missing');
    fails('block', 'The name is missing');
    fails('cancel', 'A number is missing');
    fails('cancel all', '"all" is not a number');
    fails('inbox 0', 'not a number');
    fails('inbox 99999999', 'not a number');
    fails('hold perhaps', 'neither on nor off');
    fails('online now', '"now" is too much');
    fails('block a b', '"b" is too much');
    fails('history google 5 x', '"x" is too much');
    fails('getaddress', 'The name is missing', 'getaddress NAME');
    fails('private google', 'The text is missing', 'private NAME TEXT');
    fails('verify google no', '"no" is not yes.');
    fails('allow seas 1h 2h', '"2h" is too much');
  });

  it('come as objects too', () => {
    expect(parseObject({ command: 'message', to: 'google', text: 'a\nb' })).to.deep.equal({
      command: 'message',
      to: 'google',
      text: 'a\nb',
    });
    expect(parseObject({ command: 'hold', on: false })).to.deep.equal({ command: 'hold', on: false });
    expect(parseObject({ command: 'inbox', limit: 3 })).to.deep.equal({ command: 'inbox', limit: 3 });
    expect(parseObject({ command: 'passwd', old: 'a', new: 'b' })).to.deep.equal({
      command: 'passwd',
      old: 'a',
      new: 'b',
    });
  });

  it('refuse objects that are wrong', () => {
    const wrong: Record<string, unknown>[] = [
      {},
      { command: 7 },
      { command: 'message', to: 7, text: 'x' },
      { command: 'message', to: 'google' },
      { command: 'message', to: 'google', text: 'x', extra: 1 },
      { command: 'inbox', limit: 1.5 },
      { command: 'hold', on: 'maybe' },
      { command: '__proto__' },
    ];
    for (const object of wrong) expect(() => parseObject(object), JSON.stringify(object)).to.throw(CommandError);
  });

  it('are explained by help', () => {
    const all = helpLines('').join('\n');
    for (const name of peerCommands) expect(all).to.include(name);
    expect(helpLines('message')[0]).to.equal('message NAME TEXT');
    expect(() => helpLines('mesage')).to.throw('Did you mean message?');
  });
});
