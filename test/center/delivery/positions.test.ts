import { expect } from 'chai';
import { Positions } from '../../../center/delivery/positions.ts';

describe('positions', () => {
  it('are given out in order, from the next one on', () => {
    const positions = new Positions({ next: 7 });
    expect([positions.take(), positions.take(), positions.take()]).to.deep.equal([7, 8, 9]);
  });

  it('are reserved up to where the store has said so', () => {
    const positions = new Positions({ next: 1 });
    expect(positions.isReserved(positions.take())).to.equal(false);
    positions.reserved(positions.wanted);
    expect(positions.isReserved(positions.take())).to.equal(true);
  });

  it('are reserved anew before they run out, and not each time', () => {
    const positions = new Positions({ next: 1 });
    positions.reserved(positions.wanted);
    const first = positions.wanted;
    expect(positions.wantsMore).to.equal(false);
    let given = 0;
    for (; !positions.wantsMore; given++) positions.take();
    expect(given).to.be.greaterThan(10_000);
    expect(positions.isReserved(positions.take())).to.equal(true);
    expect(positions.wanted).to.be.greaterThan(first);
  });

  it('never lose a reservation to an answer that comes late', () => {
    const positions = new Positions({ next: 1 });
    positions.reserved(100);
    positions.reserved(50);
    expect([positions.isReserved(99), positions.isReserved(100)]).to.deep.equal([true, false]);
  });
});
