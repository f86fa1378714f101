// How a wish to delete the account comes to its end, and which word counts where there are two.
import { expect } from 'chai';
import { Deletion } from '../../peer/deletion.ts';
import { ParleyError } from '../../shared/errors.ts';
import { codeOf } from '../helpers/peers.ts';

const never = (): Promise<never> => new Promise(() => undefined);
const gone = new ParleyError('account_deleted', 'The account is deleted.');

describe('the deletion of an account', () => {
  it('is done when the session ends with it, not when the center has answered', async () => {
    const deletion = new Deletion();
    let isDone = false;
    const done = deletion.run(async () => undefined).then(() => (isDone = true));
    await Promise.resolve();
    expect(isDone).to.equal(false);
    deletion.ended(gone);
    await done;
  });

  it('is done where the end came instead of the answer', async () => {
    const deletion = new Deletion();
    const answer = Promise.withResolvers<void>();
    const done = deletion.run(() => answer.promise);
    deletion.ended(gone);
    answer.reject(gone);
    await done;
  });

  it('fails with what the center answers, and may then be asked for again', async () => {
    const deletion = new Deletion();
    const refused = () => Promise.reject(new ParleyError('bad_credentials', 'The password is wrong.'));
    expect(await codeOf(deletion.run(refused))).to.equal('bad_credentials');
    const done = deletion.run(never);
    expect(await codeOf(deletion.run(never))).to.equal('wrong_state');
    deletion.ended(gone);
    await done;
  });

  it('fails where the connection breaks, or the session ends otherwise', async () => {
    const deletion = new Deletion();
    const broken = codeOf(deletion.run(never));
    deletion.broke();
    expect(await broken).to.equal('disconnected');
    const banned = codeOf(deletion.run(never));
    deletion.ended(new ParleyError('banned', 'You are banned.'));
    expect(await banned).to.equal('banned');
  });
});
