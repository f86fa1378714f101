// Private links of one account: what the center says of them, what comes to the peer's own port, and a pairing for each
// other account.
import { type KeyObject, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isLoopback } from '../../shared/address.ts';
import { selfSigned } from '../../shared/certificate.ts';
import { asParleyError, ParleyError } from '../../shared/errors.ts';
import { fingerprint, publicDer } from '../../shared/identity.ts';
import type { parley } from '../../shared/protocol.js';
import { safeLine } from '../../shared/text.ts';
import type { CanLive } from '../addresses.ts';
import type { Connection } from '../connection.ts';
import type { OutgoingMessage, PeerEvent } from '../events.ts';
import type { Feed } from '../feed.ts';
import type { Incoming } from '../incoming.ts';
import { type Credentials, secureLink } from '../socket.ts';
import type { Store } from '../store.ts';
import { DialBudget, secureOutgoing } from './dial.ts';
import { Door } from './door.ts';
import { EarlyFrames } from './early.ts';
import { type Introduced, type Introduction, IntroductionJudge, readIntroduction } from './introduction.ts';
import type { LinkChannel } from './link.ts';
import { Pairing, type PairingHost } from './pairing.ts';
import { Pairings } from './pairings.ts';
import type { ShownPrivate } from './private-flow.ts';
import { PrivateOutbox } from './private-outbox.ts';
import { PrivateStore } from './private-store.ts';
import { punch } from './punch.ts';
import { Tunnels } from './tunnels.ts';
import { explain, explainAway } from './why.ts';

const maxBehindMessages = 512;
const runBytes = 8;

export interface LinksOptions {
  account: number;
  key: KeyObject;
  store: Store;
  incoming: Incoming;
  feed: Feed;
  /** The user has ended it, and the center may not have heard of that. */
  isBarred(account: number, name: string): boolean;
}

