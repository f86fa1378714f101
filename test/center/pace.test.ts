import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { centerLimits } from '../../center/limits.ts';
import { Pace, type Paced } from '../../center/pace.ts';
import { Wheel } from '../../center/wheel.ts';

describe('the pace of a connection', () => {
  function start(limits: { messagesPerSecond?: number; messageBurst?: number } = {}) {
    const done: string[] = [];
    const paced: Paced & { isBusy: boolean; hasEnded: boolean } = {
      hasEnded: false,
      isBusy: false,
      holdReading: () => done.push('held'),
      readOn: () => done.push('read on'),
    };
    let nowMs = 0;
    const wheel = new Wheel(() => nowMs);
    const pass = (ms: number) => {
      nowMs += ms;
      wheel.advance();
    };
    return { done, paced, pass, pace: new Pace(paced, centerLimits(limits), wheel) };
  }

  it('reads on in the turn after there is room, once, and does not call itself reading before', async () => {
    const { done, paced, pace } = start();
    paced.isBusy = true;
    pace.stopIfNeeded();
    pace.stopIfNeeded();
    paced.isBusy = false;
    pace.goOnIfPossible();
    pace.goOnIfPossible();
    expect([done, pace.isReading]).to.deep.equal([['held'], false]);
    await nextTurn();
    expect([done, pace.isReading]).to.deep.equal([['held', 'read on'], true]);
  });

  it('waits for messages to be earned', async () => {
    const { done, pass, pace } = start({ messagesPerSecond: 2, messageBurst: 3 });
    pace.spend(3);
    expect(done).to.deep.equal(['held']);
    pass(250);
    await nextTurn();
    expect(done).to.deep.equal(['held', 'read on']);
  });

  it('does nothing for a connection that has ended meanwhile', async () => {
    const { done, paced, pace } = start();
    paced.isBusy = true;
    pace.stopIfNeeded();
    paced.isBusy = false;
    pace.goOnIfPossible();
    paced.hasEnded = true;
    await nextTurn();
    expect(done).to.deep.equal(['held']);
  });
});
