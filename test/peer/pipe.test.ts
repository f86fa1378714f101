import { expect } from 'chai';
import type { LinkInfo } from '../../peer/events.ts';
import { exitCodes } from '../../peer/front.ts';
import { Output } from '../../peer/output.ts';
import { type PipeOptions, runPipe } from '../../peer/pipe.ts';
import { ParleyError } from '../../shared/errors.ts';
import { FakePeer } from '../helpers/fake-peer.ts';
import { until } from '../helpers/until.ts';

const blankSignIn = { user: null, password: null, register: false, invite: null, resume: false };

const link: LinkInfo = {
  ...{ name: 'google', route: 'direct', where: '127.0.0.1:6068' },
  ...{ roundTripMs: 0.42, verified: false, sinceMs: 0 },
};

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** Runs the lines through a peer in a pipe. */
async function run(input: string | AsyncIterable<Uint8Array>, more: Partial<PipeOptions> & { peer?: FakePeer } = {}) {
  const peer = more.peer ?? new FakePeer();
  let out = '';
  let diagnosed = '';
  const code = await runPipe({
    signIn: blankSignIn,
    wait: 'accepted',
    holds: false,
    json: false,
    input: typeof input === 'string' ? bytes(input) : input,
    output: new Output((text, done) => {
      out += text;
      done();
    }),
    diagnose: (text) => {
      diagnosed += text;
    },
    stop: new AbortController().signal,
    giveUpMs: 200,
    ...more,
    peer,
  });
  return {
    code,
    out,
    diagnosed,
    peer,
    calls: peer.calls,
    objects: () =>
      out
        .split('\n')
        .slice(0, -1)
        .map((l) => JSON.parse(l)),
  };
}

