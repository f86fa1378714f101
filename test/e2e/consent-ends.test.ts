// How two people and their scripts learn that they may not link any more: real programs in pipes, and a real center.
import { expect } from 'chai';
import { type Running, RunningCenter, startPeer, temporaryDirectory } from '../helpers/programs.ts';

type Said = Record<string, unknown>;

describe('the end of a consent', function () {
  this.timeout(60_000);
  let center: RunningCenter;
  let google: Running;
  let seas: Running;
  let removes: (() => void)[] = [];

  beforeEach(async () => {
    center = await RunningCenter.start();
    await center.importUsers('seas summerisover\ngoogle summerisover\n');
    // Both forms in which a peer speaks: one side is read by a program, the other by a person.
    google = start('google', '--json');
    seas = start('seas');
    await Promise.all([google.sees('"welcome"'), seas.sees('Welcome')]);
  });

  afterEach(async () => {
    await Promise.all([google.kill(), seas.kill()]);
    await center.stop();
    for (const remove of removes) remove();
    removes = [];
  });

  function start(name: string, ...args: string[]): Running {
    const directory = temporaryDirectory();
    removes.push(directory.remove);
    return startPeer(center, ['--data', directory.path, '--user', name, ...args], { PARLEY_PASSWORD: 'summerisover' });
  }

  /** google has allowed it, and one message has gone over the link. */
  async function linked(how = ''): Promise<void> {
    seas.write('getaddress google\n');
    await google.sees('"address_request"');
    google.write(`allow seas ${how}\n`);
    await seas.sees('You can now privately message google\n');
    seas.write('private google Hello.\n');
    await seas.sees('(private) to google: Hello.\n');
  }

  function events(...names: string[]): Said[] {
    const objects = google.stdout.split('\n').filter((text) => text !== '');
    return objects.map((text): Said => JSON.parse(text)).filter(({ event }) => names.includes(String(event)));
  }

  /** What google's program was told of it, and how often the link went down. */
  const told = (): Said[] => events('consent_ended');
  const downs = (): Said[] => events('link').filter(({ state }) => state === 'down');
  /** What seas was told. */
  const lines = (): string[] => seas.stdout.split('\n').filter((text) => /no longer|may not link|is down/.test(text));

  it('is told to both when the program’s side revokes', async () => {
    await linked();
    google.write('revoke seas\nlinks\n');
    await google.sees('"reply":"links"');
    expect(told()).to.deep.equal([
      { event: 'consent_ended', name: 'seas', own: true, code: 'revoked', reason: 'You revoked the consent.' },
    ]);
    expect(downs()).to.have.length(1);
    expect(downs()[0]).to.include({ name: 'seas', reason: 'You revoked the consent.' });
    await seas.sees('You can no longer privately message google. The consent was revoked by google.\n');
    seas.write('consents\n');
    await seas.sees('There are no consents.');
    expect(lines()).to.have.length(1);
  });

  it('is told to both when the person’s side revokes', async () => {
    await linked();
    seas.write('revoke google\nconsents\n');
    await seas.sees('There are no consents.');
    expect(lines()).to.deep.equal(['You and google may not link any more.']);
    await google.sees('"consent_ended"');
    google.write('consents\nlinks\n');
    await google.sees('"reply":"links"');
    const reason = 'The consent was revoked by seas.';
    expect(told()).to.deep.equal([{ event: 'consent_ended', name: 'seas', own: false, code: 'revoked', reason }]);
    expect(downs()).to.have.length(1);
    expect(downs()[0]).to.include({ name: 'seas', reason });
  });

  it('is told to both while the center is away', async () => {
    await linked();
    await center.down('SIGKILL');
    await Promise.all([google.sees('"disconnected"'), seas.sees('Connection lost')]);
    google.write('revoke seas\n');
    await seas.sees('You can no longer privately message google. The consent was revoked by google.\n');
    await google.sees('"consent_ended"');
    expect(told()).to.have.length(1);
    expect(told()[0]).to.include({ own: true, code: 'revoked' });
    // Whoever comes last is introduced once more, before the center hears of the end.
    google.child.kill('SIGSTOP');
    await center.up();
    await seas.sees('Connected again.');
    google.child.kill('SIGCONT');
    await google.sees('The center has heard of it now: revoke seas.');
    seas.write('consents\nlinks\n');
    await seas.sees('There are no consents.');
    expect(lines()).to.have.length(1);
    google.write('links\n');
    await google.sees('"reply":"links"');
    expect(told()).to.have.length(1);
  });

  it('is told to both by a block', async () => {
    await linked();
    google.write('block seas\nlinks\n');
    await google.sees('"reply":"links"');
    expect(told()).to.have.length(1);
    expect(told()[0]).to.include({ own: true, code: 'blocked', reason: 'You blocked seas.' });
    await seas.sees('You can no longer privately message google. One of you has blocked the other.\n');
  });

  it('is told to whoever stays when the other leaves, where it was for once', async () => {
    await linked('once');
    seas.child.stdin!.end('logout\n');
    await google.sees('"consent_ended"');
    expect(told()[0]).to.include({
      ...{ own: false, code: 'logged_out' },
      reason: 'The consent was for once, and seas has logged out.',
    });
    google.write('why seas\n');
    expect(await google.sees('"reply":"why"')).to.include('getaddress seas asks for a new consent.');
  });

  it('is not told where only the other’s session is over', async () => {
    await linked();
    seas.child.stdin!.end('logout\n');
    await google.sees('"state":"down"');
    google.write('links\n');
    await google.sees('"reply":"links"');
    expect(told()).to.deep.equal([]);
    expect(downs()[0]?.reason).to.be.a('string').and.not.equal('');
  });
});
