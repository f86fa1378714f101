// A PeerApi that keeps what it is asked for and says what the test tells it to: for the parts of the front ends that
// are about lines, not about delivery.
import type { PeerApi } from '../../peer/api.ts';
import type {
  Consent,
  HistoryLine,
  IncomingMessage,
  LinkInfo,
  OutgoingMessage,
  PeerEvent,
  Person,
} from '../../peer/events.ts';
import { ParleyError } from '../../shared/errors.ts';

async function* none<T>(): AsyncIterableIterator<T> {}

export class FakePeer implements PeerApi {
  state: PeerApi['state'] = 'offline';
  name: string | null = null;
  port = 0;
  /** `login seas summerisover`, `send google Hello`, … */
  readonly calls: string[] = [];
  readonly people: Person[] = [];
  /** Names that mail is refused to. */
  readonly blocking = new Set<string>();
  /** What becomes of a message that is sent. */
  onSend: (message: OutgoingMessage) => void = (message) => this.accept(message);
  /** Private messages to these are stored at once; to others they wait. */
  readonly linked: LinkInfo[] = [];
  readonly consenting: Consent[] = [];
  loginError: ParleyError | null = null;
  waiting = 0;
  #outbox: OutgoingMessage[] = [];
  #lastId = 0;
  readonly #listeners = new Set<(event: PeerEvent) => void>();

  emit(event: PeerEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  accept(message: OutgoingMessage): void {
    this.#outbox = this.#outbox.filter(({ id }) => id !== message.id);
    this.emit({ type: 'accepted', message: { ...message, state: 'accepted' } });
  }

  store(message: OutgoingMessage): void {
    this.#outbox = this.#outbox.filter(({ id }) => id !== message.id);
    this.emit({ type: 'stored', message: { ...message, state: 'stored' } });
  }

  deliver(from: string, text: string, waited = false): void {
    const message: IncomingMessage = {
      ...{ row: 0, from, fromAccount: 1, text, sentAtMs: 0, receivedAtMs: 0, again: false, private: false },
      waited,
    };
    this.emit({ type: 'message', message });
  }

  async #enter(name: string): Promise<void> {
    if (this.loginError !== null) throw this.loginError;
    this.state = 'online';
    this.name = name;
    this.emit({ type: 'welcome', name, account: 1 });
    if (this.waiting > 0) this.emit({ type: 'waiting', count: this.waiting });
  }

  register(name: string, password: string, invite?: string): Promise<void> {
    this.calls.push(`register ${name} ${password}${invite === undefined ? '' : ` ${invite}`}`);
    return this.#enter(name);
  }

  login(name: string, password: string): Promise<void> {
    this.calls.push(`login ${name} ${password}`);
    return this.#enter(name);
  }

  resume(name: string): Promise<void> {
    this.calls.push(`resume ${name}`);
    return this.#enter(name);
  }

