import { expect } from 'chai';
import fc from 'fast-check';
import { compilePattern, maxPatternLength } from '../../center/patterns.ts';
import { ParleyError } from '../../shared/errors.ts';
import { slownessOfMachine } from '../helpers/slowness.ts';

const names = ['al', 'Alice', 'ALBERT', 'bob', 'b.b', 'b_b', 'sal', 'a-1', '7'];
const fitting = (pattern: string) => names.filter(compilePattern(pattern));

function badPattern(pattern: string): string {
  try {
    compilePattern(pattern);
  } catch (error) {
    expect(error).to.be.instanceOf(ParleyError);
    expect((error as ParleyError).code).to.equal('bad_pattern');
    return (error as ParleyError).message;
  }
  throw new Error(`${pattern} was understood`);
}

describe('compilePattern', () => {
  it('of nothing fits everybody', () => {
    expect(fitting('')).to.deep.equal(names);
  });

  it('of a glob fits the whole name, in any case', () => {
    expect(fitting('al*')).to.deep.equal(['al', 'Alice', 'ALBERT']);
    expect(fitting('AL')).to.deep.equal(['al']);
    expect(fitting('*al')).to.deep.equal(['al', 'sal']);
    expect(fitting('b?b')).to.deep.equal(['bob', 'b.b', 'b_b']);
    expect(fitting('*')).to.deep.equal(names);
    expect(fitting('?')).to.deep.equal(['7']);
  });

  it('of a glob knows sets, ranges and their contrary', () => {
    expect(fitting('[a-b]*')).to.deep.equal(['al', 'Alice', 'ALBERT', 'bob', 'b.b', 'b_b', 'a-1']);
    expect(fitting('[!a-b]*')).to.deep.equal(['sal', '7']);
    expect(fitting('[^a-b]*')).to.deep.equal(['sal', '7']);
    expect(fitting('b[._]b')).to.deep.equal(['b.b', 'b_b']);
    expect(fitting('a[-]1')).to.deep.equal(['a-1']);
    expect(fitting('[]x]*')).to.deep.equal([]);
  });

  it('of a glob takes everything else as it is', () => {
    expect(fitting('b.b')).to.deep.equal(['b.b']);
    for (const glob of ['a|b', '(al)', 'a+', '^al$', 'a\\w', 'a{1}', '[\\w]', '[[:alpha:]]', '\\', '+', '[&&a]']) {
      expect(compilePattern(glob)('al'), glob).to.equal(false);
    }
  });

  it('of a regular expression fits any part, in any case', () => {
    expect(fitting('/al/')).to.deep.equal(['al', 'Alice', 'ALBERT', 'sal']);
    expect(fitting('/^a.*t$/')).to.deep.equal(['ALBERT']);
    expect(fitting('/\\d/')).to.deep.equal(['a-1', '7']);
    expect(fitting('/^(bob|sal)$/')).to.deep.equal(['bob', 'sal']);
    expect(fitting('//')).to.deep.equal(names);
  });

  it('says what is wrong and where', () => {
    expect(badPattern('/b[z-a]/')).to.include('invalid character class range at 4: z-a');
    expect(badPattern('/a(b/')).to.include('missing closing )');
    expect(badPattern('/a(b/')).not.to.include('(?i)');
    expect(badPattern('/*a/')).to.include('missing argument to repetition operator at 2: *');
    expect(badPattern('/(?=a)/')).to.include('(?=');
    expect(badPattern('/a\\/')).to.include('trailing backslash');
    expect(badPattern('/abc')).to.include('the closing / is missing at 5');
    expect(badPattern('/')).to.include('the closing / is missing at 2');
    expect(badPattern('ab[cd')).to.include('the ] of [ is missing at 3');
    expect(badPattern('[')).to.include('missing at 1');
    expect(badPattern('[]')).to.include('missing at 1');
    expect(badPattern('[z-a]')).to.include('invalid character class range');
  });

  it('refuses patterns that are too long, repeat too often or are too complex', () => {
    expect(compilePattern('a'.repeat(maxPatternLength))('a')).to.equal(false);
    expect(badPattern('a'.repeat(maxPatternLength + 1))).to.include('longer than 256');
    expect(badPattern('/a{600}b{500}/')).to.include('repeats more than 1000');
    expect(badPattern('/(a{10}){1,1000}/')).to.include('repeats more than 1000');
    expect(badPattern('/a{1001}/')).to.include('repeats more than 1000');
    expect(badPattern('/((\\pL?b?){9}){99}/')).to.include('too complex');
  });

  it('is fast where backtracking would hang', () => {
    const startedAtMs = performance.now();
    for (const pattern of ['/(a+a+)+y/', '/(a|a)*y/', `${'*a'.repeat(100)}y`, '/(a?){25}a{25}y/', '/(.*)*y/']) {
      const fits = compilePattern(pattern);
      for (let times = 0; times < 1000; times += 1) expect(fits('a'.repeat(25))).to.equal(false);
    }
    const tookMs = performance.now() - startedAtMs;
    expect(tookMs).to.be.below(3000 * slownessOfMachine());
  });

  it('is a test or an error for whatever is given', () => {
    const special = fc.constantFrom(...'*?[]!^-/\\(){}|+.,$ab19é\ud83d');
    fc.assert(
      fc.property(fc.string({ unit: special, maxLength: 40 }), fc.boolean(), (text, isRegex) => {
        try {
          expect(compilePattern(isRegex ? `/${text}/` : text)('alice')).to.be.a('boolean');
        } catch (error) {
          if (!(error instanceof ParleyError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('of a glob agrees with a plain reading of it', () => {
    const reads = (glob: string, name: string): boolean => {
      if (glob === '') return name === '';
      if (glob[0] === '*') return reads(glob.slice(1), name) || (name !== '' && reads(glob, name.slice(1)));
      return name !== '' && (glob[0] === '?' || glob[0] === name[0]) && reads(glob.slice(1), name.slice(1));
    };
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ab.*?'), minLength: 1, maxLength: 8 }),
        fc.string({ unit: fc.constantFrom(...'ab.'), minLength: 1, maxLength: 8 }),
        (glob, name) => compilePattern(glob)(name) === reads(glob, name),
      ),
      { numRuns: 1000 },
    );
  });
});