describe('pipe', () => {
  it('logs in, sends, waits until it is accepted, logs out', async () => {
    const { code, out, calls } = await run('seas\nsummerisover\nmessage google Hello\n');
    expect(calls).to.deep.equal(['login seas summerisover', 'send google Hello', 'logout', 'close']);
    expect(out).to.equal('Welcome, seas!\nto google: Hello\nLogged out.\n');
    expect(code).to.equal(exitCodes.done);
  });

  it('takes a last line without its end, and CRLF', async () => {
    const { calls } = await run('seas\r\nsummerisover\r\nmessage google Hello');
    expect(calls.slice(0, 2)).to.deep.equal(['login seas summerisover', 'send google Hello']);
  });

  it('registers with the password twice', async () => {
    const register = { ...blankSignIn, register: true, invite: 'code' };
    expect((await run('seas\nsummer\nsummer\n', { signIn: register })).calls[0]).to.equal('register seas summer code');
    const typed = await run('register\nseas\nsummer\nsummer\n');
    expect(typed.calls[0]).to.equal('register seas summer');
    const differing = await run('seas\nsummer\nwinter\n', { signIn: register });
    expect(differing).to.include({
      code: exitCodes.signIn,
      diagnosed: 'peer: line 3: The two passwords differ; nothing was registered.\n',
    });
    expect(differing.calls).to.deep.equal(['close']);
  });

  it('reads no lines for what is given otherwise', async () => {
    const signIn = { ...blankSignIn, user: 'seas', password: 'summerisover' };
    expect((await run('online\n', { signIn })).calls[0]).to.equal('login seas summerisover');
    expect((await run('online\n', { signIn: { ...blankSignIn, user: 'seas', resume: true } })).calls[0]).to.equal(
      'resume seas',
    );
    expect((await run('seas\n', { signIn: { ...blankSignIn, password: 'summerisover' } })).calls[0]).to.equal(
      'login seas summerisover',
    );
  });

  it('ends with 2 and the number of the line where signing in goes wrong, nothing sent', async () => {
    const badName = await run('no name\nsummerisover\n');
    expect(badName.code).to.equal(exitCodes.signIn);
    expect(badName.diagnosed).to.match(/^peer: line 1: /);
    const early = await run('seas\n');
    expect(early.code).to.equal(exitCodes.signIn);
    expect(early.diagnosed).to.match(/^peer: line 2: .*ended/);
    for (const { calls } of [badName, early]) expect(calls).to.deep.equal(['close']);
    const peer = new FakePeer();
    const text = 'Incorrect username/password. 2 more login attempts.';
    peer.loginError = new ParleyError('bad_credentials', text);
    const refused = await run('seas\nwrong-password\nmessage google Hello\n', { peer });
    expect(refused).to.include({ code: exitCodes.signIn, diagnosed: `peer: line 2: ${text}\n`, out: '' });
  });

  it('ends with 3 where the center cannot be reached', async () => {
    const peer = new FakePeer();
    peer.loginError = new ParleyError('disconnected', 'localhost:6066: nothing listens there.');
    expect((await run('seas\nsummerisover\n', { peer })).code).to.equal(exitCodes.unreachable);
  });

  it('goes on after a command that failed, says its line, and ends with 1', async () => {
    const peer = new FakePeer();
    peer.blocking.add('google');
    const { code, diagnosed, calls } = await run('seas\nsummer\nmesage al x\n\nmessage google x\nmessage al y\n', {
      peer,
    });
    expect(diagnosed).to.equal(
      'peer: line 3: Unknown command: mesage. Did you mean message? help lists the commands.\n' +
        'peer: line 5: google does not take your messages.\n',
    );
    expect(calls).to.include('send al y').and.include('logout');
    expect(code).to.equal(exitCodes.undelivered);
  });

  it('ends with 1 where a message failed later, but not where it was cancelled', async () => {
    const failing = new FakePeer();
    failing.onSend = (message) => {
      failing.emit({ type: 'failed', code: 'blocked', message: { ...message, state: 'failed', reason: 'blocked' } });
    };
    expect((await run('seas\nsummer\nmessage google x\n', { peer: failing })).code).to.equal(exitCodes.undelivered);
    const silent = new FakePeer();
    silent.onSend = () => undefined;
    expect((await run('seas\nsummer\nmessage google x\ncancel 1\n', { peer: silent })).code).to.equal(exitCodes.done);
  });

  it('gives up without progress and names what stayed', async () => {
    const peer = new FakePeer();
    peer.onSend = () => undefined;
    const { code, diagnosed, calls } = await run('seas\nsummer\nmessage google Hello\n', { peer });
    expect(code).to.equal(exitCodes.undelivered);
    expect(diagnosed)
      .to.include('1 message is not accepted after 1 s without progress')
      .and.include('to google: Hello');
    expect(calls).to.include('logout');
  });

  it('waits on while there is progress', async () => {
    const peer = new FakePeer();
    peer.onSend = (message) => {
      setTimeout(() => peer.accept(message), message.id * 120);
    };
    const { code, out } = await run('seas\nsummer\nmessage google 1\nmessage google 2\nmessage google 3\n', { peer });
    expect(code).to.equal(exitCodes.done);
    expect(out).to.include('to google: 1\nto google: 2\nto google: 3\n');
  });

  it('waits for stored, or for nothing, if told so', async () => {
    const stored = new FakePeer();
    stored.onSend = (message) => {
      stored.accept(message);
      setTimeout(() => stored.store(message), 20);
    };
    const input = 'seas\nsummer\nmessage google Hello\n';
    expect((await run(input, { peer: stored, wait: 'stored' })).out).to.include(
      '(stored) to google: Hello\nLogged out.',
    );
    const accepted = await run(input, { wait: 'stored' });
    expect(accepted.code).to.equal(exitCodes.undelivered);
    expect(accepted.diagnosed)
      .to.include('without progress. The center delivers what it has accepted:\n')
      .and.match(/ {2}1 {2}\(\d s, accepted\) to google: /);
    const silent = new FakePeer();
    silent.onSend = () => undefined;
    expect((await run(input, { peer: silent, wait: 'none' })).code).to.equal(exitCodes.done);
  });

  it('waits for the mail that was announced', async () => {
    const peer = new FakePeer();
    peer.waiting = 2;
    peer.on(({ type }) => {
      if (type !== 'waiting') return;
      setTimeout(() => peer.deliver('google', 'one', true), 50);
      setTimeout(() => peer.deliver('google', 'two', true), 100);
    });
    const { out } = await run('seas\nsummer\n', { peer });
    expect(out).to.match(/You have 2 messages waiting\.\n\(.*\) <google>: one\n\(.*\) <google>: two\nLogged out\.\n$/);
  });

  it('runs the commands of private links', async () => {
    const peer = new FakePeer();
    peer.linked.push(link);
    peer.consenting.push({ name: 'google', given: false, untilMs: 0, once: true });
    const lines = [
      ...[
        'getaddress google',
        'allow al 1h',
        'allow al once',
        'deny bo',
        'deny Google',
        'revoke al',
        'consents',
        'links',
      ],
      ...['why google', 'verify google', 'verify google yes', 'trust google', 'untrust google'],
    ];
    const { code, out, calls } = await run(`seas\nsummer\n${lines.join('\n')}\n`, { peer });
    expect(code).to.equal(exitCodes.done);
    expect(calls.slice(1, -2)).to.deep.equal([
      ...['getAddress google', 'allow al 3600000', 'allow al 0 once', 'deny bo', 'deny Google', 'revoke al'],
      ...['why google', 'verify google', 'confirmVerified google', 'trust google', 'untrust google'],
    ]);
    expect(out)
      .to.include('Request has been sent.\n')
      .and.include('google  direct  127.0.0.1:6068  0.4 ms  unverified');
    expect(out).to.include('\nbo is not told your address').and.include('\nThere is a consent with Google already');
    expect(out).to.include('google  allows you  until one of you logs out\n');
    // The digits come a moment after the last command: they are waited for.
    expect(out).to.include('Compare with google, by voice: 012 345.');
  });

  it('says what the center hears of only when it is back', async () => {
    const peer = new FakePeer();
    peer.revoke = async () => ({ later: true });
    const { code, out } = await run('seas\nsummer\nrevoke google\n', { peer });
    expect(out).to.include(
      'You and google may not link any more.\nThe center is away: it hears of this when it is back.\n',
    );
    expect(code).to.equal(exitCodes.done);
  });

  it('waits until private messages are stored, whatever it waits for otherwise', async () => {
    const peer = new FakePeer();
    peer.linked.push(link);
    const { code, out } = await run('seas\nsummer\nprivate google Hello.\n', { peer });
    expect(out).to.equal('Welcome, seas!\n(private) to google: Hello.\nLogged out.\n');
    expect(code).to.equal(exitCodes.done);
  });

  it('names the private messages that stayed, with what they wait for', async () => {
    const input = 'seas\nsummer\nprivate google Hello.\n';
    for (const wait of ['accepted', 'stored'] as const) {
      const { code, diagnosed } = await run(input, { wait });
      expect(code).to.equal(exitCodes.undelivered);
      expect(diagnosed)
        .to.include('1 message is not stored after 1 s without progress. What waits in the outbox goes when there is')
        .and.match(/ {2}1 {2}\(\d s, waiting for google’s consent\) \(private\) to google: Hello\.\n/);
    }
    expect((await run(input, { wait: 'none' })).code).to.equal(exitCodes.done);
  });

  it('says what it waits for, and goes on while a link comes up', async () => {
    const peer = new FakePeer();
    setTimeout(() => peer.emit({ type: 'introduced', name: 'google' }), 600);
    setTimeout(() => peer.emit({ type: 'link', name: 'google', state: 'up', route: 'relayed' }), 1_200);
    setTimeout(() => {
      for (const message of peer.outbox()) peer.store(message);
    }, 1_300);
    const { code, out, diagnosed } = await run('seas\nsummer\nprivate google Hello.\n', { peer, giveUpMs: 1_000 });
    expect(diagnosed).to.equal('peer: Waiting for a private link with google…\n');
    expect(out).to.include('You can now privately message google\n(private) to google: Hello.\n');
    expect(code).to.equal(exitCodes.done);
  });

  it('does not wait for private messages of an earlier run, but lists them before an account is deleted', async () => {
    const peer = new FakePeer();
    await peer.private('google', 'from before');
    const { code, diagnosed } = await run('seas\nsummer\nmessage google Hello\n', { peer });
    expect([code, diagnosed]).to.deep.equal([exitCodes.done, '']);
    const again = new FakePeer();
    await again.private('google', 'from before');
    const kept = await run('seas\nsummer\ndelete-account\nsummer\nno\n', { peer: again });
    expect(kept.out).to.include('(private) to google: from before').and.include('The account stays.');
  });

  it('says that a link is down only where a message waits for it', async () => {
    const peer = new FakePeer();
    const down = () => peer.emit({ type: 'link', name: 'google', state: 'down', route: 'direct' });
    async function* input() {
      yield Buffer.from('seas\nsummer\nonline\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      down();
      yield Buffer.from('private google Hello.\nonline\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      down();
    }
    const { out } = await run(input(), { peer });
    expect(out.match(/The link with google is down; private messages wait\.\n/g)).to.have.length(1);
  });

  describe('whose output', () => {
    /** It takes nothing until it is told to. */
    function stuck(): { output: Output; release: (error?: Error) => void; written: () => string } {
      let written = '';
      const waiting: ((error?: Error) => void)[] = [];
      let isStuck = true;
      const output = new Output((text, done) => {
        written += text;
        if (isStuck) waiting.push(done);
        else done();
      });
      const release = (error?: Error): void => {
        isStuck = error !== undefined;
        for (const done of waiting.splice(0)) done(error);
      };
      return { output, release, written: () => written };
    }

    const gone = (): Error => Object.assign(new Error('EPIPE'), { code: 'EPIPE' });

    it('is not read ends at once by a signal', async () => {
      const { output } = stuck();
      const stop = new AbortController();
      const peer = new FakePeer();
      const running = run('seas\nsummer\nblock yahoo\n', { peer, output, stop: stop.signal, giveUpMs: 60_000 });
      // The input is at its end: only the reader is waited for.
      await until(() => peer.calls.includes('block yahoo'), 'the block');
      setTimeout(() => stop.abort(), 20);
      expect((await running).code).to.equal(exitCodes.done);
    });

    it('is not read asks for no more lines, and leaves out what is only for now', async () => {
      const { output, release, written } = stuck();
      const peer = new FakePeer();
      const input = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('seas\nsummer\n');
        await until(() => peer.name !== null, 'a login');
        // More comes than is read.
        const broadcast = { type: 'broadcast', from: 'google', text: 'x'.repeat(2 ** 20), sentAtMs: 0 } as const;
        for (let i = 0; i < 40; i++) peer.emit(broadcast);
        yield Buffer.from('block yahoo\nblock bing\n');
      };
      const running = run(input(), { peer, output, giveUpMs: 60_000 });
      await until(() => written().includes('(all)'), 'a broadcast');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(written().length).to.be.below(18 * 2 ** 20);
      expect(peer.calls).to.not.include('block bing');
      release();
      await until(() => peer.calls.includes('block bing'), 'the second block');
      peer.emit({ type: 'presence', name: 'google', online: true });
      const { code, diagnosed } = await running;
      expect(code).to.equal(exitCodes.done);
      expect(diagnosed).to.match(/^peer: 2\d events were left out: /m);
    });

    it('is not read any more is a failure where that cut anything short', async () => {
      for (const input of [
        'message google one\n',
        'message nobody x\nmessage google Hello\n',
        'block yahoo\nmessage google Hello\n',
      ]) {
        const { output, release } = stuck();
        const peer = new FakePeer();
        peer.onSend = () => undefined;
        const running = run(`seas\nsummer\n${input}`, { peer, output, giveUpMs: 60_000 });
        await until(() => peer.calls.some((call) => /^(send|block)/.test(call)), 'the work');
        release(gone());
        const { code, diagnosed } = await running;
        expect(code, input).to.equal(exitCodes.undelivered);
        expect(diagnosed, input).to.include('Nobody reads the output any more');
      }
    });

    it('is not read any more is none where all was done', async () => {
      const { output, release } = stuck();
      const peer = new FakePeer();
      const forever = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('seas\nsummer\nmessage google Hello\n');
        await new Promise(() => undefined);
      };
      const running = run(forever(), { peer, output });
      await until(() => peer.calls.includes('send google Hello'), 'the message');
      release(gone());
      expect(await running).to.include({ code: exitCodes.done, diagnosed: '' });
    });
  });

  it('keeps the token after quit, and reads no further', async () => {
    const { calls, code } = await run('seas\nsummer\nmessage google x\nquit\nmessage google y\n');
    expect(calls).to.deep.equal(['login seas summer', 'send google x', 'close', 'close']);
    expect(code).to.equal(exitCodes.done);
  });

  it('ends with 4 when displaced, while it waits for input', async () => {
    const peer = new FakePeer();
    async function* input() {
      yield Buffer.from('seas\nsummer\n');
      setImmediate(() => peer.end('displaced'));
      await new Promise(() => undefined);
    }
    const { code, out } = await run(input(), { peer });
    expect(code).to.equal(exitCodes.displaced);
    expect(out).to.include('Logged on different location!\nNo messages are unsent.\n');
  });

  it('asks for passwords in the next lines', async () => {
    const { calls, code } = await run('seas\nsummer\npasswd\nsummer\nwinter\nwinter\nonline\n');
    expect(calls).to.include('passwd summer winter');
    expect(code).to.equal(exitCodes.done);
    const deleting = await run('seas\nsummer\ndelete-account\nsummer\n');
    expect(deleting.calls).to.include('deleteAccount summer');
    expect(deleting.code).to.equal(exitCodes.done);
  });

  it('lists what it could not send before an account is deleted, and asks', async () => {
    const peer = new FakePeer();
    peer.onSend = () => undefined;
    const input = 'seas\nsummer\nmessage google Hello\ndelete-account\nsummer\n';
    const kept = await run(`${input}no\n`, { peer });
    expect(kept.out).to.include('1 message is not accepted yet:\n').and.include('to google: Hello');
    expect(kept.out).to.include('The account stays.');
    expect(kept.code).to.equal(exitCodes.undelivered);
    expect(kept.calls.join()).not.to.include('deleteAccount');
  });

  it('stops at once when told to', async () => {
    const stop = new AbortController();
    async function* input() {
      yield Buffer.from('seas\nsummer\n');
      setImmediate(() => stop.abort());
      await new Promise(() => undefined);
    }
    const { code, calls } = await run(input(), { stop: stop.signal });
    expect(code).to.equal(exitCodes.done);
    expect(calls).to.include('close').and.not.include('logout');
  });

  it('refuses a line that is too long and what follows it', async () => {
    const { code, diagnosed, calls } = await run(
      `seas\nsummer\nmessage google ${'x'.repeat(1_100_000)}\nmessage google y\n`,
    );
    expect(code).to.equal(exitCodes.undelivered);
    expect(diagnosed).to.match(/^peer: line 3: The line is too long/);
    expect(calls.join()).not.to.include('send');
  });
});

