// One other account that may be linked with: finds a way to it, keeps the best link, and moves messages over it.
import { setTimeout as wait } from 'node:timers/promises';
import { asParleyError, ParleyError } from '../../shared/errors.ts';
import { safeText } from '../../shared/text.ts';
import type { OutgoingMessage, PeerEvent } from '../events.ts';
import type { Credentials } from '../socket.ts';
import { type Attempt, dialFirstOf } from './dial.ts';
import type { Introduced, Introduction } from './introduction.ts';
import { Link, type LinkChannel, type LinkHandler } from './link.ts';
import type { PrivateStore } from './private-store.ts';
import { Verification } from './verification.ts';

/** The side that asked dials at once; the other gives it this start. */
const dialBackAfterMs = 300;
const punchAfterMs = 800;
const relayAfterMs = { dialFirst: 1_200, other: 6_000 };
/** Without a link: from the first to the last. With a relayed one, for a better one. */
const retryMs = { unlinked: { first: 1_000, last: 60_000 }, relayed: { first: 30_000, last: 600_000 } };
/** On their way to the other side and not stored there. */
const maxUnstored = 1024;
const batchMessages = 256;
const maxNotes = 20;
/** setTimeout takes no more. */
const maxTimerMs = 2_147_483_647;

/** What a pairing needs of the peer that it is of. */
export interface PairingHost {
  readonly self: Introduced;
  readonly store: PrivateStore;
  credentials(): Credentials;
  /** The center's time. */
  nowMs(): number;
  isCenterThere(): boolean;
  /** Throws where the center says no. */
  askPunch(account: number): Promise<void>;
  askIntroduction(account: number): Promise<void>;
  openTunnel(account: number): Promise<LinkChannel['stream']>;
  /** Secures a stream as the TLS client and checks the key. */
  secure(stream: LinkChannel['stream'], introduction: Introduction): Promise<LinkChannel>;
  punch(introduction: Introduction, to: { address: string; port: number }, signal: AbortSignal): Promise<LinkChannel>;
  /** Throws unless the token introduces exactly this account with this key to this peer. */
  admit(token: string, other: Introduced): void;
  afterCommit(act: () => void): void;
  /** A message was filed: shows it. */
  show(row: number, message: { from: string; account: number; text: string; sentAtMs: number }): void;
  /** True while whoever runs the peer has enough to read. */
  isBehind(): boolean;
  emit(event: PeerEvent): void;
  /** A message of one's own is stored over there. */
  onStored(message: OutgoingMessage): void;
}

type Standing =
  | { kind: 'unknown' }
  | { kind: 'introduced'; introduction: Introduction }
  /** Its key is none of those known: nothing is linked until the user says so. */
  | { kind: 'new key'; introduction: Introduction }
  | { kind: 'ended'; code: string };

export class Pairing implements LinkHandler {
  readonly account: number;
  name: string;
  readonly #host: PairingHost;
  #standing: Standing = { kind: 'unknown' };
  #link: Link | null = null;
  /** Sent on this link; the next batch comes after it. */
  #sentTo = 0;
  #unstored = 0;
  /** The highest number of the other side that is filed and not yet told. */
  #toTell = 0;
  #cycle: AbortController | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retries = 0;
  #expiry: NodeJS.Timeout | null = null;
  #verification: Verification | null = null;
  readonly #notes: { atMs: number; attempt: Attempt }[] = [];

  constructor(account: number, name: string, host: PairingHost) {
    this.account = account;
    this.name = name;
    this.#host = host;
  }

  get link(): Link | null {
    return this.#link?.isOpen ? this.#link : null;
  }

  get standing(): Standing['kind'] {
    return this.#standing.kind;
  }

  get introduction(): Introduction | null {
    return this.#standing.kind === 'introduced' ? this.#standing.introduction : null;
  }

  /** Why nothing is linked, or since when; newest attempt last. */
  get notes(): readonly { atMs: number; attempt: Attempt }[] {
    return this.#notes;
  }

