import { expect } from 'chai';
import { Peer } from '../../peer/index.ts';
import { codeOf, password, Town } from '../helpers/peers.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';

describe('delivery to a peer', () => {
  let town: Town;
  const open: Peer[] = [];

  /** Without the listener of the others: what it does not take waits. */
  async function silent(name: string, history = true): Promise<Peer> {
    const peer = new Peer({ ...town.address, dataDir: town.dataDir, history });
    open.push(peer);
    await peer.register(name, password);
    return peer;
  }

  beforeEach(async () => {
    town = await Town.open({ limits: { messagesPerSecond: 0 } });
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((peer) => peer.close()));
    await town.close();
  });

  it('does not grow without bound while nobody takes the messages, and loses none', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('bot');
    const count = 3000;
    const sent = Array.from({ length: count }, (_, index) => seas.send('bot', `message ${index}`));
    await Promise.all(sent);
    // Accepted by the center, but not stored by a peer that lags.
    const stored = seas.heard.filter(({ type }) => type === 'stored').length;
    expect(stored).to.be.greaterThan(0).and.lessThan(1500);
    const texts: string[] = [];
    for await (const { text } of bot.messages()) {
      texts.push(text);
      if (texts.length === count) break;
    }
    expect(texts).to.deep.equal(Array.from({ length: count }, (_, index) => `message ${index}`));
    await seas.sees('stored', ({ message }) => message.text === `message ${count - 1}`);
  });

  it('without history acknowledges what was shown', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('bot', false);
    await seas.send('bot', 'one');
    await seas.send('bot', 'two');
    const messages = bot.messages();
    expect((await messages.next()).value).to.include({ row: 0, text: 'one' });
    expect(seas.heard.filter(({ type }) => type === 'stored')).to.deep.equal([]);
    expect((await messages.next()).value).to.include({ text: 'two' });
    await seas.sees('stored', ({ message }) => message.text === 'one');
    void messages.next();
    await seas.sees('stored', ({ message }) => message.text === 'two');
    expect(bot.history().map(({ text }) => text)).to.deep.equal(['one', 'two']);
  });

  it('without history gets again what it had not shown', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('bot', false);
    await seas.send('bot', 'one');
    await bot.close();
    const again = town.peer({ history: false });
    await again.resume('bot');
    expect((await again.sees('notice')).text).to.include('what is unsent is lost');
    expect((await again.sees('message')).message).to.include({ text: 'one', waited: true });
    await seas.sees('stored');
    expect(again.history()).to.have.length(1);
  });

  it('tells the sender when the account of the recipient is removed', async () => {
    const seas = await town.registered('seas');
    expect(await codeOf(seas.send('bot', 'one'))).to.equal('unknown_account');
    const bot = await silent('bot');
    const stop = bot.on(() => undefined);
    await seas.send('bot', 'two', { until: 'stored' });
    await bot.deleteAccount(password);
    stop();
    expect(await codeOf(seas.send('bot', 'three'))).to.equal('unknown_account');
  });

  it('tells the sender of mail that waited longer than the operator allows', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('bot');
    await bot.close();
    await seas.send('bot', 'one');
    await town.center.stop();
    await town.start({ expireMailAfterMs: 1 });
    const { message, code } = await seas.sees('failed');
    expect([message.text, code]).to.deep.equal(['one', 'expired']);
    expect(seas.history()[0]).to.include({ state: 'failed' });
  });

  it('keeps apart what several readers take', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('bot');
    const readers = [bot.messages(), bot.messages()];
    await seas.send('bot', 'one', { until: 'stored' });
    for (const reader of readers) expect((await reader.next()).value).to.include({ text: 'one' });
    const ends = readers.map((reader) => reader.next());
    await bot.close();
    for (const end of await Promise.all(ends)) expect(end.done).to.equal(true);
  });

  it('is quick: many in one commit', async () => {
    const seas = await town.registered('seas');
    await town.registered('google');
    const began = performance.now();
    await Promise.all(Array.from({ length: 5000 }, (_, index) => seas.send('google', `${index}`, { until: 'stored' })));
    // A commit for each message would take longer than this on any disk that keeps its word.
    const tookMs = performance.now() - began;
    expect(tookMs).to.be.lessThan(4000 * slownessOfMachine());
  });

  it('may be closed by whoever listens to it', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('bot');
    const shown: string[] = [];
    const closed = new Promise<void>((resolve) => {
      bot.on((event) => {
        if (event.type !== 'message') return;
        shown.push(event.message.text);
        bot.close().then(resolve);
      });
    });
    const texts = ['one', 'two', 'three'];
    await Promise.all(texts.map((text) => seas.send('bot', text)));
    await closed;
    const again = town.peer();
    await again.resume('bot');
    await seas.sees('stored', ({ message }) => message.text === 'three');
    expect(again.history().map(({ text }) => text)).to.deep.equal(texts);
    expect([...shown, ...again.texts]).to.deep.equal(texts);
  });

  it('answers an echo bot of ten lines', async () => {
    const seas = await town.registered('seas');
    const bot = await silent('echo');
    const echo = (async () => {
      for await (const message of bot.messages()) await bot.send(message.from, message.text);
    })();
    await seas.send('echo', 'Is anybody there?');
    expect((await seas.sees('message')).message).to.include({ from: 'echo', text: 'Is anybody there?' });
    await bot.close();
    // Its last receipt may be under way still.
    await echo.catch((error) => expect(error).to.include({ code: 'logged_out' }));
  });
});
