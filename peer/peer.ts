// A peer, as programs use it: everything that a user can do, as promises, events and async iteration.
import { env } from 'node:process';
import { defaultDataDir } from '../shared/directory.ts';
import { ParleyError } from '../shared/errors.ts';
import { checkName, checkPassword } from '../shared/names.ts';
import type { parley } from '../shared/protocol.js';
import type { PeerApi, PeerOptions, PrivateOptions, SendOptions } from './api.ts';
import { checkBody } from './body.ts';
import { broadcast } from './broadcast.ts';
import { emptyForDeletion } from './deletion.ts';
import type { Consent, HistoryLine, IncomingMessage, LinkInfo, OutgoingMessage, PeerEvent, Person } from './events.ts';
import { Feed } from './feed.ts';
import { pickMessage } from './feed-reader.ts';
import type { Pairings } from './links/pairings.ts';
import { type CenterAddress, enter, type Way } from './login.ts';
import type { Order } from './orders.ts';
import { OwnPort } from './own-port.ts';
import { consents, people } from './pages.ts';
import { Session } from './session.ts';

type State =
  | { kind: 'offline' }
  | { kind: 'entering'; abort: AbortController; entered: Promise<void> }
  | { kind: 'session'; session: Session }
  | { kind: 'ended' };

export class Peer implements PeerApi {
  readonly #options: PeerOptions;
  readonly #address: CenterAddress;
  readonly #feed: Feed;
  readonly #ownPort: OwnPort;
  #state: State = { kind: 'offline' };

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#feed = new Feed(options.arrival);
    this.#ownPort = new OwnPort(options.listen ?? null, (socket) => {
      // Before somebody is logged in there is nobody to be reached.
      if (this.#state.kind === 'session') this.#state.session.desk.links.accept(socket);
      else socket.destroy();
    });
    const { host, port, fingerprint, ca, plain } = options;
    const dataDir = options.dataDir ?? defaultDataDir('peer', env);
    this.#address = { host, port, dataDir, fingerprint, ca, plain };
    if (options.signal?.aborted) this.#state = { kind: 'ended' };
    options.signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  get state(): PeerApi['state'] {
    if (this.#state.kind === 'entering') return 'connecting';
    if (this.#state.kind !== 'session') return this.#state.kind;
    return this.#state.session.isOnline ? 'online' : 'connecting';
  }

  get name(): string | null {
    return this.#state.kind === 'session' ? this.#state.session.name : null;
  }

  get port(): number {
    return this.#ownPort.number;
  }

  register(name: string, password: string, invite = ''): Promise<void> {
    return this.#enter({ kind: 'register', name, password, invite });
  }

  login(name: string, password: string): Promise<void> {
    return this.#enter({ kind: 'login', name, password });
  }

  resume(name: string): Promise<void> {
    return this.#enter({ kind: 'resume', name });
  }

  on(listener: (event: PeerEvent) => void): () => void {
    return this.#feed.on(listener);
  }

  events(signal?: AbortSignal): AsyncIterableIterator<PeerEvent> {
    return this.#feed.read((event) => event, signal);
  }

  messages(signal?: AbortSignal): AsyncIterableIterator<IncomingMessage> {
    return this.#feed.read(pickMessage, signal);
  }

  async send(to: string, text: string, options: SendOptions = {}): Promise<OutgoingMessage> {
    const session = this.#session;
    checkName(to);
    checkBody(text, session.limits.maxBodyBytes);
    return session.desk.outbox.add(to, text, options.until ?? 'accepted', options.signal);
  }

  async broadcast(text: string): Promise<{ handed: number; leftOut: number }> {
    const session = this.#session;
    checkBody(text, session.limits.maxBodyBytes);
    return broadcast(session, text);
  }

  online(): AsyncIterableIterator<Person> {
    return people(this.#ask, (after) => ({ online: { after } }));
  }

  users(pattern: string): AsyncIterableIterator<Person> {
    return people(this.#ask, (after) => ({ users: { pattern, after } }));
  }

  blocked(): AsyncIterableIterator<Person> {
    return people(this.#ask, (after) => ({ blocked: { after } }));
  }

  block(name: string): Promise<{ later: boolean }> {
    return this.#order('block', name);
  }

  unblock(name: string): Promise<{ later: boolean }> {
    return this.#order('unblock', name);
  }

  async #order(kind: Order['kind'], name: string): Promise<{ later: boolean }> {
    checkName(name);
    const session = this.#session;
    // Here at once, whatever the center says and whether it is there.
    const account = kind === 'unblock' ? null : session.desk.links.end(name, kind === 'block' ? 'blocked' : 'revoked');
    return session.desk.orders.give({ kind, name, account }, (body) => session.request(body));
  }

  // --- private links --------------------------------------------------------------------------------

  async getAddress(name: string): Promise<void> {
    checkName(name);
    await this.#session.request({ getAddress: { name } });
  }

  async allow(name: string, options: { forMs?: number; once?: boolean } = {}): Promise<void> {
    checkName(name);
    const { forMs = 0, once = false } = options;
    const session = this.#session;
    // A revoke that waits would go to the center after it, and meanwhile bar the introduction that it brings.
    await session.desk.orders.instead('revoke', name, () => session.request({ allow: { name, forMs, once } }));
  }

  async deny(name: string): Promise<void> {
    checkName(name);
    await this.#session.request({ deny: { name } });
  }

  revoke(name: string): Promise<{ later: boolean }> {
    return this.#order('revoke', name);
  }

  consents(): AsyncIterableIterator<Consent> {
    return consents(this.#ask);
  }

  async private(to: string, text: string, options: PrivateOptions = {}): Promise<OutgoingMessage> {
    const session = this.#session;
    checkName(to);
    checkBody(text, session.limits.maxBodyBytes);
    return session.desk.links.outbox.send(to, text, options.until ?? 'stored', options.signal);
  }

  links(): LinkInfo[] {
    return this.#pairings.links();
  }

  why(name: string): string[] {
    return this.#session.desk.links.why(name);
  }

  verify(name: string): void {
    this.#pairings.existing(name).verify();
  }

  confirmVerified(name: string): void {
    this.#pairings.existing(name).confirm();
  }

  trust(name: string): void {
    this.#pairings.existing(name).trust();
  }

  untrust(name: string): void {
    this.#pairings.existing(name).untrust();
  }

  // --- outbox and history -----------------------------------------------------------------------------

  outbox(): OutgoingMessage[] {
    return this.#session.desk.unsent();
  }

  async cancel(id: number): Promise<OutgoingMessage> {
    return this.#session.desk.cancel(id);
  }

  history(query: { with?: string; limit?: number; before?: number } = {}): HistoryLine[] {
    return this.#session.desk.incoming.history(query);
  }

  async hold(on: boolean): Promise<{ waiting: number }> {
    return { waiting: await this.#session.hold(on) };
  }

  async inbox(limit = 0): Promise<{ coming: number }> {
    const { waiting } = await this.#session.request({ fetch: { limit } });
    return { coming: waiting?.count ?? 0 };
  }

  async passwd(oldPassword: string, newPassword: string): Promise<void> {
    const session = this.#session;
    checkPassword(newPassword);
    await session.passwd(oldPassword, newPassword);
  }

  async deleteAccount(password: string, options: { discardOutbox?: boolean } = {}): Promise<void> {
    const session = this.#session;
    await emptyForDeletion(session.desk.outbox, options.discardOutbox ?? false);
    await session.deleteAccount(password);
  }

  logout(): Promise<void> {
    return this.#leave(false);
  }

  close(): Promise<void> {
    return this.#leave(true);
  }

  // --- beginning and end ------------------------------------------------------------------------------

  get #session(): Session {
    if (this.#state.kind === 'session') return this.#state.session;
    throw new ParleyError('wrong_state', 'Nobody is logged in.');
  }

  get #pairings(): Pairings {
    return this.#session.desk.links.pairings;
  }

  readonly #ask = async (body: parley.Frame.$Properties): Promise<parley.Frame> => this.#session.request(body);

  async #enter(way: Way): Promise<void> {
    if (this.#state.kind === 'entering') throw new ParleyError('wrong_state', 'A login is under way.');
    if (this.#state.kind === 'session') throw new ParleyError('wrong_state', `${this.name} is logged in.`);
    if (this.#options.signal?.aborted) throw new ParleyError('cancelled', 'This peer has ended.');
    const before = this.#state;
    const abort = new AbortController();
    const entered = Promise.withResolvers<void>();
    this.#state = { kind: 'entering', abort, entered: entered.promise };
    this.#feed.begin();
    try {
      const session = await this.#beginSession(way, abort.signal);
      if (!session.hasEnded) this.#state = { kind: 'session', session };
    } catch (error) {
      this.#ownPort.close();
      this.#state = abort.signal.aborted ? { kind: 'ended' } : before;
      throw error;
    } finally {
      entered.resolve();
    }
  }

  async #beginSession(way: Way, signal: AbortSignal): Promise<Session> {
    const { history = true, hold = false } = this.#options;
    await this.#ownPort.open();
    const onPinned = (fingerprint: string) => this.#feed.emit({ type: 'pinned', fingerprint });
    const entered = await enter(this.#address, way, onPinned, signal);
    const options = {
      address: this.#address,
      feed: this.#feed,
      isHistoryKept: history,
      hold,
      listenPort: this.port,
      localAddresses: () => this.#ownPort.addresses,
      onEnd: () => this.#ended(),
    };
    return Session.begin(entered, options, signal);
  }

  #ended(): void {
    this.#ownPort.close();
    this.#state = { kind: 'ended' };
  }

  async #leave(keepToken: boolean): Promise<void> {
    if (this.#state.kind === 'entering') {
      this.#state.abort.abort();
      await this.#state.entered;
    }
    // What was begun may have come to its end before the abort was seen.
    const state = this.#state as State;
    if (state.kind === 'session') await state.session.leave(keepToken);
    else {
      this.#state = { kind: 'ended' };
      this.#feed.finish();
    }
  }
}
