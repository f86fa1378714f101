import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Office } from '../../../center/delivery/office.ts';
import { Outbox, outboxKey } from '../../../center/delivery/outbox.ts';
import { Positions } from '../../../center/delivery/positions.ts';
import { Progress, type ProgressOwner } from '../../../center/delivery/progress.ts';
import { Window } from '../../../center/delivery/window.ts';

describe('the progress of a mailbox', () => {
  const flow = () => new Outbox(5, outboxKey(5, Buffer.alloc(16, 1))).flow(9);

  /** Over a store that fails when it is told to. */
  function failing() {
    const act = Promise.withResolvers<void>();
    const schedule = { saveLater: sinon.spy(), saveSoon: sinon.spy() };
    const store = { saveMarks: () => act.promise };
    const office = { store, schedule, storeFailed: sinon.spy() } as unknown as Office;
    const owner = { account: 9, saved: sinon.spy() } as unknown as ProgressOwner;
    const positions = new Positions({ next: 1 });
    positions.reserved(1e6);
    const progress = new Progress(owner, office, positions, new Window(0), 1);
    const fail = async (): Promise<void> => {
      act.reject(new Error('the disk is full'));
      await turn();
    };
    return { progress, schedule, fail };
  }

  it('keeps what the store did not take, for another try', async () => {
    const [one, { progress, schedule, fail }] = [flow(), failing()];
    progress.mark(one);
    progress.save();
    expect([one.unsaved, progress.isSaved]).to.deep.equal([false, false]);
    await fail();
    expect([one.unsaved, progress.isToSave, schedule.saveLater.callCount]).to.deep.equal([true, true, 1]);
  });

  it('holds no outbox once it is forgotten, not even by what was on its way then', async () => {
    const [one, other, { progress, schedule, fail }] = [flow(), flow(), failing()];
    progress.mark(one);
    progress.save();
    progress.mark(other);
    progress.forget();
    await fail();
    expect([one.unsaved, other.unsaved, schedule.saveLater.callCount]).to.deep.equal([false, false, 0]);
    expect(progress.isSaved).to.equal(true);
  });
});