describe('--json', () => {
  it('takes objects and lines, and answers each with its id', async () => {
    const { objects, code } = await run(
      '{"command":"login","name":"seas","password":"summer"}\n' +
        '{"command":"message","id":1,"to":"google","text":"Hello\\nagain"}\n' +
        'broadcast hi\n{"command":"mesage","id":"x"}\n{"command":\n',
      { json: true },
    );
    const [welcome, message, ...rest] = objects();
    expect(welcome).to.deep.equal({ event: 'welcome', name: 'seas', account: 1 });
    expect(message).to.deep.include({ reply: 'message', id: 1 });
    expect(message.message).to.include({ id: 1, to: 'google', text: 'Hello\nagain', state: 'pending' });
    expect(rest).to.deep.include({ reply: 'broadcast', text: 'hi', handed: 2, leftOut: 1 });
    const errors = rest.filter((one) => 'error' in one);
    expect(errors[0]).to.deep.include({ id: 'x', line: 4 });
    expect(errors[0].error).to.deep.equal({
      code: 'usage',
      text: 'Unknown command: mesage. Did you mean message? help lists the commands.',
    });
    expect(errors[1]).to.include({ line: 5 });
    expect(rest.map((one) => one.event))
      .to.include('accepted')
      .and.include('ended');
    expect(code).to.equal(exitCodes.undelivered);
  });

  it('logs in by lines too', async () => {
    const { objects, calls } = await run('seas\nsummer\n', { json: true });
    expect(calls[0]).to.equal('login seas summer');
    expect(objects()[0].event).to.equal('welcome');
  });

  it('says what is wrong with a sign-in as an object', async () => {
    const peer = new FakePeer();
    peer.loginError = new ParleyError('suspended', 'Please wait.', { retryAfterMs: 20_000 });
    const { objects, code } = await run('seas\nsummer\n', { json: true, peer });
    expect(objects()).to.deep.equal([
      { error: { code: 'suspended', text: 'Please wait.', retryAfterMs: 20_000 }, line: 2 },
    ]);
    expect(code).to.equal(exitCodes.signIn);
    expect((await run('{"command":"online"}\n', { json: true })).code).to.equal(exitCodes.signIn);
  });

  it('tells of private messages and of every link', async () => {
    const peer = new FakePeer();
    peer.linked.push(link);
    peer.on((event) => {
      if (event.type === 'stored') peer.emit({ type: 'link', name: 'google', state: 'moved', route: 'direct' });
    });
    const input = 'seas\nsummer\n{"command":"private","id":1,"to":"google","text":"Hello."}\nlinks\nwhy al\n';
    const { objects } = await run(input, { json: true, peer });
    const reply = objects().find((one) => one.reply === 'private');
    expect(reply).to.deep.include({ id: 1, linked: true });
    expect(reply.message).to.include({ to: 'google', state: 'pending', private: true });
    expect(objects().find((one) => one.event === 'stored').message).to.include({ state: 'stored', private: true });
    expect(objects()).to.deep.include({ event: 'link', name: 'google', state: 'moved', route: 'direct' });
    expect(objects()).to.deep.include({ reply: 'links', links: [link] });
  });

  it('tells what is missing by its code', async () => {
    const { objects } = await run('seas\nsummer\nwhy al\n', { json: true });
    const text = 'You and al were not introduced: getaddress al asks for it.';
    expect(objects()).to.deep.include({ error: { code: 'no_consent', text }, command: 'why', line: 3 });
  });

  it('tells what was left', async () => {
    const peer = new FakePeer();
    peer.onSend = () => undefined;
    const { objects } = await run('seas\nsummer\nmessage google Hello\n', { json: true, peer });
    const left = objects().find((one) => one.event === 'left');
    expect(left.messages[0]).to.include({ to: 'google', text: 'Hello' });
  });
});