export class Links implements PairingHost {
  readonly self: Introduced;
  readonly store: PrivateStore;
  /** Private messages of one's own. */
  readonly outbox: PrivateOutbox;
  readonly budget = new DialBudget();
  readonly run = randomBytes(runBytes);
  readonly #options: LinksOptions;
  readonly pairings = new Pairings((account, name) => new Pairing(account, name, this));
  readonly #tunnels = new Tunnels();
  #credentials: Credentials | null = null;
  #connection: Connection | null = null;
  /** The connection to the center was, when there was one last. */
  #isOverLoopback = false;
  #judge: IntroductionJudge | null = null;
  /** The center's time minus this machine's. */
  #offsetMs = 0;
  /** Settles when the certificate is made. */
  readonly #ready: Promise<void>;
  /** What came before that. */
  readonly #early = new EarlyFrames();
  readonly #door: Door;
  #isClosed = false;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.self = { account: options.account, key: fingerprint(publicDer(options.key)) };
    this.store = new PrivateStore(options.store, options.incoming);
    this.outbox = new PrivateOutbox({
      store: this.store,
      pairings: this.pairings,
      lookUp: (name) => this.#lookUp(name),
      afterCommit: (act) => this.afterCommit(act),
      emit: (event) => this.emit(event),
    });
    this.#ready = selfSigned(options.key).then((credentials) => {
      this.#credentials = credentials;
      this.#early.end((frame) => this.take(frame));
    });
    this.#door = new Door({
      ready: this.#ready,
      credentials: () => this.credentials(),
      pairingOf: (key) => this.pairings.withKey(key),
    });
  }

  // --- the center -----------------------------------------------------------------------------------

  attach(connection: Connection): void {
    const { centerId, identityKey, tokenKey, tokenKeySignature, timeMs } = connection.hello;
    this.#connection = connection;
    this.#tunnels.attach(connection);
    this.#isOverLoopback = isLoopback(connection.localEnd?.address ?? '');
    this.#offsetMs = timeMs - Date.now();
    if (tokenKey.length === 0) return;
    const claim = { centerId, identityKey, tokenKey, tokenKeySignature };
    this.#judge = new IntroductionJudge(this.self, claim, () => this.nowMs());
  }

  /** The connection to the center is gone: relayed links with it, direct ones go on. */
  detach(): void {
    this.#connection = null;
    this.#tunnels.detach();
  }

  close(reason: ParleyError): void {
    this.#isClosed = true;
    for (const pairing of this.pairings) pairing.close(reason);
    this.detach();
    this.outbox.giveUp(reason);
  }

  /** True if the frame was about links. */
  take(frame: parley.Frame): boolean {
    if (this.#early.keeps(frame)) return true;
    if (frame.addressRequest) this.#asked(frame.addressRequest);
    else if (frame.introduction) this.#introduced(readIntroduction(frame.introduction));
    else if (frame.linkEnd) this.pairings.of(frame.linkEnd.account ?? 0)?.end(frame.linkEnd.code ?? '', 'center');
    else if (frame.punchAt) {
      const { account, address, port, inMs } = frame.punchAt;
      this.pairings.of(account ?? 0)?.punch({ address: address ?? '', port: port ?? 0 }, inMs ?? 0);
    } else if (frame.tunnelOpened) void this.#tunnelOpened(frame.tunnelOpened);
    else return this.#tunnels.take(frame);
    return true;
  }

  #asked({ from, fromName }: parley.AddressRequest.$Properties): void {
    const name = safeLine(fromName ?? '');
    if (!this.#options.isBarred(from ?? 0, name)) this.emit({ type: 'address_request', from: name });
  }

  #introduced(introduction: Introduction): void {
    const { account, name } = introduction;
    if (this.#isClosed || account === this.self.account || this.#options.isBarred(account, name)) return;
    try {
      this.admit(introduction.token, introduction);
      this.pairings.meet(account, name).introduced(introduction);
    } catch (error) {
      this.emit({
        type: 'notice',
        text: `An introduction to ${introduction.name} is not good: ${asParleyError(error).message}`,
      });
    }
  }

  // --- who comes --------------------------------------------------------------------------------------

  /** The other side has opened a tunnel: it is the TLS client in it. */
  async #tunnelOpened(opened: parley.TunnelOpened.$Properties): Promise<void> {
    const pairing = this.pairings.of(opened.account ?? 0);
    let tunnel: Duplex | null = null;
    try {
      tunnel = this.#tunnels.opened(opened);
      if (!pairing?.introduction) throw new ParleyError('no_consent', 'Nobody of this account was introduced.');
      const secured = await secureLink(tunnel, 'server', this.credentials());
      pairing.found({ ...secured, isClient: false, route: 'relayed', where: '', localAddress: '' });
    } catch {
      tunnel?.destroy();
    }
  }

  /** Somebody connected to the peer's own port. */
  accept(socket: Socket): void {
    if (this.#isClosed) socket.destroy();
    else void this.#door.accept(socket);
  }

  /** This machine has other addresses now. */
  moved(canLive: CanLive): void {
    for (const pairing of this.pairings) pairing.moved(canLive);
  }

  /** The machine was asleep: what is dead now is to be noticed soon. */
  woke(): void {
    for (const pairing of this.pairings) pairing.link?.ping();
  }

  // --- what pairings need -----------------------------------------------------------------------------

  get #center(): Connection {
    if (!this.#connection) throw new ParleyError('disconnected', 'There is no connection to the center now.');
    return this.#connection;
  }

  credentials(): Credentials {
    if (!this.#credentials) throw new ParleyError('busy', 'The certificate is not made yet.');
    return this.#credentials;
  }

  nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  isCenterThere(): boolean {
    return this.#connection !== null;
  }

  isOverLoopback(): boolean {
    return this.#isOverLoopback;
  }

  async askPunch(account: number): Promise<void> {
    await this.#center.request({ punch: { account } });
  }

  async askIntroduction(account: number): Promise<void> {
    await this.#center.request({ introduce: { account } });
  }

  /** Both sides dial at this moment. */
  async punch(
    introduction: Introduction,
    to: { address: string; port: number },
    signal: AbortSignal,
  ): Promise<LinkChannel> {
    const from = this.#connection?.localEnd;
    if (!from) throw new ParleyError('disconnected', 'The port of the connection to the center is not known.');
    const side = this.self.account < introduction.account ? 'client' : 'server';
    return punch({ from, to, side, credentials: this.credentials(), signal });
  }

  openTunnel(account: number): Promise<Duplex> {
    return this.#tunnels.open(account);
  }

  secure(stream: Duplex, introduction: Introduction): Promise<LinkChannel> {
    return secureOutgoing(stream, '', { key: introduction.key, credentials: this.credentials(), route: 'relayed' });
  }

  admit(token: string, other: Introduced): void {
    if (!this.#judge) throw new ParleyError('bad_token', 'The center does not introduce anybody.');
    const { account, key } = this.#judge.other(token);
    if (account !== other.account || key !== other.key) {
      throw new ParleyError('bad_token', 'The introduction is for somebody else.');
    }
  }

  get isDurable(): boolean {
    return this.#options.store.durable;
  }

  afterCommit(act: () => void): void {
    this.#options.store.afterCommit(act);
  }

  isBehind(): boolean {
    return this.#options.feed.waitingMessages > maxBehindMessages;
  }

  emit(event: PeerEvent): void {
    this.#options.feed.emit(event);
  }

  show(row: number, { account: fromAccount, ...shown }: ShownPrivate, onShown: () => void): void {
    const { feed, incoming } = this.#options;
    const shownRow = this.isDurable ? row : 0;
    const message = { ...shown, fromAccount, row: shownRow, receivedAtMs: Date.now(), waited: false, private: true };
    feed.emit({ type: 'message', message }, () => {
      incoming.shown(row);
      onShown();
    });
  }

  onStored(message: OutgoingMessage): void {
    this.outbox.onStored(message);
  }

  // --- what the user asks for ---------------------------------------------------------------------------

  async #lookUp(name: string): Promise<{ account: number; name: string }> {
    // A name may have been given to another account: the center knows.
    const written = this.#connection ? null : this.store.accountNamed(name);
    if (written) return written;
    const { accountEntry } = await this.#center.request({ lookup: { name } });
    const account = accountEntry?.account ?? 0;
    // Nobody is introduced to oneself: it would wait for ever.
    if (account === this.self.account) throw new ParleyError('bad_name', 'That is you.');
    return { account, name: safeLine(accountEntry?.name ?? name) };
  }

  /** What was tried, what failed and what would help, in words. */
  why(name: string): string[] {
    const known = this.pairings.named(name) ? null : this.store.accountNamed(name);
    if (known && this.store.keys(known.account).length > 0) return explainAway(known.name);
    return explain(this.pairings.existing(name), this.isCenterThere());
  }

  /** Lets go of a link whose consent was ended here, without waiting for the center. Returns the account, if it is known. */
  end(name: string, code: string): number | null {
    const pairing = this.pairings.named(name);
    pairing?.end(code, 'user');
    return pairing?.account ?? null;
  }
}
