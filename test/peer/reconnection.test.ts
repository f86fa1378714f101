import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, globSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import sinon from 'sinon';
import { Tickets } from '../../center/tickets.ts';
import { Connection } from '../../peer/connection.ts';
import { Desk } from '../../peer/desk.ts';
import { OwnPort } from '../../peer/own-port.ts';
import { ParleyError } from '../../shared/errors.ts';
import { Cable } from '../helpers/cable.ts';
import { codeOf, type HeardPeer, password, Town } from '../helpers/peers.ts';

describe('a peer that loses its center', () => {
  let town: Town;
  let cable: Cable;

  beforeEach(async () => {
    town = await Town.open();
    cable = await Cable.to(town.address.port);
  });

  afterEach(async () => {
    sinon.restore();
    cable.plug();
    await town.close();
    cable.close();
  });

  async function cut(peer: HeardPeer): Promise<void> {
    cable.unplug();
    await peer.sees('disconnected');
  }

  it('takes messages meanwhile, comes back by itself, and sends them in order', async () => {
    const google = await town.registered('google');
    const seas = await town.registered('seas', { port: cable.port });
    await cut(seas);
    expect(seas.state).to.equal('connecting');
    const texts = ['one', 'two', 'three'];
    for (const text of texts)
      expect(await seas.send('google', text, { until: 'outbox' })).to.include({ state: 'pending' });
    expect(seas.outbox().map(({ text }) => text)).to.deep.equal(texts);
    expect(seas.outbox()[0]).to.include({ reason: 'no connection to the center' });
    expect(await codeOf(seas.broadcast('hi all'))).to.equal('disconnected');
    cable.plug();
    await seas.sees('reconnected');
    await seas.sees('stored', ({ message }) => message.text === 'three');
    expect(google.texts).to.deep.equal(texts);
  });

  it('ends, and says why, where the next token cannot be kept', async () => {
    const seas = await town.registered('seas', { port: cable.port });
    sinon.stub(Desk.prototype, 'saveToken').throws(new ParleyError('bad_data', 'no room'));
    await cut(seas);
    cable.plug();
    expect(await seas.sees('ended')).to.include({ code: 'bad_data', text: 'no room' });
  });

  it('sends again what was not answered, and nothing arrives twice', async () => {
    const google = await town.registered('google');
    const seas = await town.registered('seas', { port: cable.port });
    await seas.send('google', 'one');
    cable.deafen();
    const sent = [seas.send('google', 'two'), seas.send('google', 'three')];
    await google.sees('message', ({ message }) => message.text === 'three');
    expect(seas.outbox().map(({ reason }) => reason)).to.deep.equal(['sent, no answer yet', 'sent, no answer yet']);
    await cut(seas);
    expect(seas.outbox()).to.have.length(2);
    cable.plug();
    expect((await Promise.all(sent)).map(({ state }) => state)).to.deep.equal(['accepted', 'accepted']);
    await seas.send('google', 'four', { until: 'stored' });
    expect(google.texts).to.deep.equal(['one', 'two', 'four']);
  });

  it('does not send a broadcast again whose answer was lost, and says so', async () => {
    const google = await town.registered('google');
    const seas = await town.registered('seas', { port: cable.port });
    cable.deafen();
    const sent = seas.broadcast('hi all').catch((error: Error) => error);
    await google.sees('broadcast');
    await cut(seas);
    expect(await sent)
      .to.include({ code: 'disconnected' })
      .and.to.have.property('message')
      .that.includes('is not sent again');
    cable.plug();
    await seas.sees('reconnected');
    await seas.send('google', 'after', { until: 'stored' });
    expect(google.heard.filter(({ type }) => type === 'broadcast')).to.deep.equal([]);
  });

  it('acknowledges what came again, and shows it once', async () => {
    const seas = await town.registered('seas');
    const google = await town.registered('google', { port: cable.port });
    await seas.send('google', 'one', { until: 'stored' });
    await cut(google);
    await seas.send('google', 'two');
    cable.plug();
    await google.sees('message', ({ message }) => message.text === 'two' && message.waited);
    await seas.sees('stored', ({ message }) => message.text === 'two');
    expect(google.texts).to.deep.equal(['one']);
  });

  it('resumes after a restart of the center without a password, and nothing is lost or repeated', async () => {
    const seas = await town.registered('seas');
    const google = await town.registered('google');
    await seas.send('google', 'before', { until: 'stored' });
    seas.heard.length = 0;
    await town.center.stop();
    await Promise.all([seas.sees('disconnected'), google.sees('disconnected')]);
    const sent = seas.send('google', 'meanwhile', { until: 'stored' });
    await town.start();
    await Promise.all([seas.sees('reconnected'), google.sees('reconnected')]);
    await sent;
    expect(google.texts).to.deep.equal(['before', 'meanwhile']);
    expect(seas.heard.filter(({ type }) => type === 'presence')).to.deep.equal([]);
  });

  for (const plain of [false, true]) {
    it(`needs no signature to come back ${plain ? 'over plain TCP' : 'over TLS'}`, async () => {
      await town.close();
      cable.close();
      town = await Town.open({ plain });
      cable = await Cable.to(town.address.port);
      const signing = sinon.spy(Connection.prototype, 'prove');
      const seas = await town.registered('seas', { port: cable.port });
      const proofs = async (): Promise<string[]> => {
        await cut(seas);
        cable.plug();
        await seas.sees('reconnected');
        return Object.keys(signing.lastCall.returnValue);
      };
      const byTicket = plain ? ['key', 'mac'] : ['key'];
      expect(await proofs()).to.deep.equal(byTicket);
      expect(await proofs()).to.deep.equal(byTicket);
      // The next token comes without one.
      await seas.passwd(password, 'winteriscoming');
      expect(await proofs()).to.deep.equal(['key', 'signature']);
      expect(await proofs()).to.deep.equal(byTicket);
    });
  }

  for (const [why, failing] of [
    ['finds another secret in it', () => ({ secret: randomBytes(32), tokenHash: randomBytes(32) })],
    ['fails in reading it', sinon.stub().throws(new Error('a bug'))],
  ] as const) {
    it(`signs where TLS that began with its ticket failed: the center ${why}`, async () => {
      const seas = await town.registered('seas', { port: cable.port });
      const open = sinon.stub(Tickets.prototype, 'open').callsFake(failing);
      await cut(seas);
      cable.plug();
      await seas.sees('reconnected');
      expect(open.callCount).to.equal(1);
      expect(town.center.counts.connections).to.equal(1);
    });
  }

  for (const plain of [false, true]) {
    it(`comes back from a machine with many addresses ${plain ? 'over plain TCP' : 'over TLS'}`, async () => {
      await town.close();
      cable.close();
      town = await Town.open({ plain });
      cable = await Cable.to(town.address.port);
      const addresses = Array.from({ length: 500 }, (_, index) => `fd12:3456:789a:bcde:f012:3456:789a:${1000 + index}`);
      sinon.stub(OwnPort.prototype, 'addresses').get(() => addresses);
      const seas = await town.registered('seas', { port: cable.port, listen: { host: '127.0.0.1', port: 0 } });
      await cut(seas);
      cable.plug();
      await seas.sees('reconnected');
    });
  }

  it('does not write its token again when it comes back with the same', async () => {
    const seas = await town.registered('seas', { port: cable.port });
    const [file] = globSync(join(town.dataDir, 'centers/*/accounts/*/token'));
    const written = statSync(file!).ino;
    await cut(seas);
    cable.plug();
    await seas.sees('reconnected');
    expect(statSync(file!).ino).to.equal(written);
  });

  it('ends as one that was displaced when the account logged in elsewhere meanwhile', async () => {
    const seas = await town.registered('seas', { port: cable.port });
    await cut(seas);
    await town.loggedIn('seas', { dataDir: join(town.path, 'elsewhere') });
    const waiting = codeOf(seas.send('seas', 'unsent'));
    cable.plug();
    expect(await seas.sees('ended')).to.include({ code: 'displaced', unsent: 1 });
    expect(await waiting).to.equal('displaced');
  });

  it('does not come back to a center with another key', async () => {
    const seas = await town.registered('seas', { port: cable.port });
    await cut(seas);
    await town.center.stop();
    rmSync(town.center.dataDir, { recursive: true });
    await town.start();
    cable.plug();
    const ended = await seas.sees('ended');
    expect(ended.code).to.equal('center_changed');
    expect(ended.text).to.match(/remove line 1 of .*known_centers/);
  });

  describe('cancelling', () => {
    it('is possible for what was never sent', async () => {
      const google = await town.registered('google');
      const seas = await town.registered('seas', { port: cable.port });
      await cut(seas);
      const one = codeOf(seas.send('google', 'one'));
      const two = await seas.send('google', 'two', { until: 'outbox' });
      expect(await seas.cancel(1)).to.include({ id: 1, state: 'failed', reason: 'cancelled' });
      expect(await one).to.equal('cancelled');
      cable.plug();
      await seas.sees('stored', ({ message }) => message.id === two.id);
      expect(google.texts).to.deep.equal(['two']);
      expect(await codeOf(seas.cancel(1))).to.equal('wrong_state');
      expect(await codeOf(seas.cancel(2))).to.equal('already_accepted');
      expect(await codeOf(seas.cancel(3))).to.equal('wrong_state');
    });

    it('says that nobody can know while the center is away', async () => {
      const google = await town.registered('google');
      const seas = await town.registered('seas', { port: cable.port });
      await seas.send('google', 'one');
      cable.deafen();
      const sent = seas.send('google', 'two');
      await google.sees('message', ({ message }) => message.text === 'two');
      await cut(seas);
      expect(await codeOf(seas.cancel(2))).to.equal('disconnected');
      cable.plug();
      expect(await sent).to.include({ state: 'accepted' });
    });

    it('takes back what the center has refused for now, and lets the later ones go', async () => {
      const small = await Town.open({ limits: { mailboxMessages: 4, mailboxSenderShare: 1 } });
      try {
        const seas = await small.registered('seas');
        const google = await small.registered('google');
        await google.close();
        const sent = Array.from({ length: 6 }, (_, index) => seas.send('google', `message ${index}`));
        const cancelled = codeOf(sent[4]!);
        const { message } = await seas.sees('delayed');
        expect(message.text).to.equal('message 4');
        const again = small.peer();
        await again.resume('google');
        await seas.sees('stored', ({ message }) => message.text === 'message 3');
        expect(await seas.cancel(message.id)).to.include({ state: 'failed' });
        expect(await cancelled).to.equal('cancelled');
        await sent[5];
        await again.sees('message', ({ message }) => message.text === 'message 5');
        expect(again.texts).to.deep.equal(['message 0', 'message 1', 'message 2', 'message 3']);
      } finally {
        await small.close();
      }
    });
  });

  it('refuses to delete the account while the outbox holds anything, unless told to', async () => {
    const seas = await town.registered('seas', { port: cable.port });
    await cut(seas);
    await seas.send('seas', 'unsent', { until: 'outbox' });
    const error = await seas.deleteAccount(password).catch((error) => error);
    expect(error.code).to.equal('wrong_state');
    expect(error.message).to.contain('1 to seas');
    expect(await codeOf(seas.deleteAccount(password, { discardOutbox: true }))).to.equal('disconnected');
  });

  it('takes a new outbox when its data came from an old backup', async () => {
    const google = await town.registered('google');
    const seas = await town.registered('seas');
    await seas.send('google', 'one', { until: 'stored' });
    await seas.close();
    const backup = join(town.path, 'backup');
    cpSync(town.dataDir, backup, { recursive: true });
    const later = town.peer();
    await later.resume('seas');
    await later.send('google', 'two', { until: 'stored' });
    await later.close();
    const restored = await town.loggedIn('seas', { dataDir: backup });
    await restored.send('google', 'three', { until: 'stored' });
    expect(google.texts).to.deep.equal(['one', 'two', 'three']);
  });

  describe('and is killed', () => {
    let child: ChildProcess;

    afterEach(() => child.kill('SIGKILL'));

    async function crashing(code: string): Promise<string> {
      const script = `
        const { Peer } = await import(${JSON.stringify(new URL('../../peer/peer.ts', import.meta.url).href)});
        const peer = new Peer(${JSON.stringify({ ...town.address, dataDir: town.dataDir })});
        ${code}`;
      child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout!.on('data', (text) => {
        output += text;
      });
      // Not when it has ended, but when all that it said is here.
      await once(child, 'close');
      return output;
    }

    it('shows again what it may not have shown, marked so, and nothing else twice', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      await google.close();
      for (const text of ['one', 'two', 'three']) await seas.send('google', text);
      // Dies while showing the second: the first is done with when the second is asked for.
      const output = await crashing(`
        await peer.resume('google');
        for await (const { text } of peer.messages()) {
          console.log(text);
          await new Promise((resolve) => setTimeout(resolve, 300));
          if (text === 'two') process.kill(process.pid, 'SIGKILL');
        }`);
      expect(output).to.equal('one\ntwo\n');
      await seas.sees('stored', ({ message }) => message.text === 'three');
      const again = town.peer();
      await again.resume('google');
      await again.sees('message', ({ message }) => message.text === 'three' && message.again);
      expect(again.texts).to.deep.equal(['two']);
      expect(again.history().map(({ text }) => text)).to.deep.equal(['one', 'two', 'three']);
    });

    it('sends what was in its outbox at the next login', async () => {
      const google = await town.registered('google');
      const seas = await town.registered('seas');
      await seas.close();
      await crashing(`
        await peer.resume('seas');
        for (let i = 0; i < 100; i++) peer.send('google', 'message ' + i, { until: 'outbox' }).catch(() => {});
        await peer.send('google', 'last', { until: 'outbox' });
        process.kill(process.pid, 'SIGKILL');`);
      const again = town.peer();
      await again.resume('seas');
      await google.sees('message', ({ message }) => message.text === 'last');
      expect(google.texts).to.deep.equal(Array.from({ length: 100 }, (_, index) => `message ${index}`));
    });
  });
});
