// One other account that may be linked with: where it stands, the links with it, and what goes over them.
import { ParleyError } from '../../shared/errors.ts';
import type { PeerEvent } from '../events.ts';
import { Attempts } from './attempts.ts';
import { Comparison } from './comparison.ts';
import type { Attempt } from './dial.ts';
import { type Ending, isConsentEnd } from './ending.ts';
import type { Introduced, Introduction } from './introduction.ts';
import type { Link, LinkChannel, LinkHandler, LinkMessage } from './link.ts';
import { type FlowHost, PrivateFlow } from './private-flow.ts';
import { Rivals } from './rivals.ts';
import { Search, type Searcher, type SearchHost } from './search.ts';
import { type EndedBy, Standing } from './standing.ts';

/** What a pairing needs of the peer that it is of. */
export interface PairingHost extends SearchHost, FlowHost {
  readonly self: Introduced;
  /** Another one at each start. */
  readonly run: Uint8Array;
  /** Throws unless the token introduces exactly this account with this key to this peer. */
  admit(token: string, other: Introduced): void;
  emit(event: PeerEvent): void;
}

export class Pairing implements LinkHandler, Searcher {
  readonly account: number;
  name: string;
  readonly #host: PairingHost;
  readonly #search: Search;
  /** Private messages, both ways. */
  readonly flow: PrivateFlow;
  readonly #standing: Standing;
  readonly #rivals: Rivals;
  readonly #attempts = new Attempts();
  readonly #comparison: Comparison;

