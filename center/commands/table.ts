// Every request that a peer can make: in which state of the connection, and what it does. A new request is a row here.
import type { parley } from '../../shared/protocol.js';
import type { Session, SessionState } from '../session.ts';
import { attach, login, logout, register, resume } from './account.ts';
import { allow, consents, deny, getAddress, introduce, punch, revoke, tunnelOpen } from './links.ts';
import { broadcast, fetch, heartbeat, hold, withdraw } from './messages.ts';
import { deleteAccount, passwd } from './own-account.ts';
import { block, blocked, lookup, online, users } from './people.ts';

/** The body of the one reply: a result or an error. */
export type Reply = Omit<parley.Frame.$Properties, 'request'>;

/** What a command says, and what it does when that is on its way. */
export interface Answer {
  reply: Reply;
  after?: () => void;
}

export interface Command<Body> {
  when: readonly SessionState['name'][];
  /** A ParleyError thrown is the reply. */
  run(session: Session, body: Body): Answer | Promise<Answer>;
}

export const commands = {
  register: { when: ['greeted'], run: register },
  login: { when: ['greeted'], run: login },
  resume: { when: ['greeted'], run: resume },
  attach: { when: ['member'], run: attach },
  logout: { when: ['member'], run: logout },
  passwd: { when: ['member'], run: passwd },
  deleteAccount: { when: ['member'], run: deleteAccount },
  lookup: { when: ['member'], run: lookup },
  online: { when: ['member'], run: online },
  users: { when: ['member'], run: users },
  block: { when: ['member'], run: block },
  blocked: { when: ['member'], run: blocked },
  broadcast: { when: ['member'], run: broadcast },
  withdraw: { when: ['member'], run: withdraw },
  hold: { when: ['member'], run: hold },
  fetch: { when: ['member'], run: fetch },
  getAddress: { when: ['member'], run: getAddress },
  allow: { when: ['member'], run: allow },
  deny: { when: ['member'], run: deny },
  revoke: { when: ['member'], run: revoke },
  consents: { when: ['member'], run: consents },
  introduce: { when: ['member'], run: introduce },
  punch: { when: ['member'], run: punch },
  tunnelOpen: { when: ['member'], run: tunnelOpen },
  heartbeat: { when: ['greeted', 'entering', 'member'], run: heartbeat },
} as const satisfies { [Name in keyof Reply]?: Command<NonNullable<Reply[Name]>> };

export type RequestName = keyof typeof commands;
