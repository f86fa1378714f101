import { expect } from 'chai';
import { all, codeOf, password, Town } from '../helpers/peers.ts';

describe('a peer with a real center', () => {
  let town: Town;

  beforeEach(async () => {
    town = await Town.open();
  });

  afterEach(() => town.close());

  describe('messages', () => {
    it('arrive, are accepted and stored', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      const sent = await seas.send('Google', 'Hello\u001b[31m.', { until: 'stored' });
      expect(sent).to.include({ id: 1, to: 'google', state: 'stored' });
      const { message } = await google.sees('message');
      expect(message).to.include({ from: 'seas', text: 'Hello.', waited: false, again: false });
      expect((await seas.sees('accepted')).message.id).to.equal(1);
      expect((await seas.sees('stored')).message.id).to.equal(1);
      expect(google.history()).to.have.length(1);
      expect(seas.history({ with: 'GOOGLE' })[0]).to.include({ direction: 'out', state: 'stored' });
      expect(seas.outbox()).to.deep.equal([]);
    });

    it('keep their order, many at once and to many', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      const lycos = await town.registered('lycos');
      const texts = Array.from({ length: 40 }, (_, index) => `message ${index}`);
      await Promise.all(
        texts.map((text, index) => seas.send(index % 2 ? 'google' : 'lycos', text, { until: 'stored' })),
      );
      expect([...lycos.texts, ...google.texts]).to.deep.equal([
        ...texts.filter((_, index) => index % 2 === 0),
        ...texts.filter((_, index) => index % 2 === 1),
      ]);
    });

    it('wait for whoever is away, who is told how many', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      await google.close();
      for (const text of ['one', 'two', 'three']) await seas.send('google', text);
      const again = town.peer();
      await again.resume('google');
      expect(await again.sees('waiting')).to.include({ count: 3 });
      const messages = [await again.sees('message'), await again.sees('message'), await again.sees('message')];
      expect(messages.map(({ message }) => message.text)).to.deep.equal(['one', 'two', 'three']);
      expect(messages.map(({ message }) => message.waited)).to.deep.equal([true, true, true]);
      await seas.sees('stored', ({ message }) => message.text === 'three');
    });

    it('tell that they were stored also if their sender was away then', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      await google.close();
      await seas.send('google', 'Hello');
      await seas.close();
      const again = await town.loggedIn('google');
      await again.sees('message');
      const back = town.peer();
      await back.resume('seas');
      await back.sees('stored');
      expect(back.history()[0]).to.include({ state: 'stored' });
    });

    it('are refused for good: no such name, blocked; what comes later goes', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      expect(await codeOf(seas.send('nobody', 'Hello'))).to.equal('unknown_account');
      expect((await seas.sees('failed')).message).to.include({ to: 'nobody', state: 'failed' });
      await google.block('seas');
      const refused = [seas.send('google', 'one'), seas.send('google', 'two')].map(codeOf);
      expect(await Promise.all(refused)).to.deep.equal(['blocked', 'blocked']);
      await google.unblock('seas');
      await seas.send('google', 'three', { until: 'stored' });
      expect(google.texts).to.deep.equal(['three']);
    });

    it('are refused at once if they are empty, too long, or no text', async () => {
      const seas = await town.registered('seas');
      expect(await codeOf(seas.send('seas', ''))).to.equal('empty_body');
      expect(await codeOf(seas.send('seas', 'ä'.repeat(8193)))).to.equal('body_too_long');
      expect(await codeOf(seas.send('seas', '\ud800'))).to.equal('bad_text');
      expect(await codeOf(seas.send('no body', 'Hello'))).to.equal('bad_name');
      expect((await seas.send('seas', 'ä'.repeat(8192), { until: 'stored' })).state).to.equal('stored');
    });

    it('stay in the outbox while the mailbox is full, and go when there is room', async function () {
      this.timeout(60_000);
      const small = await Town.open({ limits: { mailboxMessages: 10, mailboxSenderShare: 1 } });
      try {
        const seas = await small.registered('seas');
        const google = await small.registered('google');
        await google.close();
        const texts = Array.from({ length: 12 }, (_, index) => `message ${index}`);
        const sent = texts.map((text) => seas.send('google', text));
        const delayed = await seas.sees('delayed');
        expect(delayed).to.include({ code: 'mailbox_full' });
        expect(delayed.message.text).to.equal('message 10');
        await seas.sees('accepted', ({ message }) => message.text === 'message 9');
        expect(seas.outbox().map(({ text }) => text)).to.deep.equal(['message 10', 'message 11']);
        const again = small.peer();
        await again.resume('google');
        await Promise.all(sent);
        await again.sees('message', ({ message }) => message.text === 'message 11');
        expect(again.texts).to.deep.equal(texts.slice(0, -1));
      } finally {
        await small.close();
      }
    });

    it('are held back under hold, and fetched on demand', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google', { hold: true });
      for (const text of ['one', 'two', 'three']) await seas.send('google', text);
      expect(google.texts).to.deep.equal([]);
      expect(await google.inbox(2)).to.deep.equal({ coming: 2 });
      await google.sees('message', ({ message }) => message.text === 'two');
      expect(google.texts).to.deep.equal(['one']);
      expect(await google.hold(false)).to.have.property('waiting');
      await google.sees('message', ({ message }) => message.text === 'three');
    });

    it('can be broadcast, once, with the count of those who got it', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      const lycos = await town.registered('lycos');
      await lycos.block('seas');
      expect(await seas.broadcast('hi all')).to.deep.equal({ handed: 1, leftOut: 1 });
      expect(await google.sees('broadcast')).to.include({ from: 'seas', text: 'hi all' });
    });

    it('come by async iteration, and are flagged shown when the next is asked for', async () => {
      const seas = await town.registered('seas');
      const { Peer } = await import('../../peer/index.ts');
      const options = { ...town.address, dataDir: town.dataDir };
      const bot = new Peer(options);
      await bot.register('bot', password);
      for (const text of ['one', 'two', 'three']) await seas.send('bot', text, { until: 'stored' });
      const texts: string[] = [];
      for await (const { text } of bot.messages()) {
        texts.push(text);
        if (texts.length === 2) break;
      }
      expect(texts).to.deep.equal(['one', 'two']);
      await bot.close();
      const again = town.peer();
      await again.resume('bot');
      expect((await again.sees('message')).message).to.include({ text: 'three', again: true });
    });
  });

  describe('people', () => {
    it('come and go', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google');
      expect(await seas.sees('presence')).to.include({ name: 'google', online: true });
      const online = await all(seas.online());
      expect(online).to.deep.equal([{ name: 'google', online: true }]);
      await google.close();
      expect(await seas.sees('presence')).to.include({ name: 'google', online: false });
      expect((await all(seas.users('go*'))).map(({ name }) => name)).to.deep.equal(['google']);
      expect(await codeOf(all(seas.users('/(/')))).to.equal('bad_pattern');
      await seas.block('google');
      expect((await all(seas.blocked())).map(({ name }) => name)).to.deep.equal(['google']);
      expect(await codeOf(seas.block('nobody'))).to.equal('unknown_account');
    });
  });

  describe('the account', () => {
    it('gets a new password, and a token that is good for resume', async () => {
      const seas = await town.registered('seas');
      expect(await codeOf(seas.passwd('wrong one', 'autumniscoming'))).to.equal('bad_credentials');
      await seas.passwd(password, 'autumniscoming');
      await seas.close();
      await town.peer().resume('seas');
      expect(await codeOf(town.peer().login('seas', password))).to.equal('bad_credentials');
      await town.peer().login('seas', 'autumniscoming');
    });

    it('is deleted when the mailbox is empty', async () => {
      const seas = await town.registered('seas');
      await seas.deleteAccount(password);
      expect(await seas.sees('ended')).to.include({ code: 'account_deleted' });
      expect(await codeOf(town.peer().login('seas', password))).to.equal('bad_credentials');
    });

    it('drains its mailbox first, even under hold', async () => {
      const seas = await town.registered('seas');
      const google = await town.registered('google', { hold: true });
      await seas.send('google', 'before you go');
      await google.deleteAccount(password);
      expect(google.texts).to.deep.equal(['before you go']);
      await seas.sees('stored');
    });

    it('is not deleted with a wrong password', async () => {
      const seas = await town.registered('seas');
      expect(await codeOf(seas.deleteAccount('not the password'))).to.equal('bad_credentials');
      await seas.send('seas', 'still here', { until: 'stored' });
    });
  });

  it('ends by its signal', async () => {
    const abort = new AbortController();
    const seas = await town.registered('seas', { signal: abort.signal });
    const events = all(seas.events());
    abort.abort();
    await events;
    expect(seas.state).to.equal('ended');
    await town.peer().resume('seas');
  });
});
