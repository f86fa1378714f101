// Relayed links: bytes between two consenting peers, passed on without being understood, after messages and within limits.
import { randomInt } from 'node:crypto';
import { ParleyError } from '../../shared/errors.ts';
import type { parley } from '../../shared/protocol.js';
import type { CenterLimits } from '../limits.ts';
import type { Turn } from '../turn.ts';
import type { Timeout, Wheel } from '../wheel.ts';

const maxDataBytes = 16_384;
const tickMs = 250;
const secondMs = 1000;
const dayMs = 24 * 3_600_000;

export type TunnelEnd = 'closed' | 'away' | 'quota' | 'revoked' | 'bad_credit';

/** The connection of an account that has tunnels. */
export interface TunnelSession {
  readonly account: number;
  send(frame: parley.Frame.$Properties): void;
}

/** One direction of a tunnel. */
interface Direction {
  to: TunnelSession;
  /** May still be sent before the receiver takes something out. */
  creditBytes: number;
  waiting: Uint8Array[];
  waitingBytes: number;
  /** May be passed on now; grows with time. */
  allowanceBytes: number;
  allowanceAtMs: number;
}

interface Tunnel {
  readonly id: number;
  readonly opener: TunnelSession;
  readonly other: TunnelSession;
  readonly directions: Map<TunnelSession, Direction>;
}

export class Tunnels {
  readonly #limits: CenterLimits;
  readonly #wheel: Wheel;
  readonly #tunnels = new Map<number, Tunnel>();
  readonly #bySession = new Map<TunnelSession, Set<Tunnel>>();
  /** Bytes passed for each account in the day that began then. */
  readonly #usage = new Map<number, { bytes: number; sinceMs: number }>();
  readonly #tick: Timeout = { dueTick: 0, expire: () => this.#passDelayed() };

  /** Passed on at the end of the turn, when its messages are written. */
  #passing: { to: TunnelSession; frame: parley.Frame.$Properties }[] = [];
  readonly #turn: Turn;

  constructor(limits: CenterLimits, wheel: Wheel, turn: Turn) {
    this.#limits = limits;
    this.#wheel = wheel;
    this.#turn = turn;
    turn.addStep(() => {
      const passing = this.#passing;
      this.#passing = [];
      for (const { to, frame } of passing) to.send(frame);
    });
  }

