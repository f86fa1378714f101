// Getting in, attaching, and getting out: the sequences behind the requests about one's own account.
import { ParleyError } from '../../shared/errors.ts';
import { fingerprint, peerProof, sameBytes, verifyProof } from '../../shared/identity.ts';
import type { parley } from '../../shared/protocol.js';
import { hashToken, isTicketMac } from '../../shared/ticket.ts';
import type { Mailbox } from '../delivery/mailbox.ts';
import type { Greeting } from '../hello.ts';
import { admissibleLocal } from '../links/introductions.ts';
import {
  type Admission,
  admit,
  displacedText,
  type From,
  type LoggedIn,
  login as logIn,
  register as registerAccount,
  resume as resumeSession,
} from '../login.ts';
import type { Credentials, Member } from '../member.ts';
import type { Session } from '../session.ts';
import type { Timeout } from '../wheel.ts';
import type { Answer } from './table.ts';

const outboxIdBytes = 16;
/** What is said during a resume waits no longer for its answer. */
const mostHeldMs = 500;
/** How often a login looks for the mailbox of its account until that counts as gone. */
const maxOpenings = 3;
const continuedText = 'The session goes on over another connection.';

type Proof = { key?: Uint8Array | null; signature?: Uint8Array | null; token?: string | null; mac?: Uint8Array | null };

/** The key that a peer has proved to hold. */
interface ProvenKey {
  der: Uint8Array;
  fingerprint: string;
  /** By the ticket of the token that it shows. */
  isTicketed: boolean;
}

export function register(session: Session, body: parley.Register.$Properties): Promise<Answer> {
  const { name, password, invite } = body;
  return enter(session, body, displacedText, async ({ fingerprint: key }, from) => {
    const { services } = session;
    const request = { name: name ?? '', password: password ?? '', invite: invite ?? '', key };
    return admit(services, await registerAccount(services, request, from));
  });
}

export function login(session: Session, body: parley.Login.$Properties): Promise<Answer> {
  const { name, password } = body;
  return enter(session, body, displacedText, async ({ fingerprint: key }, from) => {
    const { services } = session;
    return admit(services, await logIn(services, { name: name ?? '', password: password ?? '', key }, from));
  });
}

export async function resume(session: Session, body: parley.Resume.$Properties): Promise<Answer> {
  const { connection, services } = session;
  // With a ticket's TLS it came with Hello, and the answers go in one as well. Not for long: without an answer to Hello, or
  // to a heartbeat, a peer takes the center for gone.
  const over: Timeout = { dueTick: 0, expire: () => connection.release() };
  connection.hold();
  services.wheel.schedule(over, mostHeldMs);
  try {
    return await resumeAndAttach(session, body);
  } finally {
    services.wheel.cancel(over);
    connection.release();
  }
}

async function resumeAndAttach(session: Session, body: parley.Resume.$Properties): Promise<Answer> {
  const { services, from } = session;
  const answer = await enter(session, body, continuedText, ({ fingerprint: key, isTicketed }) =>
    resumeSession(services, { token: body.token ?? '', key, isTicketed }, from),
  );
  services.sessions.proved(from);
  if (!body.attach) return answer;
  // A peer that hears nothing of it says Attach, and is told why it cannot be.
  const attached = await attach(session, body.attach).catch(() => null);
  if (!attached) return answer;
  return { reply: { welcome: { ...answer.reply.welcome, ...attached.reply } }, after: attached.after };
}

export function origin(session: Session): From {
  const { address, loopback, counted } = session.from;
  return {
    address,
    loopback,
    hasLiveSession: session.services.sessions.hasLiveSession(counted),
    isConnected: () => session.state.name !== 'ended',
  };
}

/** The steps that every way in shares: the key is proved, the account judged, the older session displaced. */
async function enter(
  session: Session,
  proof: Proof,
  toOlder: string,
  judge: (key: ProvenKey, from: From) => Admission | Promise<Admission>,
): Promise<Answer> {
  if (session.state.name !== 'greeted') throw new ParleyError('wrong_state', 'This connection is logged in.');
  const { greeting } = session.state;
  const { sessions, presence, store, mail, tickets } = session.services;
  sessions.enter(session.from);
  session.state = { name: 'entering', greeting };
  let admission: Admission | undefined;
  try {
    const key = provenKey(proof, greeting, session.from.ticket !== null);
    admission = await judge(key, origin(session));
    let mailbox: Mailbox | undefined;
    let loggedIn: LoggedIn;
    let tries = 0;
    do {
      // The store answers in the order in which it is asked: with the record the mailbox is there, without a wait of its own.
      const opening = mail.openMailbox(admission.account);
      if (tries > 0) await opening;
      else opening.catch(() => undefined);
      loggedIn = admission.enter(await admission.record());
      // Not there: the account was closing, and a resume has opened it again; or it left memory while the store took its
      // time; or the account is gone.
      mailbox = mail.mailbox(admission.account);
    } while (!mailbox && ++tries < maxOpenings);
    // From that answer on nothing waits, not even a promise: whatever ends this session next finds it.
    if (!mailbox) throw new ParleyError('account_deleted', 'The account was deleted.');
    const { account, generation, jti } = loggedIn;
    const credentials = { account: account.id, name: account.name, mailbox, key: key.fingerprint, generation, jti };
    displaceOlder(session, credentials, toOlder);
    mailbox.setGeneration(generation);
    // The connection may have ended while the account was judged: the session lives, and can be resumed.
    if ((session.state as { name: string }).name !== 'entering') {
      if (!presence.isOnline(account.id)) await store.setOffline([account.id]);
      throw new ParleyError('timeout', 'The connection is gone.');
    }
    presence.arrive(session.enter(credentials));
    // Who has shown the ticket of a token has it.
    const isKept = key.isTicketed && loggedIn.token === proof.token;
    const ticket = isKept ? {} : { ticket: tickets.issue(loggedIn.token, key.der) };
    return { reply: { welcome: { ...welcome(loggedIn), ...ticket } } };
  } catch (error) {
    if (session.state.name === 'entering') session.awaitLogin(greeting);
    // The login has ended the session of whoever is there, though it goes no further itself.
    if (admission?.generation !== undefined) endOlder(session, admission.account, admission.generation);
    throw error;
  } finally {
    sessions.entered(session.from);
  }
}

