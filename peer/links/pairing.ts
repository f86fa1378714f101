// One other account that may be linked with: whether it may, by which key, and which of several links is kept.
import { ParleyError } from '../../shared/errors.ts';
import type { LinkRoute, PeerEvent } from '../events.ts';
import { Attempts } from './attempts.ts';
import { isBetter } from './choice.ts';
import { Comparison } from './comparison.ts';
import type { Attempt } from './dial.ts';
import type { Introduced, Introduction } from './introduction.ts';
import { Link, type LinkChannel, type LinkHandler, type LinkMessage } from './link.ts';
import { type FlowHost, PrivateFlow } from './private-flow.ts';
import type { PrivatePending } from './private-store.ts';
import { Search, type Searcher, type SearchHost } from './search.ts';

/** Links of one account on which nobody has said Hello yet. */
const maxGreeting = 8;
/** setTimeout takes no more. */
const maxTimerMs = 2_147_483_647;

/** What a pairing needs of the peer that it is of. */
export interface PairingHost extends SearchHost, FlowHost {
  readonly self: Introduced;
  /** Another one at each start. */
  readonly run: Uint8Array;
  /** Throws unless the token introduces exactly this account with this key to this peer. */
  admit(token: string, other: Introduced): void;
  emit(event: PeerEvent): void;
}

type Standing =
  | { kind: 'unknown' }
  | { kind: 'introduced'; introduction: Introduction }
  /** Its key is none of those known: nothing is linked until the user says so. */
  | { kind: 'new key'; introduction: Introduction }
  | { kind: 'ended'; code: string };

export class Pairing implements LinkHandler, Searcher {
  readonly account: number;
  name: string;
  readonly #host: PairingHost;
  readonly #search: Search;
  readonly #flow: PrivateFlow;
  #standing: Standing = { kind: 'unknown' };
  #link: Link | null = null;
  /** Links on which the other side has not said Hello. */
  readonly #greeting = new Set<Link>();
  /** The route of a link that the other side has left for one that is not open here yet. */
  #leaving: LinkRoute | null = null;
  #expiry: NodeJS.Timeout | null = null;
  readonly #attempts = new Attempts();
  readonly #comparison: Comparison;

