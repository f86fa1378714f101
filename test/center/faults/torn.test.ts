// Files of the store, spoiled at random places: what was accepted is there, or what is damaged is named, and the rest
// can be rescued.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine } from '../../../center/store/engine.ts';
import { type Salvage, salvage } from '../../../center/store/salvage.ts';
import { Random } from '../../../scripts/selftest/random.ts';
import { accounts, type Contents, contentsOf, copySpoiled, leaveKilled, type Spoiling, spoil } from './spoiled.ts';

/** Another one: PARLEY_TEST_SEED=7 mocha test/center/faults/torn.test.ts */
const seed = Number(process.env.PARLEY_TEST_SEED ?? 20261121);
const tries = Number(process.env.PARLEY_TEST_TRIES ?? 5);
const ways: readonly Spoiling[] = ['flip', 'cut', 'zeros', 'garbage'];
const parts = { 'the database': '', 'the write-ahead log': '-wal', 'the record of its end': '.tail' };

describe('center/store, spoiled', () => {
  let dir: string;
  let truth: Contents;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'parley-spoiled-'));
    truth = leaveKilled(join(dir, 'live.db'), join(dir, 'killed.db'));
  });
  after(() => rmSync(dir, { recursive: true }));

  /** Opens a copy that was spoiled: what is in it, or why it was refused. */
  function openAfter(name: string, spoilIt: (file: string) => void): Contents | Error {
    const file = join(dir, `${name}.db`);
    copySpoiled(join(dir, 'killed.db'), file);
    spoilIt(file);
    let engine: Engine;
    try {
      engine = new Engine({ file, reserveBytes: 4096 });
    } catch (error) {
      return error as Error;
    }
    try {
      return contentsOf(engine);
    } finally {
      engine.close();
    }
  }

  function rescue(name: string): { salvaged: Salvage; contents: Contents } {
    const to = join(dir, `${name}-rescued.db`);
    const salvaged = salvage(join(dir, `${name}.db`), to);
    const engine = new Engine({ file: to, reserveBytes: 4096 });
    try {
      return { salvaged, contents: contentsOf(engine) };
    } finally {
      engine.close();
    }
  }

  /** Nothing that is gone is missing from the list of what was lost. */
  function expectNamed({ lost }: Salvage, contents: Contents, what: string): void {
    if (lost.some(({ account }) => account === null)) return;
    accounts.forEach((id, index) => {
      const there = new Set(contents.positions[index]);
      const gone = truth.positions[index]?.filter((position) => !there.has(position)) ?? [];
      const named = lost.filter(({ account }) => account === id);
      const unnamed = gone.filter(
        (position) =>
          !named.some((one) => !one.positions || (one.positions.from <= position && position <= one.positions.to)),
      );
      expect(unnamed, `${what}: lost by account ${id} and not said`).to.deep.equal([]);
    });
  }

  it('is whole where nothing was spoiled', () => {
    expect(openAfter('whole', () => {})).to.deep.equal(truth);
  });

  for (const [part, ending] of Object.entries(parts)) {
    for (const how of ways) {
      it(`${part}: ${how}`, () => {
        for (let round = 0; round < tries; round++) {
          const name = `${how}${ending}-${round}`;
          const random = new Random(seed + 1000 * round + name.length);
          let what = '';
          const opened = openAfter(name, (file) => {
            what = `seed ${seed}, round ${round}: ${part}, ${spoil(file + ending, how, random)}`;
          });
          if (!(opened instanceof Error)) {
            expect(opened, what).to.deep.equal(truth);
            continue;
          }
          expect(opened.message, what).to.include('is damaged: ').and.to.include('`center check`');
          const { salvaged, contents } = rescue(name);
          expectNamed(salvaged, contents, what);
        }
      });
    }
  }

  it('is known to be without its log, or its database', () => {
    for (const ending of ['', '-wal']) {
      const opened = openAfter(`gone${ending}`, (file) => rmSync(file + ending));
      expect(opened)
        .to.be.instanceOf(Error)
        .with.property('message')
        .that.matches(/is damaged: .* (missing|empty)/);
    }
  });

  // A run of two messages has one checksum. In the log a wrong bit can also be in the number of a page, which is then lost:
  // with all that one commit has gathered.
  for (const [ending, most] of [
    ['', 2],
    ['-wal', 2 * accounts.length],
  ] as const) {
    it(`loses ${most} messages at most for one wrong bit in its file${ending}`, () => {
      const random = new Random(seed);
      for (let round = 0; round < tries; round++) {
        const name = `bit${ending}-${round}`;
        const opened = openAfter(name, (file) => spoil(file + ending, 'flip', random));
        if (!(opened instanceof Error)) continue;
        const { salvaged, contents } = rescue(name);
        expectNamed(salvaged, contents, `seed ${seed}, round ${round}`);
        const gone = truth.positions.flat().length - contents.positions.flat().length;
        expect(gone, `seed ${seed}, round ${round}`).to.be.at.most(most);
      }
    });
  }

  it('without the record of its end, a log is still known to be damaged in its middle', () => {
    const random = new Random(seed);
    let seen = 0;
    for (let round = 0; round < tries; round++) {
      const opened = openAfter(`untold-${round}`, (file) => {
        rmSync(`${file}.tail`);
        spoil(`${file}-wal`, 'flip', random, 0.3);
      });
      if (opened instanceof Error) seen++;
      else expect(opened).to.deep.equal(truth);
    }
    expect(seen).to.be.greaterThan(0);
  });
});