/** Ends a session of the account that one of this generation has replaced, whose connection does not know it yet. */
export function endOlder(
  session: Session,
  account: number,
  generation: number,
  code: 'displaced' | 'password_changed' = 'displaced',
): void {
  const live = session.services.sessions.of(account);
  if (!live || live === session || live.state.name !== 'member' || live.state.member.generation >= generation) return;
  const text = code === 'displaced' ? displacedText : 'The password was changed. Please log in again.';
  live.end(new ParleyError(code, text), 'later');
}

/** isByTls: the ticket was shown, and its secret proved, when TLS began. */
function provenKey({ key, signature, token, mac }: Proof, { binding, ticket }: Greeting, isByTls: boolean): ProvenKey {
  const isTicketed =
    ticket !== null &&
    sameBytes(ticket.tokenHash, hashToken(token ?? '')) &&
    (isByTls || isTicketMac(ticket.secret, peerProof(binding), mac ?? new Uint8Array()));
  if (!key || !(isTicketed || (signature && verifyProof(key, peerProof(binding), signature)))) {
    throw new ParleyError('bad_signature', 'The peer did not prove that it holds its key.');
  }
  return { der: key, fingerprint: fingerprint(key), isTicketed };
}

function displaceOlder(session: Session, { account, generation }: Credentials, toOlder: string): void {
  const older = session.services.sessions.of(account);
  if (older?.state.name !== 'member') return;
  // Two logins at once: the store has put them in an order, and the later one stays.
  if (older.state.member.generation > generation) throw new ParleyError('displaced', displacedText);
  older.end(new ParleyError('displaced', toOlder), 'later');
  if (toOlder === displacedText) void session.services.links.accountEnded(account, 'displaced');
}

export function welcome({ account, generation, token, tokenExpiresAtMs }: LoggedIn): parley.Welcome.$Properties {
  return { account: account.id, name: account.name, token, tokenExpiresAtMs, generation };
}

/** The login of a connection whose command is running. */
export function memberOf(session: Session): Member {
  if (session.state.name !== 'member') throw new ParleyError('wrong_state', 'This connection is not logged in.');
  return session.state.member;
}

export async function attach(session: Session, body: parley.Attach.$Properties): Promise<Required<Answer>> {
  const member = memberOf(session);
  const { mail, limits } = session.services;
  const id = body.outbox ?? new Uint8Array();
  if (id.length !== outboxIdBytes) throw new ParleyError('bad_frame', `An outbox id has ${outboxIdBytes} bytes.`);
  if (member.outbox) throw new ParleyError('wrong_state', 'This connection has attached already.');
  const outbox = await mail.openOutbox(member.account, member.name, id, member.mailbox);
  if (memberOf(session).outbox) throw new ParleyError('wrong_state', 'This connection has attached already.');
  member.outbox = outbox;
  outbox.session = member;
  if (body.windowMessages) member.windowMessages = Math.min(body.windowMessages, limits.windowMessages);
  const attached = { highestNumber: outbox.highestNumber, waiting: member.mailbox.count };
  return {
    reply: { attached },
    after: () => {
      mail.receipts.tellAll(outbox);
      member.mailbox.attach(member, member.generation, body.hold ?? false);
      joinLinks(session, member, body);
    },
  };
}

function joinLinks(session: Session, member: Member, body: parley.Attach.$Properties): void {
  const { links, log } = session.services;
  member.listenPort = body.listenPort ?? 0;
  if (body.localAddresses && body.localAddresses.length > 0) member.local = admissibleLocal(body.localAddresses);
  links.attach(member).catch((error: unknown) => {
    log.warn(
      { err: error, account: member.account },
      'a session could not be introduced to those it has a consent with',
    );
  });
}

export async function logout(session: Session, { keepToken }: parley.Logout.$Properties): Promise<Answer> {
  const { account, jti, generation } = memberOf(session);
  const { store, sessions, links } = session.services;
  if (!keepToken) await store.endSession(account, jti);
  const live = sessions.of(account);
  if (live && live !== session) {
    // A resume that the store had before has taken this one's place: what has ended is over there, too.
    const isSame = live.state.name === 'member' && live.state.member.generation === generation;
    if (keepToken || !isSame) return { reply: { done: {} } };
    live.end(new ParleyError('logged_out', 'You have logged out.'), 'now');
  }
  await links.accountEnded(account, 'logged_out');
  return { reply: { done: {} }, after: () => session.finish() };
}
