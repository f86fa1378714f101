// Private links, the center's part: requests and consents, introducing the two sides, and telling them when it is over.
import { type ErrorCode, ParleyError } from '../../shared/errors.ts';
import type { parley } from '../../shared/protocol.js';
import type { Clock } from '../clock.ts';
import type { CenterIdentity } from '../identity.ts';
import type { CenterLimits } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { ConsentRecord, Store } from '../store/store.ts';
import type { Wheel } from '../wheel.ts';
import { ConsentEnds, otherOf } from './consent-ends.ts';
import { candidatesOf, issueIntroduction, type Reach } from './introductions.ts';
import { Probes } from './probes.ts';
import { pairOf, remember } from './remembered.ts';
import { askersOf } from './requests.ts';
import type { TunnelSession, Tunnels } from './tunnels.ts';

const dayMs = 24 * 3_600_000;
const maxRequestsShown = 100;
/** From now until both sides of a punch dial: time for the word to reach both. */
const punchInMs = 300;

export type LinkEndCode = Extract<
  ErrorCode,
  'revoked' | 'blocked' | 'displaced' | 'password_changed' | 'logged_out' | 'banned' | 'account_deleted'
>;

/** An attached session, as links see it. */
export interface LinkSession extends TunnelSession {
  readonly name: string;
  /** Fingerprint of its key. */
  readonly key: string;
  /** The port of its connection to the center, as the center sees it. */
  readonly port: number;
  readonly reach: Reach;
}

export interface LinksOptions {
  store: Store;
  clock: Clock;
  wheel: Wheel;
  identity: CenterIdentity;
  limits: CenterLimits;
  log: Logger;
  tunnels: Tunnels;
  /** Dials and looks at the certificate: the fingerprint of its key, or null where there is none to be had. */
  probe(address: string, port: number): Promise<string | null>;
}