  #say(to: TunnelSession, frame: parley.Frame.$Properties): void {
    this.#passing.push({ to, frame });
    this.#turn.schedule();
  }

  /** Opens one between the two; both are told. Throws busy or quota. */
  open(opener: TunnelSession, other: TunnelSession): { tunnel: number; creditBytes: number } {
    for (const session of [opener, other]) {
      if ((this.#bySession.get(session)?.size ?? 0) >= this.#limits.tunnelsPerAccount) {
        throw new ParleyError('busy', 'Too many relayed links are open.', { retryAfterMs: 30_000 });
      }
      if (this.#used(session.account).bytes >= this.#limits.tunnelBytesPerDay) {
        throw new ParleyError('quota', 'The allowance for relayed links is used up for today.');
      }
    }
    let id = 0;
    while (id === 0 || this.#tunnels.has(id)) id = randomInt(1, 2 ** 32 - 1);
    const tunnel: Tunnel = { id, opener, other, directions: new Map() };
    tunnel.directions.set(opener, this.#direction(other));
    tunnel.directions.set(other, this.#direction(opener));
    this.#tunnels.set(id, tunnel);
    for (const session of [opener, other]) {
      const open = this.#bySession.get(session);
      if (open) open.add(tunnel);
      else this.#bySession.set(session, new Set([tunnel]));
    }
    const creditBytes = this.#limits.tunnelCreditBytes;
    this.#say(other, { tunnelOpened: { tunnel: id, account: opener.account, creditBytes } });
    return { tunnel: id, creditBytes };
  }

  #direction(to: TunnelSession): Direction {
    const { tunnelCreditBytes, tunnelBytesPerSecond } = this.#limits;
    return {
      to,
      creditBytes: tunnelCreditBytes,
      waiting: [],
      waitingBytes: 0,
      allowanceBytes: tunnelBytesPerSecond,
      allowanceAtMs: this.#wheel.nowMs,
    };
  }

  /** Passes bytes on, now or when the rate allows; a sender that goes beyond its credit loses the tunnel. */
  data(from: TunnelSession, id: number, data: Uint8Array): void {
    const tunnel = this.#tunnels.get(id);
    const direction = tunnel?.directions.get(from);
    // It may have been closed by the other side a moment ago.
    if (!tunnel || !direction || data.length === 0) return;
    if (data.length > maxDataBytes || data.length > direction.creditBytes) return this.#end(tunnel, 'bad_credit');
    direction.creditBytes -= data.length;
    direction.waiting.push(Uint8Array.from(data));
    direction.waitingBytes += data.length;
    this.#pass(tunnel, direction);
  }

  /** The receiver took bytes out: the sender may send as many more. */
  credit(from: TunnelSession, id: number, bytes: number): void {
    const tunnel = this.#tunnels.get(id);
    // A credit of nothing would cost the sender a frame all the same.
    if (!tunnel?.directions.has(from) || bytes === 0) return;
    const sender = from === tunnel.opener ? tunnel.other : tunnel.opener;
    const direction = tunnel.directions.get(sender);
    if (!direction) return;
    direction.creditBytes += bytes;
    if (direction.creditBytes + direction.waitingBytes > this.#limits.tunnelCreditBytes) {
      return this.#end(tunnel, 'bad_credit');
    }
    this.#say(sender, { tunnelCredit: { tunnel: id, bytes } });
  }

  close(from: TunnelSession, id: number): void {
    const tunnel = this.#tunnels.get(id);
    if (tunnel?.directions.has(from)) this.#end(tunnel, 'closed', from);
  }

  /** The connection is gone. */
  leave(session: TunnelSession): void {
    for (const tunnel of this.#bySession.get(session) ?? []) this.#end(tunnel, 'away', session);
  }

  /** The two may not reach each other any more. */
  closeBetween(one: number, other: number): void {
    for (const tunnel of [...this.#tunnels.values()]) {
      const accounts = [tunnel.opener.account, tunnel.other.account];
      if (accounts.includes(one) && accounts.includes(other)) this.#end(tunnel, 'revoked');
    }
  }

  #end(tunnel: Tunnel, code: TunnelEnd, except?: TunnelSession): void {
    this.#tunnels.delete(tunnel.id);
    for (const session of [tunnel.opener, tunnel.other]) {
      const open = this.#bySession.get(session);
      open?.delete(tunnel);
      if (open?.size === 0) this.#bySession.delete(session);
      if (session !== except) this.#say(session, { tunnelClose: { tunnel: tunnel.id, code } });
    }
  }

  #used(account: number): { bytes: number; sinceMs: number } {
    const now = this.#wheel.nowMs;
    let usage = this.#usage.get(account);
    if (!usage || now - usage.sinceMs >= dayMs) {
      usage = { bytes: 0, sinceMs: now };
      this.#usage.set(account, usage);
    }
    return usage;
  }

  #pass(tunnel: Tunnel, direction: Direction): void {
    const { tunnelBytesPerSecond, tunnelBytesPerDay } = this.#limits;
    const now = this.#wheel.nowMs;
    const earned = ((now - direction.allowanceAtMs) * tunnelBytesPerSecond) / secondMs;
    direction.allowanceBytes = Math.min(tunnelBytesPerSecond, direction.allowanceBytes + earned);
    direction.allowanceAtMs = now;
    while (direction.allowanceBytes > 0) {
      const data = direction.waiting.shift();
      if (!data) return;
      direction.waitingBytes -= data.length;
      direction.allowanceBytes -= data.length;
      this.#say(direction.to, { tunnelData: { tunnel: tunnel.id, data } });
      for (const { account } of [tunnel.opener, tunnel.other]) {
        const usage = this.#used(account);
        usage.bytes += data.length;
        if (usage.bytes > tunnelBytesPerDay) return this.#end(tunnel, 'quota');
      }
    }
    if (direction.waiting.length > 0 && this.#tick.dueTick === 0) this.#wheel.schedule(this.#tick, tickMs);
  }

  #passDelayed(): void {
    for (const tunnel of [...this.#tunnels.values()]) {
      for (const direction of tunnel.directions.values()) {
        if (direction.waiting.length > 0 && this.#tunnels.has(tunnel.id)) this.#pass(tunnel, direction);
      }
    }
  }
}
