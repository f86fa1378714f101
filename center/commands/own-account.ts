// What somebody does to the account that is their own: a new password, and deletion.
import { ParleyError } from '../../shared/errors.ts';
import type { parley } from '../../shared/protocol.js';
import { changePassword, checkOwnPassword } from '../login.ts';
import type { Member } from '../member.ts';
import type { Session } from '../session.ts';
import { endOlder, memberOf, origin, welcome } from './account.ts';
import type { Answer } from './table.ts';

export async function passwd(session: Session, body: parley.Passwd.$Properties): Promise<Answer> {
  const member = memberOf(session);
  const { services } = session;
  const { oldPassword, newPassword } = body;
  const request = { oldPassword: oldPassword ?? '', newPassword: newPassword ?? '', key: member.key };
  const loggedIn = await changePassword(services, member.account, request, origin(session));
  if (session.hasEnded) {
    // While the store was at it. Whoever has resumed the session that this ended is out, and nobody hears of the new one.
    endOlder(session, member.account, loggedIn.generation, 'password_changed');
    await services.store.endSession(member.account, loggedIn.jti);
    await services.links.accountEnded(member.account, 'password_changed');
    throw new ParleyError('timeout', 'The connection is gone.');
  }
  member.jti = loggedIn.jti;
  member.generation = Math.max(member.generation, loggedIn.generation);
  member.mailbox.setGeneration(loggedIn.generation);
  await services.links.accountEnded(member.account, 'password_changed');
  return { reply: { welcome: welcome(loggedIn) } };
}

/** The account takes no more mail; when its own is drained it goes, and the connection is told. */
export async function deleteAccount(session: Session, { password }: parley.DeleteAccount.$Properties): Promise<Answer> {
  const member = memberOf(session);
  const { store, mail } = session.services;
  if (!member.outbox) throw new ParleyError('wrong_state', 'Attach comes before DeleteAccount.');
  if (member.deleting) throw new ParleyError('wrong_state', 'The account is being deleted.');
  await checkOwnPassword(
    session.services,
    member.account,
    { password: password ?? '', key: member.key },
    origin(session),
  );
  memberOf(session);
  member.deleting = true;
  member.mailbox.close();
  try {
    // Where the store takes nothing, nothing is deleted.
    await mail.settle(member.mailbox);
    memberOf(session);
    if ((await store.setState(member.account, 'closing')) === 'gone') {
      throw new ParleyError('account_deleted', 'The account was deleted.');
    }
  } catch (error) {
    member.deleting = false;
    if (session.state.name === 'member') member.mailbox.reopen();
    throw error;
  }
  return { reply: { done: {} }, after: () => member.mailbox.drain(() => void removeDrained(session, member)) };
}

async function removeDrained(session: Session, member: Member): Promise<void> {
  const { store, mail, presence, sessions, links, log } = session.services;
  try {
    // Asked for in the turn that found the mailbox empty: nothing comes into it, and nobody opens the account again,
    // between that and the removal. With the removal go the consents that tell whom it concerns.
    const [partners, outcome] = await Promise.all([
      links.partners(member.account),
      store.removeAccount(member.account),
    ]);
    if (outcome === 'waiting') throw new Error('mail waits in a mailbox that was drained');
    member.deleting = false;
    links.endWith(partners, member.account, 'account_deleted');
    const deleted = new ParleyError('account_deleted', `The account ${member.name} is deleted.`);
    session.end(deleted, 'now');
    // Who came back too late.
    sessions.of(member.account)?.end(deleted, 'now');
    presence.remove(member.account);
    mail.forget(member.account);
  } catch (error) {
    log.error({ err: error, account: member.account }, 'an account could not be deleted');
    session.end(new ParleyError('internal', 'The account could not be deleted now. It is open again.'), 'later');
  }
}
