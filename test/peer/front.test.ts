import { expect } from 'chai';
import { askSignIn, isRefusal } from '../../peer/front.ts';
import { ParleyError } from '../../shared/errors.ts';

const blank = { user: null, password: null, register: false, invite: null, resume: false };

/** Answers in order; what was asked is kept. */
function asker(...answers: string[]) {
  const asked: string[] = [];
  const ask = async ({ prompt, secret }: { prompt: string; secret: boolean }) => {
    asked.push(secret ? `${prompt}*` : prompt);
    return answers.shift() ?? null;
  };
  return { ask, asked };
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error: unknown) => error,
  );
}

describe('signing in', () => {
  it('asks for name and password', async () => {
    const { ask, asked } = asker('seas', 'summerisover');
    expect(await askSignIn(blank, ask)).to.deep.equal({ how: 'login', name: 'seas', password: 'summerisover' });
    expect(asked).to.deep.equal(['Username: ', 'Password: *']);
  });

  it('asks for a new account’s password twice', async () => {
    const { ask, asked } = asker('register', 'seas', 'summer', 'summer');
    const how = { how: 'register', name: 'seas', password: 'summer', invite: null };
    expect(await askSignIn(blank, ask)).to.deep.equal(how);
    expect(asked).to.deep.equal(['Username: ', 'Username: ', 'Password: *', 'Password again: *']);
  });

  it('asks for nothing that is given', async () => {
    const { ask, asked } = asker();
    expect(await askSignIn({ ...blank, user: 'seas', resume: true }, ask)).to.deep.equal({
      how: 'resume',
      name: 'seas',
    });
    const given = { ...blank, user: 'seas', password: 'summer', register: true, invite: 'code' };
    expect(await askSignIn(given, ask)).to.deep.equal({
      ...{ how: 'register', name: 'seas', password: 'summer', invite: 'code' },
    });
    expect(asked).to.deep.equal([]);
  });

  it('finds out before it connects what cannot be right', async () => {
    expect(await failure(askSignIn(blank, asker('-x').ask))).to.include({ code: 'bad_name' });
    expect(await failure(askSignIn(blank, asker('online').ask))).to.include({ code: 'bad_name' });
    expect(await failure(askSignIn(blank, asker('register', 'seas', 'short').ask))).to.include({
      code: 'bad_password',
    });
    expect(await failure(askSignIn(blank, asker('register', 'seas', 'summer', 'winter').ask))).to.be.an('error');
  });

  it('ends where the input does, or with quit', async () => {
    expect(await askSignIn(blank, asker().ask)).to.equal(null);
    expect(await askSignIn(blank, asker('seas').ask)).to.equal(null);
    expect(await askSignIn(blank, asker('quit').ask)).to.equal(null);
  });

  it('tells a refusal from a center that could not be asked', () => {
    expect(isRefusal(new ParleyError('bad_credentials', ''))).to.equal(true);
    expect(isRefusal(new ParleyError('bad_address', ''))).to.equal(true);
    expect(isRefusal(new ParleyError('bad_data', ''))).to.equal(true);
    expect(isRefusal(new ParleyError('center_changed', ''))).to.equal(false);
    expect(isRefusal(new ParleyError('disconnected', ''))).to.equal(false);
    expect(isRefusal(new Error())).to.equal(false);
  });
});