  constructor(account: number, name: string, host: PairingHost) {
    this.account = account;
    this.name = name;
    this.#host = host;
    this.#search = new Search(host, this);
    this.#flow = new PrivateFlow(host, this);
    this.#comparison = new Comparison(host.self, account, (digits) => {
      host.emit({ type: 'verify', name: this.name, digits });
    });
  }

  get link(): Link | null {
    return this.#link?.isOpen ? this.#link : null;
  }

  /** What there is; a link on which nothing is heard any more does not count. */
  get linked(): Searcher['linked'] {
    const link = this.link;
    if (!link || link.isQuiet) return 'no';
    return link.channel.route === 'relayed' ? 'relayed' : 'direct';
  }

  get standing(): Standing['kind'] {
    return this.#standing.kind;
  }

  get introduction(): Introduction | null {
    return this.#standing.kind === 'introduced' ? this.#standing.introduction : null;
  }

  /** Why nothing is linked, or since when; newest attempt last. */
  get notes(): Attempts['all'] {
    return this.#attempts.all;
  }

  get endedBy(): string {
    return this.#standing.kind === 'ended' ? this.#standing.code : '';
  }

  isVerified(key: string): boolean {
    return this.#host.store.keys(this.account).some((known) => known.key === key && known.verified);
  }

  note(attempt: Attempt): void {
    this.#attempts.note(attempt);
  }

  // --- introductions --------------------------------------------------------------------------------

  /** The center introduces the other side, for the first time or anew. */
  introduced(introduction: Introduction): void {
    const { store } = this.#host;
    this.name = introduction.name;
    const known = store.keys(this.account);
    if (known.length === 0) store.trust(this.account, introduction.key, false);
    else if (!known.some(({ key }) => key === introduction.key)) return this.#doubt(introduction);
    const before = this.introduction;
    this.#standing = { kind: 'introduced', introduction };
    if (introduction.fresh) this.#host.emit({ type: 'introduced', name: this.name });
    this.#watchExpiry(introduction);
    // Another key is another machine: what is linked is not what was introduced.
    if (before && before.key !== introduction.key) this.#drop(new ParleyError('revoked', 'The other side moved.'));
    const isNews = !before || introduction.fresh || placesOf(before) !== placesOf(introduction);
    if (isNews) this.#search.encourage();
    if (isNews || this.linked === 'no') this.#search.begin();
  }

  #doubt(introduction: Introduction): void {
    const isTold = this.#standing.kind === 'new key' && this.#standing.introduction.key === introduction.key;
    this.#standing = { kind: 'new key', introduction };
    this.#drop(new ParleyError('revoked', 'The other side uses a new key.'));
    if (isTold) return;
    const text = `${this.name} uses a new machine: its key is not known here. [trust ${this.name}] if that is right.`;
    this.#host.emit({ type: 'notice', text });
  }

  /** The user vouches for the key that was refused. */
  trust(): void {
    if (this.#standing.kind !== 'new key') throw new ParleyError('wrong_state', `${this.name} uses no unknown key.`);
    const { introduction } = this.#standing;
    this.#host.store.trust(this.account, introduction.key, false);
    this.introduced(introduction);
  }

  untrust(): void {
    this.#host.store.untrust(this.account);
    const introduction = this.introduction;
    if (introduction) this.#standing = { kind: 'new key', introduction };
    this.#drop(new ParleyError('revoked', 'The other side is not trusted any more.'));
  }

  /** The consent, or the other's session, is over. */
  end(code: string): void {
    this.#standing = { kind: 'ended', code };
    this.#drop(new ParleyError('revoked', 'The consent has ended.'));
  }

  /** At the end of the consent, and of what proves it: without a center to ask, that is the end too. */
  #watchExpiry({ consentUntilMs, expiresAtMs }: Introduction): void {
    if (this.#expiry) clearTimeout(this.#expiry);
    const untilMs = Math.min(consentUntilMs, expiresAtMs);
    const leftMs = Math.min(Math.max(0, untilMs - this.#host.nowMs()), maxTimerMs);
    this.#expiry = setTimeout(() => this.#expired(), leftMs);
    this.#expiry.unref();
  }

  #expired(): void {
    const { introduction } = this;
    if (!introduction) return;
    const now = this.#host.nowMs();
    if (introduction.consentUntilMs <= now) this.end('revoked');
    else if (introduction.expiresAtMs > now) this.#watchExpiry(introduction);
    else if (this.#host.isCenterThere()) this.#search.refresh();
    else this.#drop(new ParleyError('revoked', 'The introduction has expired, and the center is away.'));
  }

  /** Everything stops; the pairing can begin anew with an introduction. */
  #drop(reason: ParleyError): void {
    this.#search.stop();
    for (const link of [...this.#greeting]) link.close(reason);
    this.#link?.close(reason);
  }

  close(reason: ParleyError): void {
    this.#standing = { kind: 'unknown' };
    if (this.#expiry) clearTimeout(this.#expiry);
    this.#drop(reason);
  }

  // --- links ----------------------------------------------------------------------------------------

  /** Looks for a link, or for a better one, unless that is under way. */
  connect(): void {
    this.#search.begin();
  }

  /** The center tells both sides to dial each other now. */
  punch(to: { address: string; port: number }, inMs: number): void {
    void this.#search.punch(to, inMs);
  }

  /** A secured stream whose key is that of the introduction: both sides say Hello on it. */
  found(channel: LinkChannel): void {
    const { introduction } = this;
    if (!introduction || channel.key !== introduction.key || this.#greeting.size >= maxGreeting) {
      channel.stream.destroy();
      return;
    }
    const outbox = this.#host.store.outboxId(this.account);
    // What is said on it must have an outbox that a crash does not forget.
    this.#host.afterCommit(() => this.#greet(channel, introduction, outbox));
  }

  #greet(channel: LinkChannel, introduction: Introduction, outbox: Uint8Array): void {
    if (this.introduction?.key !== channel.key || channel.stream.destroyed) {
      channel.stream.destroy();
      return;
    }
    const link = new Link({
      channel,
      token: introduction.token,
      outbox,
      run: this.#host.run,
      admit: (token) => this.#host.admit(token, { account: this.account, key: channel.key }),
      handler: this,
    });
    this.#greeting.add(link);
  }

  onOpen(link: Link): void {
    this.#greeting.delete(link);
    const current = this.link;
    const hadLink = current !== null || this.#leaving !== null;
    if (!this.introduction) return link.close(new ParleyError('revoked', 'The consent has ended.'));
    if (current && !isBetter(link, current, this.#host.self.account, this.account)) {
      return link.close(new ParleyError('moved', 'Another link is better.'));
    }
    this.#link = link;
    this.#leaving = null;
    this.#comparison.leave();
    current?.close(new ParleyError('moved', 'Another link is better.'));
    const { route, where } = link.channel;
    this.note({ what: where ? `${route} (${where})` : route, outcome: 'linked' });
    this.#search.encourage();
    if (route !== 'relayed') this.#search.stop();
    else if (!this.#search.isOn) this.#search.again();
    this.#host.emit({ type: 'link', name: this.name, state: hadLink ? 'moved' : 'up', route });
    this.#flow.use(link);
    // Begun on a link that is not used any more.
    if (this.link) this.#comparison.goOn(this.link);
  }

  onClose(link: Link, reason: ParleyError): void {
    this.#greeting.delete(link);
    const { route } = link.channel;
    if (this.#link !== link) {
      if (reason.code !== 'moved') this.note({ what: route, outcome: reason.message });
      if (this.#leaving && this.#greeting.size === 0) this.#isDown(this.#leaving);
      return;
    }
    this.#link = null;
    this.#comparison.leave();
    this.#flow.use(null);
    if (reason.code === 'moved' && this.#greeting.size > 0) {
      this.#leaving = route;
      return;
    }
    this.note({ what: route, outcome: reason.message });
    this.#isDown(route);
  }

  #isDown(route: LinkRoute): void {
    this.#leaving = null;
    this.#comparison.giveUp();
    this.#host.emit({ type: 'link', name: this.name, state: 'down', route });
    this.#lookAgain();
  }

  onQuiet(link: Link): void {
    if (link === this.#link) this.#lookAgain();
  }

  #lookAgain(): void {
    if (!this.introduction) return;
    this.#search.refresh();
    this.#search.begin();
    // Where nothing can be tried now, the center may be back by then.
    if (!this.#search.isOn) this.#search.again();
  }

  /** Links from addresses that this machine has no longer will never hear anything again. */
  moved(canLive: (localAddress: string) => boolean): void {
    const link = this.#link;
    if (link && !canLive(link.channel.localAddress)) {
      this.#search.encourage();
      link.close(new ParleyError('moved', 'The link was lost: this machine has another address now.'));
    }
  }

  // --- messages -------------------------------------------------------------------------------------

  /** What is said now goes at once. */
  get isReady(): boolean {
    return this.#flow.isReady;
  }

  /** It has just been put in the outbox. */
  say(message: PrivatePending): void {
    this.#flow.say(message);
  }

  /** Something new is in the outbox. */
  pump(): void {
    this.#flow.pump();
  }

  onMessage(link: Link, message: LinkMessage): void {
    this.#flow.onMessage(link, message);
  }

  onStored(link: Link, number: number): void {
    this.#flow.onStored(link, number);
  }

  // --- verification ---------------------------------------------------------------------------------

  get #linkForVerify(): Link {
    if (!this.link) throw new ParleyError('disconnected', `There is no link with ${this.name} now.`);
    return this.link;
  }

  /** Begins on both sides; the digits come as an event. Throws disconnected without a link. */
  verify(): void {
    this.#comparison.begin(this.#linkForVerify);
  }

  onVerify(link: Link, frame: { commit: Uint8Array } | { reveal: Uint8Array }): void {
    if (link === this.#link) this.#comparison.take(link, frame);
  }

  /** The user compared the digits: they were the same. Throws wrong_state where none were shown for this link. */
  confirm(): void {
    const link = this.#linkForVerify;
    if (!this.#comparison.isOf(link))
      throw new ParleyError('wrong_state', `Compare digits first: verify ${this.name}.`);
    this.#host.store.trust(this.account, link.channel.key, true);
  }
}

function placesOf({ candidates }: Introduction): string {
  return candidates
    .map(({ address, port }) => `${address} ${port}`)
    .sort()
    .join();
}
