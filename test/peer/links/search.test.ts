import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type Attempt, DialBudget } from '../../../peer/links/dial.ts';
import type { Candidate, Introduction } from '../../../peer/links/introduction.ts';
import type { LinkChannel } from '../../../peer/links/link.ts';
import { Search, type Searcher, type SearchHost } from '../../../peer/links/search.ts';
import { ParleyError } from '../../../shared/errors.ts';
import { until } from '../../helpers/until.ts';

/** A way to another account, looked for where no way is until a test makes one. */
class Looking implements Searcher {
  readonly account = 2;
  introduction: Introduction | null;
  linked: Searcher['linked'] = 'no';
  /** What was asked of the center, and when; and when it dialled. */
  readonly asked: [string, number][] = [];
  readonly found_: LinkChannel[] = [];
  readonly notes: Attempt[] = [];
  readonly search: Search;
  readonly #beganMs = performance.now();

  constructor(dialFirst: boolean, candidates: Candidate[] = []) {
    const until = Date.now() + 3_600_000;
    this.introduction = {
      ...{ account: 2, name: 'google', key: 'SHA256:x', token: '', candidates, dialFirst },
      ...{ expiresAtMs: until, consentUntilMs: until, once: false, fresh: true },
    };
    const ask = (what: string) => async (): Promise<void> => {
      this.asked.push([what, performance.now() - this.#beganMs]);
    };
    const host: SearchHost = {
      ...{ budget: new DialBudget(), nowMs: () => Date.now() },
      // Asked for once by each round of dialling.
      credentials: () => {
        this.asked.push(['dial', performance.now() - this.#beganMs]);
        return { key: '', cert: '' };
      },
      ...{ isCenterThere: () => true, isOverLoopback: () => true },
      ...{ askPunch: ask('punch'), askIntroduction: ask('introduction') },
      openTunnel: async () => {
        await ask('tunnel')();
        return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      },
      secure: async (stream) => ({ stream }) as LinkChannel,
      punch: () => Promise.reject(new ParleyError('disconnected', 'nobody there')),
    };
    this.search = new Search(host, this);
  }

  found(channel: LinkChannel): void {
    this.found_.push(channel);
    this.linked = 'relayed';
  }

  note(attempt: Attempt): void {
    this.notes.push(attempt);
  }

  at(what: string): number[] {
    return this.asked.filter(([asked]) => asked === what).map(([, ms]) => ms);
  }
}

describe('the search for a way', () => {
  let looking: Looking;
  let servers: Server[];

  beforeEach(() => {
    servers = [];
  });

  afterEach(() => {
    looking.search.stop();
    for (const server of servers) server.close();
  });

  /** An address at which somebody hangs up; how often it was dialled, and when first. */
  async function address(): Promise<{ candidate: Candidate; dialled: number[] }> {
    const dialled: number[] = [];
    const server = createServer((socket) => {
      dialled.push(performance.now());
      socket.destroy();
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { candidate: { kind: 'verified', address: '127.0.0.1', port }, dialled };
  }

  it('dials, asks for a punch, and then for a relay, on the side that asked', async () => {
    const { candidate, dialled } = await address();
    looking = new Looking(true, [candidate]);
    looking.search.begin();
    await until(() => looking.found_.length > 0 && looking.notes.length > 0, 'a relay');
    expect(dialled).to.have.length(1);
    expect(looking.at('punch')[0]).to.be.at.least(790);
    expect(looking.at('tunnel')[0]).to.be.at.least(1_190);
    expect(looking.asked.map(([what]) => what)).to.deep.equal(['dial', 'punch', 'tunnel']);
    expect(looking.found_).to.have.length(1);
    expect(looking.notes[0]?.what).to.equal('dialled');
  });

  it('gives the side that asked a start, and asks for no punch on the other', async () => {
    const { candidate, dialled } = await address();
    looking = new Looking(false, [candidate]);
    const beganMs = performance.now();
    looking.search.begin();
    await wait(1_400);
    await until(() => dialled.length > 0, 'a connection');
    expect((dialled[0] ?? 0) - beganMs).to.be.at.least(290);
    expect(looking.asked.map(([what]) => what)).to.deep.equal(['dial']);
  });

  it('dials what is new at once, and what it has dialled not again', async () => {
    const first = await address();
    const second = await address();
    looking = new Looking(true, [first.candidate]);
    looking.search.begin();
    await until(() => first.dialled.length > 0, 'the first');
    if (looking.introduction) looking.introduction.candidates.push(second.candidate);
    looking.search.begin();
    looking.search.begin();
    await until(() => second.dialled.length > 0, 'the second');
    await wait(200);
    expect([first.dialled.length, second.dialled.length]).to.deep.equal([1, 1]);
  });

  it('stops when there is a direct link', async () => {
    looking = new Looking(true);
    looking.search.begin();
    looking.linked = 'direct';
    looking.search.stop();
    await wait(1_400);
    expect(looking.asked).to.deep.equal([]);
    looking.search.begin();
    expect(looking.search.isOn).to.equal(false);
  });

  it('throws a relay away that came too late', async () => {
    looking = new Looking(true);
    looking.search.begin();
    await wait(1_100);
    looking.linked = 'direct';
    await wait(300);
    expect(looking.found_).to.deep.equal([]);
  });

  it('tries again after a second or so, and asks where the other is by then', async () => {
    looking = new Looking(true);
    looking.linked = 'no';
    looking.search.again();
    await wait(1_400);
    await until(() => looking.at('introduction').length > 0, 'the question');
    expect(looking.at('introduction')).to.have.length(1);
    expect(looking.search.isOn).to.equal(true);
  });

  it('does nothing with an introduction that has expired', () => {
    looking = new Looking(true);
    if (looking.introduction) looking.introduction.expiresAtMs = Date.now() - 1;
    looking.search.begin();
    expect(looking.search.isOn).to.equal(false);
  });

  it('says what a punch came to, once', async () => {
    looking = new Looking(true);
    const to = { address: '192.0.2.1', port: 6067 };
    await Promise.all([looking.search.punch(to, 0), looking.search.punch(to, 0)]);
    expect(looking.notes).to.deep.equal([{ what: 'opening the NATs towards 192.0.2.1:6067', outcome: 'nobody there' }]);
  });
});
