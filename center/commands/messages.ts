// Requests about messages that are not messages themselves: broadcast, withdraw, hold and fetch.
import { ParleyError } from '../../shared/errors.ts';
import { encodeFrame } from '../../shared/frames.ts';
import type { parley } from '../../shared/protocol.js';
import type { Session } from '../session.ts';
import { memberOf } from './account.ts';
import type { Answer } from './table.ts';

/** A broadcast to so many counts as one message more. */
const recipientsPerCharge = 50;

export function heartbeat(): Answer {
  return { reply: { done: {} } };
}

export function broadcast(session: Session, { body, sentAtMs }: parley.Broadcast.$Properties): Answer {
  const member = memberOf(session);
  const { presence, limits } = session.services;
  if (!body) throw new ParleyError('empty_body', 'There is no text to send.');
  if (Buffer.byteLength(body) > limits.maxBodyBytes) {
    throw new ParleyError('body_too_long', `The text is longer than ${limits.maxBodyBytes} bytes.`);
  }
  const { account: from, name: fromName } = member;
  const bytes = encodeFrame({ broadcastDeliver: { from, fromName, sentAtMs: sentAtMs ?? 0, body } });
  let handed = 0;
  let leftOut = 0;
  for (const { account, listener, blocks } of presence.people()) {
    if (account === from || !listener) continue;
    const blocked = blocks.has(from) || member.blocks.has(account);
    if (!blocked && listener.notice(bytes)) handed++;
    else leftOut++;
  }
  session.pace.spend(1 + Math.floor((handed + leftOut) / recipientsPerCharge));
  return { reply: { broadcasted: { handed, leftOut } } };
}

export function withdraw(session: Session, { to, number }: parley.Withdraw.$Properties): Answer {
  const { outbox } = memberOf(session);
  if (!outbox) throw new ParleyError('wrong_state', 'Withdraw was asked for before Attach.');
  if (!session.services.mail.withdraw(outbox, to ?? 0, number ?? 0)) {
    throw new ParleyError('already_accepted', 'The center has accepted the message already.');
  }
  return { reply: { done: {} } };
}

export function hold(session: Session, { on }: parley.Hold.$Properties): Answer {
  const { mailbox } = memberOf(session);
  mailbox.setHold(on ?? false);
  return { reply: { waiting: { count: mailbox.count } } };
}

export function fetch(session: Session, { limit }: parley.Fetch.$Properties): Answer {
  const { mailbox } = memberOf(session);
  const count = mailbox.waiting(limit ?? 0);
  return { reply: { waiting: { count } }, after: () => mailbox.fetch(count) };
}