  constructor(account: number, name: string, host: PairingHost) {
    this.account = account;
    this.name = name;
    this.#host = host;
    this.#standing = new Standing({
      ...{ account, keys: host.store, nowMs: () => host.nowMs() },
      onExpired: (what) => this.#expired(what),
    });
    this.#rivals = new Rivals(host.self.account, account);
    this.#search = new Search(host, this);
    this.flow = new PrivateFlow(host, this);
    this.#comparison = new Comparison(host.self, account, (digits) => {
      host.emit({ type: 'verify', name: this.name, digits });
    });
  }

  get link(): Link | null {
    return this.#rivals.used;
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
    return this.#standing.introduction;
  }

  get ending(): Ending | null {
    return this.#standing.ending;
  }

  isVerified(key: string): boolean {
    return this.#standing.isVerified(key);
  }

  /** Why nothing is linked, or since when; newest attempt last. */
  get notes(): Attempts['all'] {
    return this.#attempts.all;
  }

  note(attempt: Attempt): void {
    this.#attempts.note(attempt);
  }

  // --- introductions --------------------------------------------------------------------------------

  /** The center introduces the other side, for the first time or anew. */
  introduced(introduction: Introduction): void {
    this.name = introduction.name;
    if (this.#standing.isOver(introduction)) return;
    const before = this.introduction;
    const met = this.#standing.meet(introduction);
    if (met !== 'known') return this.#doubted(met === 'same new key');
    if (introduction.fresh) this.#host.emit({ type: 'introduced', name: this.name });
    // Another key is another machine: what is linked is not what was introduced.
    if (before && before.key !== introduction.key) this.#drop(new ParleyError('bad_token', 'The other side moved.'));
    const isNews = !before || introduction.fresh || placesOf(before) !== placesOf(introduction);
    if (isNews) this.#search.encourage();
    if (isNews || this.linked === 'no') this.#search.begin();
  }

  #doubted(isTold: boolean): void {
    this.#drop(new ParleyError('bad_token', 'The other side uses a new key.'));
    if (isTold) return;
    const text = `${this.name} uses a new machine: its key is not known here. [trust ${this.name}] if that is right.`;
    this.#host.emit({ type: 'notice', text });
  }

  /** The user vouches for the key that was refused. */
  trust(): void {
    const introduction = this.#standing.trust();
    if (!introduction) throw new ParleyError('wrong_state', `${this.name} uses no unknown key.`);
    this.introduced(introduction);
  }

  untrust(): void {
    this.#standing.untrust();
    this.#drop(new ParleyError('bad_token', 'The other side is not trusted any more.'));
  }

  /** The consent, or the other's session, is over. */
  end(code: string, by: EndedBy): void {
    const wasOver = this.standing === 'unknown' || this.ending?.away === null;
    const ending = this.#standing.end(this.name, code, by);
    const { own, reason } = ending;
    const isNews = ending.away === null && !wasOver;
    if (isNews) this.#host.emit({ type: 'consent_ended', name: this.name, own, code: ending.code, reason });
    this.#drop(new ParleyError(ending.code, reason));
  }

  /** Without a center to ask, the end of what proves the consent is that of the consent, too. */
  #expired(what: 'consent' | 'introduction'): void {
    if (what === 'consent') this.end('expired', 'other');
    else if (this.#host.isCenterThere()) this.#search.refresh();
    else this.#drop(new ParleyError('bad_token', 'The introduction has expired, and the center is away.'));
  }

  /** Everything stops; the pairing can begin anew with an introduction. */
  #drop(reason: ParleyError): void {
    this.#search.stop();
    this.#rivals.close(reason);
  }

  close(reason: ParleyError): void {
    this.#standing.forget();
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
    if (!introduction || channel.key !== introduction.key || this.#rivals.isFull) {
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
    this.#rivals.greet({
      channel,
      token: introduction.token,
      outbox,
      run: this.#host.run,
      admit: (token) => this.#host.admit(token, { account: this.account, key: channel.key }),
      handler: this,
    });
  }

  onOpen(link: Link): void {
    if (!this.introduction) return link.close(new ParleyError('bad_token', 'The introduction is not good any more.'));
    const state = this.#rivals.opened(link);
    if (state === null) return;
    this.#comparison.leave();
    const { route, where } = link.channel;
    this.note({ what: where ? `${route} (${where})` : route, outcome: 'linked' });
    this.#search.encourage();
    if (route !== 'relayed') this.#search.stop();
    else if (!this.#search.isOn) this.#search.again();
    this.#host.emit({ type: 'link', name: this.name, state, route });
    this.flow.use(link);
    // Begun on a link that is not used any more.
    if (this.link) this.#comparison.goOn(this.link);
  }

  onClose(link: Link, reason: ParleyError): void {
    const { wasUsed, down } = this.#rivals.closed(link, reason);
    if (wasUsed) {
      this.#comparison.leave();
      this.flow.use(null);
    }
    if (reason.code !== 'moved' || (wasUsed && down)) this.note({ what: link.channel.route, outcome: reason.message });
    // What is said of an earlier consent may come later than the next one.
    const isOfNow = this.introduction !== null && link.ageMs <= this.#standing.ageMs;
    if (isOfNow && isConsentEnd(reason.code)) this.end(reason.code, 'other');
    if (!down) return;
    this.#comparison.giveUp();
    this.#host.emit({
      type: 'link',
      name: this.name,
      state: 'down',
      route: down,
      reason: this.ending?.reason ?? reason.message,
    });
    this.#lookAgain();
  }

  onQuiet(link: Link): void {
    if (link === this.link) this.#lookAgain();
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
    const { link } = this;
    if (link && !canLive(link.channel.localAddress)) {
      this.#search.encourage();
      link.close(new ParleyError('moved', 'The link was lost: this machine has another address now.'));
    }
  }

  // --- messages -------------------------------------------------------------------------------------

  onMessage(link: Link, message: LinkMessage): void {
    this.flow.onMessage(link, message);
  }

  onStored(link: Link, number: number): void {
    this.flow.onStored(link, number);
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
    if (link === this.link) this.#comparison.take(link, frame);
  }

  /** The user compared the digits: they were the same. Throws wrong_state where none were shown for this link. */
  confirm(): void {
    const link = this.#linkForVerify;
    if (!this.#comparison.isOf(link))
      throw new ParleyError('wrong_state', `Compare digits first: verify ${this.name}.`);
    this.#standing.verified(link.channel.key);
  }
}

function placesOf({ candidates }: Introduction): string {
  return candidates
    .map(({ address, port }) => `${address} ${port}`)
    .sort()
    .join();
}
