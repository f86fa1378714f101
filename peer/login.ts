// The ways into a session: connect, check the center, prove the key, and log in by password or token.
import type { KeyObject } from 'node:crypto';
import { asParleyError, ParleyError } from '../shared/errors.ts';
import { fingerprint, generateKey } from '../shared/identity.ts';
import { checkName, checkPassword } from '../shared/names.ts';
import type { parley } from '../shared/protocol.js';
import { safeLine } from '../shared/text.ts';
import { CenterFiles, makePeerDirectory } from './account-files.ts';
import { Connection } from './connection.ts';
import { givenUp } from './failures.ts';
import { KnownCenters } from './known-centers.ts';
import { dial } from './socket.ts';
import { nextPass, type Pass, type Ticket } from './ticket.ts';

/** More than any password: what is longer is not sent. */
const maxSentPasswordBytes = 1024;

/** How to reach the center, and how to know that it is the right one. */
export interface CenterAddress {
  host: string;
  port: number;
  dataDir: string;
  fingerprint?: string | undefined;
  ca?: string | undefined;
  plain?: boolean | undefined;
}

export type Way =
  | { kind: 'register'; name: string; password: string; invite: string }
  | { kind: 'login'; name: string; password: string }
  /** With the token kept from an earlier session. */
  | { kind: 'resume'; name: string };

export interface Entered {
  connection: Connection;
  account: number;
  /** As registered. */
  name: string;
  pass: Pass;
  files: CenterFiles;
}

/**
 * Connects and says Hello; whether it is the right center, Connection.greeted tells, which rejects with cancelled where
 * the signal is aborted before. onPinned is called at first contact.
 * Throws what dial does.
 */
async function connect(
  address: CenterAddress,
  ticket: Ticket | null,
  onPinned: (fingerprint: string) => void,
  signal?: AbortSignal,
): Promise<Connection> {
  const { host, port, dataDir, ca, plain } = address;
  const channel = await dial({
    host,
    port,
    ...(ca === undefined ? {} : { ca }),
    ...(plain === undefined ? {} : { plain }),
    ...(signal === undefined ? {} : { signal }),
    ticket,
  });
  const known = new KnownCenters(dataDir);
  const connection = Connection.begin(channel, {
    ticket,
    pin: (hello) => {
      const contact = known.check(host, port, hello, address.fingerprint);
      if (contact === 'first') onPinned(fingerprint(hello.identityKey));
    },
  });
  const giveUp = () => connection.close(givenUp());
  if (signal?.aborted) giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  const done = () => signal?.removeEventListener('abort', giveUp);
  connection.greeted.then(done, done);
  return connection;
}

/**
 * Logs in over a connection of its own. Nothing is filed yet.
 * @throws ParleyError what the center answers, bad_token where no session of this name is kept, and bad_data where
 * nothing can be kept
 */
export async function enter(
  address: CenterAddress,
  way: Way,
  onPinned: (fingerprint: string) => void,
  signal?: AbortSignal,
): Promise<Entered> {
  checkName(way.name);
  if (way.kind === 'register') checkPassword(way.password);
  if (way.kind !== 'resume' && Buffer.byteLength(way.password) > maxSentPasswordBytes) checkPassword(way.password);
  // Before a login that would displace another peer, only to fail then.
  makePeerDirectory(address.dataDir);
  const entered = await enterOnce(address, way, onPinned, signal);
  const known = entered.files.accountNamed(way.name);
  if (way.kind !== 'login' || known === null || known === entered.account) return entered;
  // The name was given anew. The key that was just shown belongs to the earlier account: it must not serve two.
  entered.connection.close(new ParleyError('cancelled', 'Logging in again with a key of its own.'));
  await entered.files.removeName(way.name, known);
  return enterOnce(address, way, onPinned, signal);
}

async function enterOnce(
  address: CenterAddress,
  way: Way,
  onPinned: (fingerprint: string) => void,
  signal?: AbortSignal,
): Promise<Entered> {
  const connection = await connect(address, null, onPinned, signal);
  try {
    await connection.greeted;
    const files = new CenterFiles(address.dataDir, connection.hello.centerId);
    const { key, token } = credentials(files, way);
    const { account, name, ...welcome } = await welcomed(connection, requestOf(way, token), key, signal);
    const pass = nextPass(welcome, key, connection.hello.identityKey);
    return { connection, pass, files, account, name: safeLine(name) };
  } catch (error) {
    connection.close(asParleyError(error));
    throw error;
  }
}

/**
 * Continues a session over a new connection, and attaches. onWelcome gets what to come back with the next time and what
 * the center says to Attach, if it has done that, before any later frame is read.
 */
export async function resume(
  address: CenterAddress,
  session: { pass: Pass; attach: () => parley.Attach.$Properties },
  onPinned: (fingerprint: string) => void,
  signal: AbortSignal,
  onWelcome: (connection: Connection, pass: Pass, attached: parley.Attached | null) => void,
): Promise<Connection> {
  const { pass, attach } = session;
  const ticket = pass.ticket?.isGood ? pass.ticket : null;
  const connection = await connect(address, ticket, onPinned, signal);
  try {
    if (!connection.isTicketed) await connection.greeted;
    const welcome = welcomed(
      connection,
      { resume: { token: pass.token, attach: attach() } },
      pass.key,
      signal,
      (welcome) => {
        const next = nextPass(welcome, pass.key, connection.hello.identityKey, pass);
        onWelcome(connection, next, (welcome.attached as parley.Attached | null | undefined) ?? null);
      },
    );
    await Promise.all([connection.greeted, welcome]);
    return connection;
  } catch (error) {
    connection.close(asParleyError(error));
    throw error;
  }
}

function credentials(files: CenterFiles, way: Way): { key: KeyObject; token: string } {
  const known = way.kind === 'register' ? null : files.accountNamed(way.name);
  const kept = known === null ? null : files.account(known);
  if (way.kind !== 'resume') return { key: kept?.key() ?? generateKey(), token: '' };
  const key = kept?.key() ?? null;
  const token = kept?.token() ?? null;
  if (key === null || token === null) {
    throw new ParleyError('bad_token', `No session of ${way.name} is kept here. Log in with the password.`);
  }
  return { key, token };
}

type LoginRequest = Pick<parley.Frame.$Properties, 'register' | 'login' | 'resume'>;

function requestOf(way: Way, token: string): LoginRequest {
  const { kind, name } = way;
  if (kind === 'register') return { register: { name, password: way.password, invite: way.invite } };
  return kind === 'login' ? { login: { name, password: way.password } } : { resume: { token } };
}

async function welcomed(
  connection: Connection,
  request: LoginRequest,
  key: KeyObject,
  signal?: AbortSignal,
  onWelcome: (welcome: parley.Welcome) => void = () => undefined,
): Promise<parley.Welcome> {
  const proof = connection.prove(key);
  for (const body of [request.register, request.login, request.resume]) if (body) Object.assign(body, proof);
  const onAbort = () => connection.close(new ParleyError('cancelled', 'Logging in was given up.'));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<parley.Welcome>();
    connection.ask(request, (reply) => {
      if (reply instanceof ParleyError) return reject(reply);
      if (!reply.welcome) return reject(new ParleyError('bad_frame', 'The center did not answer the login.'));
      const welcome = reply.welcome as parley.Welcome;
      try {
        onWelcome(welcome);
        resolve(welcome);
      } catch (error) {
        reject(error);
      }
    });
    return await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