  get endedBy(): string {
    return this.#standing.kind === 'ended' ? this.#standing.code : '';
  }

  isVerified(key: string): boolean {
    return this.#host.store.keys(this.account).some((known) => known.key === key && known.verified);
  }

  #note(attempt: Attempt): void {
    this.#notes.push({ atMs: Date.now(), attempt });
    if (this.#notes.length > maxNotes) this.#notes.shift();
  }

  // --- introductions --------------------------------------------------------------------------------

  /** The center introduces the other side, for the first time or anew. */
  introduced(introduction: Introduction): void {
    const { store } = this.#host;
    this.name = introduction.name;
    const known = store.keys(this.account);
    if (known.length === 0) store.trust(this.account, introduction.key, false);
    else if (!known.some(({ key }) => key === introduction.key)) {
      this.#standing = { kind: 'new key', introduction };
      this.#drop(new ParleyError('revoked', 'The other side uses a new key.'));
      const text = `${this.name} uses a new machine: its key is not known here. [trust ${this.name}] if that is right.`;
      return this.#host.emit({ type: 'notice', text });
    }
    const before = this.introduction;
    this.#standing = { kind: 'introduced', introduction };
    if (introduction.fresh) this.#host.emit({ type: 'introduced', name: this.name });
    this.#watchConsent(introduction);
    // Another key is another machine: what is linked is not what was introduced.
    if (before && before.key !== introduction.key) this.#drop(new ParleyError('revoked', 'The other side moved.'));
    this.#retries = 0;
    this.connect();
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

  #watchConsent({ consentUntilMs }: Introduction): void {
    if (this.#expiry) clearTimeout(this.#expiry);
    const leftMs = Math.min(Math.max(0, consentUntilMs - this.#host.nowMs()), maxTimerMs);
    this.#expiry = setTimeout(() => {
      const introduction = this.introduction;
      if (introduction && introduction.consentUntilMs <= this.#host.nowMs()) this.end('revoked');
      else if (introduction) this.#watchConsent(introduction);
    }, leftMs);
    this.#expiry.unref();
  }

  /** Everything stops; the pairing can begin anew with an introduction. */
  #drop(reason: ParleyError): void {
    this.#cycle?.abort();
    this.#cycle = null;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    this.#link?.close(reason);
  }

  close(reason: ParleyError): void {
    this.#standing = { kind: 'unknown' };
    if (this.#expiry) clearTimeout(this.#expiry);
    this.#drop(reason);
  }

  // --- finding a way --------------------------------------------------------------------------------

  get #isDirect(): boolean {
    return this.#link?.isOpen === true && this.#link.channel.route !== 'relayed';
  }

  /** Tries all ways, unless that is under way or there is a direct link. */
  connect(): void {
    const introduction = this.introduction;
    if (!introduction || this.#cycle || this.#isDirect) return;
    if (introduction.expiresAtMs <= this.#host.nowMs()) return;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    const cycle = new AbortController();
    this.#cycle = cycle;
    void this.#tryAll(introduction, cycle.signal).finally(() => {
      if (this.#cycle !== cycle) return;
      this.#cycle = null;
      if (!this.#isDirect) this.#retryLater();
    });
  }

  async #tryAll(introduction: Introduction, signal: AbortSignal): Promise<void> {
    const { dialFirst } = introduction;
    const steps = [
      this.#step('dial', dialFirst ? 0 : dialBackAfterMs, signal, () => this.#dial(introduction, signal)),
      this.#step('relay', dialFirst ? relayAfterMs.dialFirst : relayAfterMs.other, signal, () =>
        this.#relay(introduction),
      ),
    ];
    if (dialFirst) steps.push(this.#step('punch', punchAfterMs, signal, () => this.#askPunch()));
    await Promise.all(steps);
  }

  async #step(what: string, afterMs: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
    try {
      await wait(afterMs, undefined, { signal });
      if (!this.#isDirect) await act();
    } catch (error) {
      if (signal.aborted) return;
      this.#note({ what, outcome: asParleyError(error).message });
    }
  }

  async #dial(introduction: Introduction, signal: AbortSignal): Promise<void> {
    const { candidates, key, dialFirst } = introduction;
    const channel = await dialFirstOf(candidates, {
      key,
      credentials: this.#host.credentials(),
      route: dialFirst ? 'direct' : 'dialled back',
      signal,
      note: (attempt) => this.#note(attempt),
    });
    this.adopt(channel);
  }

  async #relay(introduction: Introduction): Promise<void> {
    if (this.link || !this.#host.isCenterThere()) return;
    const stream = await this.#host.openTunnel(this.account);
    this.adopt(await this.#host.secure(stream, introduction));
  }

  async #askPunch(): Promise<void> {
    if (this.#host.isCenterThere()) await this.#host.askPunch(this.account);
  }

  /** The center tells both sides to dial each other now. */
  async punch(to: { address: string; port: number }, inMs: number): Promise<void> {
    const introduction = this.introduction;
    if (!introduction || this.#isDirect) return;
    const abort = new AbortController();
    const { signal } = abort;
    const onDirect = (): void => abort.abort();
    this.#onDirect.add(onDirect);
    await this.#step(`opened the NATs towards ${to.address}:${to.port}`, inMs, signal, async () => {
      this.adopt(await this.#host.punch(introduction, to, signal));
    });
    this.#onDirect.delete(onDirect);
  }

  readonly #onDirect = new Set<() => void>();

  #retryLater(): void {
    const { first, last } = this.link ? retryMs.relayed : retryMs.unlinked;
    const delayMs = Math.min(last, first * 2 ** Math.min(this.#retries++, 16)) * (0.8 + 0.4 * Math.random());
    this.#retry = setTimeout(() => {
      this.#retry = null;
      // Addresses may have changed; the introduction that comes tries at once.
      if (this.#host.isCenterThere()) void this.#host.askIntroduction(this.account).catch(() => undefined);
      this.connect();
    }, delayMs);
    this.#retry.unref();
  }

  // --- links ----------------------------------------------------------------------------------------

  /** A secured stream whose key is that of the introduction: both sides say Hello on it. */
  adopt(channel: LinkChannel): void {
    const introduction = this.introduction;
    if (!introduction || channel.key !== introduction.key) {
      channel.stream.destroy();
      return;
    }
    new Link({
      channel,
      token: introduction.token,
      outbox: this.#host.store.outboxId(this.account),
      admit: (token) => this.#host.admit(token, { account: this.account, key: channel.key }),
      handler: this,
    });
  }

  onOpen(link: Link): void {
    const current = this.link;
    if (!this.introduction) return link.close(new ParleyError('revoked', 'The consent has ended.'));
    if (current && !this.#isBetter(link, current))
      return link.close(new ParleyError('cancelled', 'Another link is better.'));
    this.#link = link;
    this.#sentTo = 0;
    this.#unstored = 0;
    this.#verification = null;
    current?.close(new ParleyError('cancelled', 'Another link is better.'));
    const { route, where } = link.channel;
    this.#note({ what: where ? `${route} (${where})` : route, outcome: 'linked' });
    if (route !== 'relayed') {
      for (const found of [...this.#onDirect]) found();
      this.#cycle?.abort();
      this.#cycle = null;
      this.#retries = 0;
    }
    this.#host.emit({ type: 'link', name: this.name, state: current ? 'moved' : 'up', route });
    this.pump();
  }

  /** Any direct one before a relayed one; of equals, on both sides the same. */
  #isBetter(link: Link, current: Link): boolean {
    const rank = ({ channel }: Link): number => (channel.route === 'relayed' ? 0 : 1);
    if (rank(link) !== rank(current)) return rank(link) > rank(current);
    const client = ({ channel }: Link): number => (channel.isClient ? this.#host.self.account : this.account);
    // Of two dialled by the same side, it gave up the older one.
    return client(link) <= client(current);
  }

  onClose(link: Link, reason: ParleyError): void {
    if (this.#link !== link) {
      if (reason.code !== 'cancelled') this.#note({ what: link.channel.route, outcome: reason.message });
      return;
    }
    this.#link = null;
    this.#verification = null;
    this.#note({ what: link.channel.route, outcome: reason.message });
    this.#host.emit({ type: 'link', name: this.name, state: 'down', route: link.channel.route });
    if (!this.introduction) return;
    if (this.#host.isCenterThere()) void this.#host.askIntroduction(this.account).catch(() => undefined);
    this.connect();
    if (!this.#cycle && !this.#retry) this.#retryLater();
  }

  // --- messages -------------------------------------------------------------------------------------

  /** Sends what is pending and not yet sent on this link. */
  pump(): void {
    const link = this.link;
    if (!link) return;
    while (link.hasRoom && this.#unstored < maxUnstored) {
      const batch = this.#host.store.pending(this.account, this.#sentTo, batchMessages);
      if (batch.length === 0) return;
      for (const { number, sentAtMs, text } of batch) {
        link.message(number, sentAtMs, text);
        this.#sentTo = number;
        this.#unstored++;
      }
    }
    if (!link.hasRoom && !link.isClosed) link.onceRoom(() => this.pump());
  }

  onMessage(link: Link, { number, sentAtMs, body }: { number: number; sentAtMs: number; body: string }): void {
    if (number < 1 || body === '') throw new ParleyError('bad_frame', 'A message without number or text.');
    const text = safeText(body);
    const row = this.#host.store.file({
      account: this.account,
      name: this.name,
      text,
      sentAtMs,
      receivedAtMs: Date.now(),
      outbox: link.otherOutbox,
      number,
    });
    const first = this.#toTell === 0;
    if (number > this.#toTell) this.#toTell = number;
    if (first) this.#host.afterCommit(() => this.#tellStored(link));
    if (row !== null)
      this.#host.afterCommit(() => this.#host.show(row, { from: this.name, account: this.account, text, sentAtMs }));
    if (this.#host.isBehind()) this.#holdBack(link);
  }

  #tellStored(link: Link): void {
    const number = this.#toTell;
    this.#toTell = 0;
    if (number > 0 && !link.isClosed) link.stored(number);
  }

  #holdBack(link: Link): void {
    const { stream } = link.channel;
    if (stream.isPaused()) return;
    stream.pause();
    const look = setInterval(() => {
      if (this.#host.isBehind() && !link.isClosed) return;
      clearInterval(look);
      stream.resume();
    }, 50);
    look.unref();
  }

  onStored(link: Link, number: number): void {
    const stored = this.#host.store.stored(this.account, number);
    if (link === this.#link) this.#unstored = Math.max(0, this.#unstored - stored.length);
    for (const message of stored) this.#host.onStored(message);
    this.pump();
  }

  // --- verification ---------------------------------------------------------------------------------

  /** Begins on both sides; the digits come as an event. Throws disconnected without a link. */
  verify(): void {
    const link = this.link;
    if (!link) throw new ParleyError('disconnected', `There is no link with ${this.name} now.`);
    this.#verification = this.#newVerification(link);
    this.#verification.start();
  }

  onVerify(link: Link, frame: { commit: Uint8Array } | { reveal: Uint8Array }): void {
    if (link !== this.#link) return;
    if ('commit' in frame && this.#verification?.isAnswered) this.#verification = null;
    this.#verification ??= this.#newVerification(link);
    this.#verification.take(frame);
  }

  #newVerification(link: Link): Verification {
    const other = { account: this.account, key: link.channel.key };
    return new Verification(link, this.#host.self, other, (digits) => {
      this.#verification = null;
      this.#host.emit({ type: 'verify', name: this.name, digits });
    });
  }

  /** The user compared the digits: they were the same. */
  confirm(): void {
    const link = this.link;
    if (!link) throw new ParleyError('disconnected', `There is no link with ${this.name} now.`);
    this.#host.store.trust(this.account, link.channel.key, true);
  }
}
