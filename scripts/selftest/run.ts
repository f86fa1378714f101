// The self-test: a real center and real peers talk while all of them are killed, stopped and cut off at random; then
// everything is drained and compared.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CenterProcess, kill } from './center-process.ts';
import { chooseFault, type Fault, noFaults } from './faults.ts';
import type { FromPeer, PeerOrders, ToPeer } from './orders.ts';
import { CuttingProxy } from './proxy.ts';
import { Random } from './random.ts';
import { dataDirOf, ledgerPath, readAccount } from './records.ts';
import { Talk } from './talk.ts';
import { judge, type Verdict } from './verdict.ts';

export interface SelftestOptions {
  rounds: number;
  seed: number;
  /** A fresh directory on the disk to be tested; everything is kept under it. */
  dir: string;
  peers: number;
  /** Sent in each round, by all together. */
  messages: number;
  /** How to run the center, before its own arguments. */
  centerCommand: string[];
  /** Only these; default: all. */
  faults?: readonly Fault[];
  onProgress?(progress: Progress): void;
}

export interface Progress {
  round: number;
  rounds: number;
  sent: number;
  faults: Record<Fault, number>;
  doing: 'talking' | 'draining';
}

const startMs = 20_000;
const drainMs = 120_000;
const roundMs = 400;
/** Longer than it takes until a relayed link is looked for. */
const noLinksMs = 3_000;
/** A peer with more than this in its outbox gets nothing new: faults must not pile up faster than they are worked off. */
const maxPending = 3000;
const password = 'summerisover';
const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));

interface Member {
  name: string;
  process: ChildProcess | null;
  isNew: boolean;
  online: boolean;
  /** Has let the next one reach it. */
  allows: boolean;
  pending: number;
  /** Rounds until it comes back. */
  away: number;
}

export async function runSelftest(options: SelftestOptions): Promise<Verdict & { faults: Record<Fault, number> }> {
  const test = new Selftest(options);
  const end = (): void => test.end();
  process.once('exit', end);
  try {
    return await test.run();
  } finally {
    end();
    process.off('exit', end);
  }
}

class Selftest {
  readonly #options: SelftestOptions;
  readonly #random: Random;
  readonly #proxy: CuttingProxy;
  readonly #members: Member[];
  readonly #faults = noFaults();
  readonly #center: CenterProcess;
  readonly #talk: Talk;
  #port = 0;
  #sent = 0;

