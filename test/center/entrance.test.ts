import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { type Arrival, Entrance } from '../../center/entrance.ts';
import { centerLimits } from '../../center/limits.ts';
import { noExporter, type Origin, Sessions } from '../../center/sessions.ts';

describe('entrance', () => {
  let sessions: Sessions;
  let entrance: Entrance;
  let begun: number[];

  function open(limits: { maxLoginsAtOnce?: number } = {}): void {
    sessions = new Sessions(centerLimits(limits), () => 0);
    entrance = new Entrance(sessions, 4);
    begun = [];
  }

  function arrive(number: number): Arrival {
    const address = '127.0.0.1';
    const from: Origin = {
      address,
      counted: address,
      port: 1,
      loopback: true,
      exporter: noExporter,
      ticket: null,
      place: 'free',
    };
    sessions.connect(from);
    const arrival = { from, begin: () => begun.push(number) };
    entrance.arrive(arrival);
    return arrival;
  }

  beforeEach(() => open());

  it('lets one begin that comes alone', async () => {
    arrive(0);
    for (let turns = 0; turns < 2; turns++) await nextTurn();
    expect(begun).to.deep.equal([0]);
  });

  it('lets those begin together that come in one turn after the other', async () => {
    for (let number = 0; number < 3; number++) {
      arrive(number);
      await nextTurn();
      expect(begun).to.deep.equal([]);
    }
    await nextTurn();
    expect(begun).to.deep.equal([0, 1, 2]);
  });

  it('waits for no more than begin in one turn', async () => {
    for (let number = 0; number < 4; number++) {
      expect(begun).to.deep.equal([]);
      arrive(number);
      await nextTurn();
    }
    expect(begun).to.deep.equal([0, 1, 2, 3]);
  });

  it('lets a few begin in each turn, in the order in which they came', async () => {
    for (let number = 0; number < 11; number++) arrive(number);
    for (const count of [4, 8, 11]) {
      await nextTurn();
      expect(begun).to.have.length(count);
    }
    expect(begun).to.deep.equal(Array.from({ length: 11 }, (_, number) => number));
  });

  it('overtakes nobody who waits', async () => {
    for (let number = 0; number < 10; number++) arrive(number);
    await nextTurn();
    arrive(10);
    for (let turns = 0; turns < 3; turns++) await nextTurn();
    expect(begun.slice(4)).to.deep.equal([4, 5, 6, 7, 8, 9, 10]);
  });

  it('does not begin what has gone', async () => {
    const arrivals = Array.from({ length: 8 }, (_, number) => arrive(number));
    for (const gone of arrivals.slice(4, 7)) {
      entrance.leave(gone);
      sessions.disconnect(gone.from);
    }
    for (let turns = 0; turns < 2; turns++) await nextTurn();
    expect(begun).to.deep.equal([0, 1, 2, 3, 7]);
    expect(entrance.waiting).to.equal(0);
  });

  it('begins no more than maxLoginsAtOnce that are not done, and goes on when one is', async () => {
    open({ maxLoginsAtOnce: 2 });
    const arrivals = Array.from({ length: 5 }, (_, number) => arrive(number));
    for (let turns = 0; turns < 3; turns++) await nextTurn();
    expect(begun).to.deep.equal([0, 1]);
    sessions.disconnect(arrivals[1]!.from);
    await nextTurn();
    expect(begun).to.deep.equal([0, 1, 2]);
    sessions.authenticated({ from: arrivals[0]!.from } as never, 1);
    sessions.disconnect(arrivals[0]!.from);
    await nextTurn();
    await nextTurn();
    expect(begun).to.deep.equal([0, 1, 2, 3]);
  });
});
