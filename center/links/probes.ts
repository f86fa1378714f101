// Whether peers can be reached where their connections come from: looked at when they attach, and again now and then.
import type { CenterLimits } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Wheel } from '../wheel.ts';
import type { LinkSession } from './links.ts';
import { remember } from './remembered.ts';

/** Below are the ports of services that belong to the machine. */
const firstUserPort = 1024;

export interface ProbesOptions {
  wheel: Wheel;
  limits: CenterLimits;
  log: Logger;
  /** Dials and looks at the certificate: the fingerprint of its key, or null where there is none to be had. */
  probe(address: string, port: number): Promise<string | null>;
  isAttached(session: LinkSession): boolean;
  /** The session's reach is verified now. */
  onVerified(session: LinkSession): Promise<void>;
}

export class Probes {
  readonly #options: ProbesOptions;
  /** When an account was looked at last. */
  readonly #probed = new Map<number, number>();
  /** Those that are looked at again when they may be. */
  readonly #waiting = new Set<LinkSession>();

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Looks whether the peer can be reached where its connection comes from, and at no other address; later, if it was just done. */
  async look(session: LinkSession): Promise<void> {
    const { limits, wheel, probe, isAttached, onVerified } = this.#options;
    const { address, listenPort } = session.reach;
    // For one that is gone nobody is looked at: its account's next connection would have to wait for its own look.
    if (listenPort < firstUserPort || !isAttached(session)) return;
    const before = this.#probed.get(session.account);
    const waitMs = before === undefined ? 0 : before + limits.probeIntervalMs - wheel.nowMs;
    if (waitMs > 0) return this.#lookLater(session, waitMs);
    remember(this.#probed, session.account, wheel.nowMs);
    if ((await probe(address, listenPort)) !== session.key) return;
    session.reach.verified = true;
    if (isAttached(session)) await onVerified(session);
  }

  #lookLater(session: LinkSession, waitMs: number): void {
    if (this.#waiting.has(session)) return;
    this.#waiting.add(session);
    const expire = (): void => {
      this.#waiting.delete(session);
      this.look(session).catch((error: unknown) => {
        this.#options.log.warn({ err: error, account: session.account }, 'a peer could not be introduced again');
      });
    };
    this.#options.wheel.schedule({ dueTick: 0, expire }, waitMs);
  }
}
