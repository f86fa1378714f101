import { expect } from 'chai';
import sinon from 'sinon';
import { Schedule, type Scheduled } from '../../../center/delivery/schedule.ts';
import { Turn } from '../../../center/turn.ts';

describe('the schedule of mailboxes', () => {
  afterEach(() => sinon.restore());

  it('reserves positions for many at once, a second after they came, but not for all in one turn', () => {
    const clock = sinon.useFakeTimers();
    const schedule = new Schedule(new Turn());
    let saved = 0;
    const mailbox = { save: () => saved++ } as unknown as Scheduled;
    for (let count = 0; count < 1200; count++) schedule.reserveSoon(mailbox);
    clock.tick(999);
    expect(saved).to.equal(0);
    clock.tick(1);
    expect(saved).to.be.within(1, 600);
    clock.tick(1000);
    expect(saved).to.equal(1200);
    schedule.reserveSoon(mailbox);
    schedule.stop();
    clock.tick(2000);
    expect(saved).to.equal(1200);
  });
});