  constructor(options: SelftestOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#proxy = new CuttingProxy(new Random(options.seed + 1));
    this.#members = Array.from({ length: options.peers }, (_, index) => ({
      name: `peer${index + 1}`,
      process: null,
      isNew: true,
      online: false,
      allows: false,
      pending: 0,
      away: 0,
    }));
    this.#center = new CenterProcess(options.centerCommand, join(options.dir, 'center'));
    this.#talk = new Talk(
      this.#random,
      this.#members.map(({ name }) => name),
    );
  }

  async run(): Promise<Verdict & { faults: Record<Fault, number> }> {
    this.#port = await this.#proxy.start();
    await this.#startCenter();
    for (const member of this.#members) this.#startPeer(member);
    await this.#until(() => this.#members.every(({ online }) => online), startMs, 'the peers to be online');
    // Each may reach the next directly, so everybody has two to talk with privately.
    for (const member of this.#members) {
      this.#tell(member, { act: 'allow', name: this.#talk.nextTo(member.name) });
    }
    // Who is killed before that would have nobody to talk with.
    await this.#until(() => this.#members.every(({ allows }) => allows), startMs, 'the consents');
    for (let round = 1; round <= this.#options.rounds; round++) {
      this.#report(round, 'talking');
      this.#say();
      await this.#round();
    }
    this.#report(this.#options.rounds, 'draining');
    await this.#drain();
    await this.#quit();
    return { ...judge(this.#members.map(({ name }) => readAccount(this.#options.dir, name))), faults: this.#faults };
  }

  #report(round: number, doing: Progress['doing']): void {
    this.#options.onProgress?.({ round, rounds: this.#options.rounds, sent: this.#sent, faults: this.#faults, doing });
  }

  // --- talking --------------------------------------------------------------------------------------

  #say(): void {
    const present = this.#members.filter(({ process, online, pending }) => process && online && pending < maxPending);
    if (present.length === 0) return;
    const share = Math.ceil(this.#options.messages / present.length);
    for (const member of present) {
      const messages = Array.from({ length: share }, () => this.#talk.message(member.name));
      this.#sent += share;
      this.#tell(member, { act: 'send', messages });
    }
  }

  #tell(member: Member, order: ToPeer): void {
    if (member.process?.connected) member.process.send(order, () => undefined);
  }

  // --- faults ---------------------------------------------------------------------------------------

  async #round(): Promise<void> {
    for (const member of this.#members) {
      if (!member.process && --member.away <= 0) this.#startPeer(member);
      this.#tell(member, { act: 'count' });
    }
    await wait(this.#random.between(0, roundMs));
    await this.#disturb();
    await wait(this.#random.between(0, roundMs));
  }

  async #disturb(): Promise<void> {
    const running = this.#members.filter(({ process }) => process);
    const fault = chooseFault(this.#random, this.#options.faults);
    if (fault === 'centerKilled') return this.#killCenter();
    if (fault === 'centerStopped') return this.#pause(this.#center.process, fault);
    if (fault === 'cut') this.#faults.cut += this.#proxy.cut(0.5);
    else if (fault === 'linksCut' && running.length > 0) this.#cutLinks(this.#random.pick(running));
    else if (fault === 'away' && running.length > 2) this.#sendAway(this.#random.pick(running));
    else if (fault === 'peerKilled' && running.length > 0) return this.#killPeer(this.#random.pick(running));
    else if (fault === 'peerStopped' && running.length > 0) {
      return this.#pause(this.#random.pick(running).process, fault);
    }
  }

  async #killCenter(): Promise<void> {
    this.#faults.centerKilled++;
    await kill(this.#center.process);
    await this.#startCenter();
  }

  async #killPeer(member: Member): Promise<void> {
    this.#faults.peerKilled++;
    await kill(member.process);
    member.process = null;
    member.away = this.#random.between(0, 2);
  }

  async #pause(process: ChildProcess | null, fault: Fault): Promise<void> {
    this.#faults[fault]++;
    process?.kill('SIGSTOP');
    await wait(this.#random.between(10, roundMs));
    process?.kill('SIGCONT');
  }

  /** Half of the time they can be made again at once, else what is said meanwhile goes through the center. */
  #cutLinks(member: Member): void {
    this.#faults.linksCut++;
    this.#tell(member, { act: 'cutLinks', forMs: this.#random.chance(0.5) ? 0 : noLinksMs });
  }

  #sendAway(member: Member): void {
    this.#faults.away++;
    this.#tell(member, { act: 'quit' });
    member.process = null;
    member.online = false;
    member.away = this.#random.between(1, 4);
  }

  // --- processes ------------------------------------------------------------------------------------

  async #startCenter(): Promise<void> {
    this.#proxy.targetPort = await this.#center.start();
  }

  #startPeer(member: Member): void {
    const dataDir = dataDirOf(this.#options.dir, member.name);
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const child = fork(new URL(`./peer-process${ending}`, import.meta.url), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    member.process = child;
    member.online = false;
    child.on('message', (report: FromPeer) => {
      if ('online' in report) {
        member.online = true;
        member.isNew = false;
      } else if ('allowed' in report) member.allows = true;
      else member.pending = report.pending;
    });
    // A peer that ends by itself is a fault of its own: the comparison would not show it.
    child.on('error', () => undefined);
    const ledger = ledgerPath(this.#options.dir, member.name);
    const orders: PeerOrders = {
      name: member.name,
      password,
      port: this.#port,
      dataDir,
      ledger,
      isNew: member.isNew,
      listens: this.#random.chance(0.5),
    };
    child.send(orders, () => undefined);
  }

  async #until(holds: () => boolean, timeoutMs: number, what: string): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > endMs) throw new Error(`waited too long for ${what}`);
      for (const member of this.#members) this.#tell(member, { act: 'count' });
      await wait(50);
    }
  }

  /** Everybody comes back, every outbox empties; what the mailboxes hold then comes before the goodbye. */
  async #drain(): Promise<void> {
    for (const member of this.#members) if (!member.process) this.#startPeer(member);
    const settled = (): boolean => this.#members.every(({ online, pending }) => online && pending === 0);
    for (const member of this.#members) member.pending = -1;
    await this.#until(settled, drainMs, 'the outboxes to be empty');
    const rows = (): number =>
      this.#members.reduce((sum, { name }) => sum + readAccount(this.#options.dir, name).history.length, 0);
    const endMs = performance.now() + drainMs;
    for (let before = -1, now = rows(); now < this.#sent && performance.now() < endMs; before = now, now = rows()) {
      // Nothing more came for a while: what is missing is lost.
      await wait(before === now ? 3000 : 300);
      if (before === now && rows() === now) return;
    }
  }

  async #quit(): Promise<void> {
    for (const member of this.#members) {
      const child = member.process;
      if (!child) continue;
      const exited = once(child, 'exit');
      this.#tell(member, { act: 'quit' });
      await Promise.race([exited, wait(startMs, undefined, { ref: false })]);
      await kill(child);
    }
  }

  end(): void {
    this.#proxy.stop();
    this.#center.process?.kill('SIGKILL');
    for (const { process } of this.#members) process?.kill('SIGKILL');
  }
}