export class Links {
  readonly tunnels: Tunnels;
  readonly #options: LinksOptions;
  readonly #attached = new Map<number, LinkSession>();
  readonly #punched = new Map<string, number>();
  readonly #ends: ConsentEnds;
  readonly #probes: Probes;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.tunnels = options.tunnels;
    this.#ends = new ConsentEnds({ ...options, onOver: (giver, asker) => this.#timeOver(giver, asker) });
    this.#probes = new Probes({
      ...options,
      isAttached: (session) => this.#isAttached(session),
      onVerified: async (session) =>
        this.#introduceAll(session, await options.store.consents(session.account, options.clock.now())),
    });
  }

  // --- who is there ---------------------------------------------------------------------------------

  /** A session is ready for links: it hears of requests that wait, and meets those it has a consent with. */
  async attach(session: LinkSession): Promise<void> {
    const { store, clock } = this.#options;
    this.#attached.set(session.account, session);
    const now = clock.now();
    const asked = { afterMs: now - dayMs, limit: maxRequestsShown };
    const { consents, requests } = await store.consentsAndRequests(session.account, now, asked);
    this.#introduceAll(session, consents);
    for (const { id, name } of await askersOf(session.account, requests, store)) {
      this.#send(session, { addressRequest: { from: id, fromName: name } });
    }
    await this.#probes.look(session);
  }

  detach(session: LinkSession): void {
    if (this.#isAttached(session)) this.#attached.delete(session.account);
    this.tunnels.leave(session);
  }

  #isAttached(session: LinkSession): boolean {
    return this.#attached.get(session.account) === session;
  }

  #send(session: LinkSession, frame: parley.Frame.$Properties): void {
    if (this.#isAttached(session)) session.send(frame);
  }

  // --- consent --------------------------------------------------------------------------------------

  /** One asks for the other's address. With a consent already there, both are introduced. */
  async ask(asker: LinkSession, target: number): Promise<void> {
    const { store, clock } = this.#options;
    const consent = await this.#withConsent(asker.account, target, (consent) => {
      if (consent) this.#introduceAgain(consent);
      return consent;
    });
    if (consent) return;
    const answer = await store.askAddress(target, asker.account, clock.now(), dayMs);
    const session = this.#attached.get(target);
    // Whoever was denied is not told so, and cannot ask again and again.
    if (answer === 'asked' && session) {
      this.#send(session, { addressRequest: { from: asker.account, fromName: asker.name } });
    }
  }

  async allow(giver: number, asker: number, forMs: number, once: boolean): Promise<void> {
    const { store, clock } = this.#options;
    const untilMs = clock.now() + (forMs > 0 ? Math.min(forMs, maxConsentMs) : dayMs);
    await store.allowAddress(giver, asker, untilMs, once);
    await this.#introduce({ giver, asker, untilMs, once }, true);
  }

  async deny(target: number, asker: number): Promise<void> {
    const now = this.#options.clock.now();
    await this.#options.store.denyAddress(target, asker, now, now + dayMs);
  }

  /** Ends what is between the two, whoever gave it; false where there was nothing. */
  async end(one: number, other: number, code: LinkEndCode): Promise<boolean> {
    const ended = await this.#options.store.endConsents(one, other);
    if (ended.length === 0) return false;
    this.#tellEnd(one, other, code);
    return true;
  }

  /** The account's session is over: its links are, and consents that held only once. */
  async accountEnded(account: number, code: LinkEndCode): Promise<void> {
    this.endWith(await this.partners(account), account, code);
    if (code === 'logged_out') await this.#options.store.endConsents(account, null).catch(this.#notEnded(account));
  }

  /** With whom the account has a consent, given or received, as of this call; nobody where the store fails. */
  async partners(account: number): Promise<Set<number>> {
    const { store, clock } = this.#options;
    const consents = await store.consents(account, clock.now()).catch(this.#notEnded(account));
    return new Set(consents?.map((consent) => otherOf(consent, account)));
  }

  /** Tells these that their links with the account are over. */
  endWith(partners: Iterable<number>, account: number, code: LinkEndCode): void {
    for (const partner of partners) this.#tellEnd(account, partner, code, 'other only');
  }

  #notEnded(account: number): (error: unknown) => void {
    return (error) => this.#options.log.warn({ err: error, account }, 'links could not be ended');
  }

  #tellEnd(one: number, other: number, code: LinkEndCode, whom: 'both' | 'other only' = 'both'): void {
    this.tunnels.closeBetween(one, other);
    const sides = whom === 'both' ? [[one, other] as const, [other, one] as const] : [[other, one] as const];
    for (const [to, about] of sides) {
      const session = this.#attached.get(to);
      if (session) this.#send(session, { linkEnd: { account: about, code } });
    }
  }

  /**
   * Acts on the consent between the two at the very answer of the store, without another promise in between: an end that the
   * store was asked for later comes later, and is told later.
   */
  #withConsent<Done>(one: number, other: number, act: (consent: ConsentRecord | null) => Done): Promise<Done> {
    const { store, clock } = this.#options;
    return store.consents(one, clock.now()).then((consents) => {
      const between = consents.filter((consent) => otherOf(consent, one) === other);
      return act(between.sort((a, b) => b.untilMs - a.untilMs)[0] ?? null);
    });
  }

  /** Throws no_consent where there is none. */
  #withLive<Done>(session: LinkSession, other: number, act: (consent: ConsentRecord) => Done): Promise<Done> {
    return this.#withConsent(session.account, other, (consent) => {
      // It may have ended meanwhile: nothing would ever end what is begun for it now.
      if (!this.#isAttached(session)) throw new ParleyError('wrong_state', 'This connection takes no part in links.');
      if (!consent) throw new ParleyError('no_consent', 'Neither of you lets the other reach it directly.');
      return act(consent);
    });
  }

  // --- introductions --------------------------------------------------------------------------------

  /** Introduces the two again, on demand. Throws no_consent. */
  introduce(session: LinkSession, other: number): Promise<void> {
    return this.#withLive(session, other, (consent) => this.#introduceAgain(consent));
  }

  /** A port that could not be reached before may have been opened since. */
  #introduceAgain(consent: ConsentRecord): void {
    this.#introduce(consent, false);
    for (const account of [consent.asker, consent.giver]) {
      const session = this.#attached.get(account);
      if (!session || session.reach.verified) continue;
      this.#probes.look(session).catch((error: unknown) => {
        this.#options.log.warn({ err: error, account }, 'a peer could not be looked at again');
      });
    }
  }

  #introduceAll(session: LinkSession, consents: ConsentRecord[]): void {
    const met = new Set<number>();
    for (const consent of consents.sort((a, b) => b.untilMs - a.untilMs)) {
      const other = otherOf(consent, session.account);
      if (met.has(other)) continue;
      met.add(other);
      this.#introduce(consent, false);
    }
  }

  #introduce(consent: ConsentRecord, fresh: boolean): void {
    const asker = this.#attached.get(consent.asker);
    const giver = this.#attached.get(consent.giver);
    if (!asker || !giver) return;
    this.#ends.watch(consent);
    const { token, expiresAtMs } = issueIntroduction(this.#options, asker, giver, consent.untilMs);
    for (const [to, of] of [
      [asker, giver],
      [giver, asker],
    ] as const) {
      const candidates = candidatesOf(of.reach, to.reach).map(({ kind, address, port }) => ({
        kind: kind === 'verified' ? 1 : 2,
        address,
        port,
      }));
      this.#send(to, {
        introduction: {
          account: of.account,
          name: of.name,
          key: of.key,
          token,
          expiresAtMs,
          consentUntilMs: consent.untilMs,
          once: consent.once,
          dialFirst: to === asker,
          fresh,
          candidates,
        },
      });
    }
  }

  /** Both are told, and what is relayed between them ends, unless there is another consent, or the same one goes on. */
  #timeOver(giver: number, asker: number): Promise<void> {
    return this.#withConsent(giver, asker, (other) => {
      if (other) this.#ends.watch(other);
      else this.#tellEnd(giver, asker, 'revoked');
    });
  }

  // --- where there is no direct way ---------------------------------------------------------------------

  #attachedAs(other: number): LinkSession {
    const found = this.#attached.get(other);
    if (!found) throw new ParleyError('unknown_account', 'The other one is not online.');
    return found;
  }

  /** Lets both dial each other at one moment. Throws no_consent, unknown_account where the other is away, rate_limited, unsupported. */
  punch(session: LinkSession, account: number): Promise<void> {
    return this.#withLive(session, account, () => this.#punch(session, account));
  }

  #punch(session: LinkSession, account: number): void {
    const other = this.#attachedAs(account);
    if (session.reach.loopback || other.reach.loopback) {
      throw new ParleyError('unsupported', 'There is no NAT between peers that reach the center over loopback.');
    }
    const { wheel, limits } = this.#options;
    const pair = pairOf(session.account, account);
    const before = this.#punched.get(pair);
    if (before !== undefined && wheel.nowMs - before < limits.punchIntervalMs) {
      throw new ParleyError('rate_limited', 'This pair has just tried.', { retryAfterMs: limits.punchIntervalMs });
    }
    remember(this.#punched, pair, wheel.nowMs);
    for (const [to, of] of [
      [session, other],
      [other, session],
    ] as const) {
      const { address } = of.reach;
      this.#send(to, { punchAt: { account: of.account, address, port: of.port, inMs: punchInMs } });
    }
  }

  /** Throws no_consent, unknown_account where the other is away, busy, quota. */
  openTunnel(session: LinkSession, account: number): Promise<{ tunnel: number; creditBytes: number }> {
    return this.#withLive(session, account, () => this.tunnels.open(session, this.#attachedAs(account)));
  }
}

const maxConsentMs = 365 * dayMs;
