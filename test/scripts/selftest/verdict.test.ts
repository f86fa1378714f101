import { expect } from 'chai';
import { type Account, judge, type Verdict } from '../../../scripts/selftest/verdict.ts';

describe('the verdict of the self-test', () => {
  function account(name: string, parts: Partial<Account> = {}): Account {
    return { name, ledger: [], history: [], accepted: [], ...parts };
  }

  /** seas has sent three messages to google and was told so; what google has of them. */
  function judgeGoogle(history: string[], ledger = history.map((text) => `shown ${text}`)): Verdict {
    const sent = ['seas>google#1', 'seas>google#2', 'seas>google#3'];
    return judge([
      account('seas', { ledger: sent.map((text) => `accepted ${text}`) }),
      account('google', { history, ledger }),
    ]);
  }

  const [one, two, three] = ['seas>google#1', 'seas>google#2', 'seas>google#3'] as const;
  const nothing = { lost: 0, duplicated: 0, reordered: 0 };

  it('is good where all is there, once and in order', () => {
    expect(judgeGoogle([one, two, three])).to.deep.include({
      ...nothing,
      accepted: 3,
      shown: 3,
      again: 0,
      examples: [],
    });
  });

  it('finds what was accepted and is not there', () => {
    expect(judgeGoogle([one, three])).to.deep.include({ ...nothing, lost: 1, examples: [`lost: ${two}`] });
  });

  it('finds what only the history of its sender says is accepted', () => {
    const seas = account('seas', { accepted: [one] });
    expect(judge([seas, account('google')])).to.deep.include({ ...nothing, accepted: 1, lost: 1 });
  });

  it('finds what is there and was never shown', () => {
    const verdict = judgeGoogle([one, two, three], [`shown ${one}`, `again ${three}`]);
    expect(verdict).to.deep.include({ ...nothing, lost: 1, again: 1 });
    expect(verdict.examples).to.deep.equal([`in the history of google, and never shown: ${two}`]);
  });

  it('finds what is there twice', () => {
    expect(judgeGoogle([one, two, two, three])).to.deep.include({ ...nothing, duplicated: 2 });
  });

  it('finds what was shown twice, but where it was marked', () => {
    const shown = [one, two, three].map((text) => `shown ${text}`);
    expect(judgeGoogle([one, two, three], [...shown, `shown ${two}`])).to.deep.include({ ...nothing, duplicated: 1 });
    expect(judgeGoogle([one, two, three], [...shown, `again ${two}`])).to.deep.include({ ...nothing, again: 1 });
    const first = [`shown ${one}`, `again ${two}`, `shown ${three}`, `shown ${two}`];
    expect(judgeGoogle([one, two, three], first)).to.deep.include({ ...nothing, again: 1, duplicated: 1 });
  });

  it('finds what comes behind a later one, in each direction for itself', () => {
    expect(judgeGoogle([one, three, two])).to.deep.include({ ...nothing, reordered: 1 });
    const history = ['seas>google#2', 'seas>google!#1', 'yahoo>google#1'];
    const google = account('google', { history, ledger: history.map((text) => `shown ${text}`) });
    expect(judge([google])).to.deep.include({ ...nothing, shown: 3 });
  });

  it('finds what was shown in another order than the history has it', () => {
    const verdict = judgeGoogle([one, two, three], [`shown ${one}`, `shown ${three}`, `shown ${two}`]);
    expect(verdict).to.deep.include({ ...nothing, reordered: 1 });
    expect(verdict.examples).to.deep.equal([`google printed it after number 3: ${two}`]);
    // Once, where both have it.
    expect(judgeGoogle([one, three, two])).to.deep.include({ ...nothing, reordered: 1 });
    // After a crash, what was shown before comes again, with the mark.
    const again = [`shown ${one}`, `shown ${two}`, `again ${one}`, `again ${two}`, `shown ${three}`];
    expect(judgeGoogle([one, two, three], again)).to.deep.include({ ...nothing, again: 2 });
  });

  it('counts what was refused, and private messages and links', () => {
    const ledger = [
      'failed unknown_account seas>google#4',
      'accepted seas>google!#1',
      'link up direct',
      'link moved relayed',
    ];
    const verdict = judge([account('seas', { ledger: [...ledger, 'link down direct'] })]);
    expect(verdict).to.deep.include({ failed: 1, private: 1, links: { direct: 1, relayed: 1, moved: 1 } });
  });
});
