// One who takes part in the self-test, as that sees it: its peer's process, and what it has reported.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Child, Children } from './child.ts';
import type { FromPeer, PeerOrders, ToPeer } from './orders.ts';
import { dataDirOf, ledgerPath } from './records.ts';

const password = 'summerisover';
const quitMs = 20_000;
const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));

export class Member {
  readonly name: string;
  readonly #dir: string;
  readonly #children: Children;
  readonly #onCrash: (how: string) => void;
  /** null while it is away. */
  child: Child | null = null;
  online = false;
  /** Has let the next one reach it. */
  allows = false;
  /** In its outbox, as of its last report; -1: it has made none. */
  pending = 0;
  /** Rounds until it comes back. */
  away = 0;
  #isNew = true;

  /** dir: of the self-test. onCrash: told the exit code or signal of a process that has ended by itself. */
  constructor(name: string, dir: string, children: Children, onCrash: (how: string) => void) {
    this.name = name;
    this.#dir = dir;
    this.#children = children;
    this.#onCrash = onCrash;
  }

  start(how: Pick<PeerOrders, 'port' | 'plain' | 'listens'>): void {
    const dataDir = dataDirOf(this.#dir, this.name);
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const peer = fork(new URL(`./peer-process${ending}`, import.meta.url), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const child = this.#children.add(peer, (how) => {
      // It comes back as one does who was killed.
      if (this.child === child) this.#leave(0);
      this.#onCrash(how);
    });
    this.child = child;
    this.online = false;
    peer.on('message', (report: FromPeer) => {
      if ('online' in report) {
        this.online = true;
        this.#isNew = false;
      } else if ('allowed' in report) this.allows = true;
      else this.pending = report.pending;
    });
    peer.on('error', () => undefined);
    const ledger = ledgerPath(this.#dir, this.name);
    const orders: PeerOrders = { name: this.name, password, dataDir, ledger, isNew: this.#isNew, ...how };
    peer.send(orders, () => undefined);
  }

  tell(order: ToPeer): void {
    const peer = this.child?.process;
    if (peer?.connected) peer.send(order, () => undefined);
  }

  async kill(rounds: number): Promise<void> {
    await this.child?.kill();
    this.#leave(rounds);
  }

  /** It says goodbye, and is done with that when it is. */
  sendAway(rounds: number): void {
    this.child?.letEnd();
    this.tell({ act: 'quit' });
    this.#leave(rounds);
  }

  #leave(rounds: number): void {
    this.child = null;
    this.online = false;
    this.away = rounds;
  }

  /** Resolves when its process has ended, be it that it must be killed; throws when the signal comes. */
  async quit(signal: AbortSignal): Promise<void> {
    const { child } = this;
    if (!child) return;
    child.letEnd();
    const exited = once(child.process, 'exit');
    this.tell({ act: 'quit' });
    await Promise.race([exited, wait(quitMs, undefined, { ref: false, signal })]);
    await child.kill();
  }
}