  on(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  events(): AsyncIterableIterator<PeerEvent> {
    return none();
  }

  messages(): AsyncIterableIterator<IncomingMessage> {
    return none();
  }

  async send(to: string, text: string): Promise<OutgoingMessage> {
    this.calls.push(`send ${to} ${text}`);
    if (this.blocking.has(to)) throw new ParleyError('blocked', `${to} does not take your messages.`);
    const message = this.#add(to, text, false);
    setImmediate(() => this.onSend(message));
    return message;
  }

  #add(to: string, text: string, isPrivate: boolean): OutgoingMessage {
    this.#lastId += 1;
    const message: OutgoingMessage = {
      ...{ id: this.#lastId, to, text, createdAtMs: Date.now(), state: 'pending', reason: '' },
      private: isPrivate,
    };
    this.#outbox.push(message);
    return message;
  }

  async broadcast(text: string): Promise<{ handed: number; leftOut: number }> {
    this.calls.push(`broadcast ${text}`);
    return { handed: 2, leftOut: 1 };
  }

  async *online(): AsyncIterableIterator<Person> {
    yield* this.people.filter(({ online }) => online);
  }

  async *users(): AsyncIterableIterator<Person> {
    yield* this.people;
  }

  async block(name: string): Promise<{ later: boolean }> {
    this.calls.push(`block ${name}`);
    return { later: false };
  }

  async unblock(name: string): Promise<{ later: boolean }> {
    this.calls.push(`unblock ${name}`);
    return { later: false };
  }

  blocked(): AsyncIterableIterator<Person> {
    return none();
  }

  async getAddress(name: string): Promise<void> {
    this.calls.push(`getAddress ${name}`);
  }

  async allow(name: string, { forMs = 0, once = false } = {}): Promise<void> {
    this.calls.push(`allow ${name} ${forMs}${once ? ' once' : ''}`);
  }

  async deny(name: string): Promise<void> {
    this.calls.push(`deny ${name}`);
  }

  async revoke(name: string): Promise<{ later: boolean }> {
    this.calls.push(`revoke ${name}`);
    return { later: false };
  }

  async *consents(): AsyncIterableIterator<Consent> {
    yield* this.consenting;
  }

  async private(to: string, text: string): Promise<OutgoingMessage> {
    this.calls.push(`private ${to} ${text}`);
    const message = this.#add(to, text, true);
    if (this.linked.some(({ name }) => name === to)) setImmediate(() => this.store(message));
    return message;
  }

  links(): LinkInfo[] {
    return [...this.linked];
  }

  why(name: string): string[] {
    this.calls.push(`why ${name}`);
    if (this.linked.length > 0) return [`The link with ${name} is direct.`];
    throw new ParleyError('no_consent', `You and ${name} were not introduced: getaddress ${name} asks for it.`);
  }

  verify(name: string): void {
    this.calls.push(`verify ${name}`);
    setTimeout(() => this.emit({ type: 'verify', name, digits: '012345' }), 20);
  }

  confirmVerified(name: string): void {
    this.calls.push(`confirmVerified ${name}`);
  }

  trust(name: string): void {
    this.calls.push(`trust ${name}`);
  }

  untrust(name: string): void {
    this.calls.push(`untrust ${name}`);
  }

  /** As the library does, with why each is still there. */
  outbox(): OutgoingMessage[] {
    return this.#outbox.map((message) =>
      message.private ? { ...message, reason: `waiting for ${message.to}’s consent` } : message,
    );
  }

  async cancel(id: number): Promise<OutgoingMessage> {
    this.calls.push(`cancel ${id}`);
    const message = this.#outbox.find((one) => one.id === id);
    if (message === undefined) throw new ParleyError('already_accepted', 'The center has accepted it already.');
    this.#outbox = this.#outbox.filter((one) => one !== message);
    return { ...message, state: 'failed', reason: 'cancelled' };
  }

  history(): HistoryLine[] {
    return [];
  }

  async hold(on: boolean): Promise<{ waiting: number }> {
    this.calls.push(`hold ${on}`);
    return { waiting: 0 };
  }

  async inbox(limit?: number): Promise<{ coming: number }> {
    this.calls.push(`inbox ${limit ?? 'all'}`);
    return { coming: 0 };
  }

  async passwd(oldPassword: string, newPassword: string): Promise<void> {
    this.calls.push(`passwd ${oldPassword} ${newPassword}`);
  }

  async deleteAccount(password: string, options?: { discardOutbox?: boolean }): Promise<void> {
    this.calls.push(`deleteAccount ${password}${options?.discardOutbox ? ' discard' : ''}`);
    this.end('account_deleted');
  }

  async logout(): Promise<void> {
    this.calls.push('logout');
    this.end('logged_out');
  }

  end(code: 'account_deleted' | 'logged_out' | 'displaced'): void {
    this.state = 'ended';
    this.emit({ type: 'ended', code, text: '', unsent: this.#outbox.length });
  }

  async close(): Promise<void> {
    this.calls.push('close');
    this.state = 'offline';
  }
}
