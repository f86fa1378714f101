import { expect } from 'chai';
import { type Figure, figureOf, median, type Row, ratio, reached } from '../../../scripts/bench/figures.ts';
import { renderTable } from '../../../scripts/bench/table.ts';

const rounds = (...values: (number | null)[]): Figure[] =>
  values.map((value) => ({ value, refused: value === null ? 'load generator at 95 %' : null }));

function row(better: Row['better'], relay: Figure[], parley: Figure[]): Row {
  const targets = [{ system: 'parley', of: 'relay', atLeast: 0.5 } as const];
  const of = (system: 'relay' | 'parley', figures: Figure[]) => ({
    system,
    title: system,
    version: '1',
    rounds: figures,
  });
  return {
    name: 'relay-1',
    title: 'relay',
    unit: 'msg/s',
    better,
    targets,
    systems: [of('relay', relay), of('parley', parley)],
  };
}

describe('figures of the bench', () => {
  it('takes the middle, and of two the mean', () => {
    expect(median([9, 1, 5])).to.equal(5);
    expect(median([1, 3])).to.equal(2);
    expect(median([])).to.equal(null);
  });

  it('refuses what the load generator, lost or disordered messages may have limited', () => {
    const result = { seconds: 1, count: 100, perSecond: 100, loadShare: 0.5, gaps: 0 };
    expect(figureOf(result)).to.include({ value: 100, refused: null });
    expect(figureOf({ ...result, loadShare: 0.91 })).to.include({ value: null, refused: 'load generator at 91 %' });
    expect(figureOf({ ...result, lost: true })).to.include({ value: null, refused: 'messages were lost' });
    expect(figureOf({ ...result, gaps: 2 })).to.include({ value: null, refused: '2 gaps' });
  });

  it('compares rounds with the same round of the other, and leaves out what was refused', () => {
    expect(ratio(row('higher', rounds(100, 200, 400), rounds(50, 150, 100)), 'parley', 'relay')).to.equal(0.5);
    expect(ratio(row('higher', rounds(100, null), rounds(50, 70)), 'parley', 'relay')).to.equal(0.5);
    expect(ratio(row('higher', rounds(null), rounds(50)), 'parley', 'relay')).to.equal(null);
  });

  it('says above 1 for better, also where less is better', () => {
    expect(ratio(row('lower', rounds(10), rounds(5)), 'parley', 'relay')).to.equal(2);
  });

  it('tells what was reached', () => {
    const good = row('higher', rounds(100), rounds(60));
    expect(reached(good, good.targets[0]!)).to.deep.equal({ value: 0.6, met: true });
    expect(renderTable([good])).to.include('reached  parley / relay: 0.60 (to reach: 0.5)');
    const bad = row('higher', rounds(100), rounds(null));
    expect(reached(bad, bad.targets[0]!)).to.equal(null);
    expect(renderTable([bad])).to.include('refused, parley, 1 of 1: load generator at 95 %');
    expect(renderTable([bad])).to.include('unknown  parley / relay: – (to reach: 0.5)');
  });

  it('shows what each system is of the bare relay, and Parley of it', () => {
    const lines = renderTable([row('higher', rounds(100), rounds(60))]).split('\n');
    const cells = lines.map((line) => line.trim().split(/ {2,}/));
    expect(cells[1]).to.include.members(['of relay', 'Parley: times it']);
    expect(cells[2]).to.deep.equal(['relay', '100', '1.00', '0.60']);
    expect(cells[3]).to.deep.equal(['parley', '60.0', '0.60']);
  });
});
