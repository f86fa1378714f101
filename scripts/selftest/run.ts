// The self-test: a real center and real peers talk while all of them are killed, stopped and cut off at random; then
// everything is drained and compared.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import type { FromPeer, PeerOrders, ToPeer } from './orders.ts';
import { CuttingProxy } from './proxy.ts';
import { Random } from './random.ts';
import { type Account, directionOf, judge, textOf, type Verdict } from './verdict.ts';

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

export type Fault = 'centerKilled' | 'centerStopped' | 'peerKilled' | 'peerStopped' | 'cut' | 'linksCut' | 'away';

/** How often each happens, beside the others. */
const shares: Readonly<Record<Fault, number>> = {
  centerKilled: 0.3,
  peerKilled: 0.25,
  centerStopped: 0.1,
  peerStopped: 0.1,
  cut: 0.1,
  linksCut: 0.1,
  away: 0.05,
};

const startMs = 20_000;
const drainMs = 120_000;
const roundMs = 400;
/** Longer than it takes until a relayed link is looked for. */
const noLinksMs = 3_000;
/** A peer with more than this in its outbox gets nothing new: faults must not pile up faster than they are worked off. */
const maxPending = 3000;
/** Of the messages; the others go through the center. */
const privateShare = 0.2;
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
  readonly #numbers = new Map<string, number>();
  readonly #faults: Record<Fault, number> = {
    centerKilled: 0,
    centerStopped: 0,
    peerKilled: 0,
    peerStopped: 0,
    cut: 0,
    linksCut: 0,
    away: 0,
  };
  #center: ChildProcess | null = null;
  #port = 0;
  #centerPort = 0;
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
  }

  async run(): Promise<Verdict & { faults: Record<Fault, number> }> {
    this.#port = await this.#proxy.start();
    await this.#startCenter();
    for (const member of this.#members) this.#startPeer(member);
    await this.#until(() => this.#members.every(({ online }) => online), startMs, 'the peers to be online');
    // Each may reach the next directly, so everybody has two to talk with privately.
    this.#members.forEach((member, index) => {
      this.#tell(member, { act: 'allow', name: this.#members[(index + 1) % this.#members.length]!.name });
    });
    // Who is killed before that would have nobody to talk with.
    await this.#until(() => this.#members.every(({ allows }) => allows), startMs, 'the consents');
    for (let round = 1; round <= this.#options.rounds; round++) {
      this.#report(round, 'talking');
      this.#talk();
      await this.#round();
    }
    this.#report(this.#options.rounds, 'draining');
    await this.#drain();
    await this.#quit();
    return { ...judge(this.#members.map(({ name }) => this.#account(name))), faults: this.#faults };
  }

  #report(round: number, doing: Progress['doing']): void {
    this.#options.onProgress?.({ round, rounds: this.#options.rounds, sent: this.#sent, faults: this.#faults, doing });
  }

  // --- talking --------------------------------------------------------------------------------------

  #talk(): void {
    const present = this.#members.filter(({ process, online, pending }) => process && online && pending < maxPending);
    if (present.length === 0) return;
    const share = Math.ceil(this.#options.messages / present.length);
    for (const member of present) {
      const messages = Array.from({ length: share }, () => this.#message(member.name));
      this.#sent += share;
      this.#tell(member, { act: 'send', messages });
    }
  }

  #message(from: string): { to: string; text: string; private: boolean } {
    const isPrivate = this.#random.chance(privateShare);
    const to = this.#random.pick(
      this.#members.filter((other) => isPartner(other, from, isPrivate, this.#members)),
    ).name;
    const direction = directionOf(from, to, isPrivate);
    const number = (this.#numbers.get(direction) ?? 0) + 1;
    this.#numbers.set(direction, number);
    return { to, text: textOf(direction, number), private: isPrivate };
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
    const fault = this.#chooseFault();
    if (fault === 'centerKilled') return this.#killCenter();
    if (fault === 'centerStopped') return this.#pause(this.#center, fault);
    if (fault === 'cut') this.#faults.cut += this.#proxy.cut(0.5);
    else if (fault === 'linksCut' && running.length > 0) this.#cutLinks(this.#random.pick(running));
    else if (fault === 'away' && running.length > 2) this.#sendAway(this.#random.pick(running));
    else if (fault === 'peerKilled' && running.length > 0) return this.#killPeer(this.#random.pick(running));
    else if (fault === 'peerStopped' && running.length > 0) {
      return this.#pause(this.#random.pick(running).process, fault);
    }
  }

  #chooseFault(): Fault {
    const faults = this.#options.faults ?? (Object.keys(shares) as Fault[]);
    let dice = this.#random.next() * faults.reduce((total, fault) => total + shares[fault], 0);
    for (const fault of faults) {
      dice -= shares[fault];
      if (dice < 0) return fault;
    }
    return this.#random.pick(faults);
  }

  async #killCenter(): Promise<void> {
    this.#faults.centerKilled++;
    await kill(this.#center);
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
    const [program = '', ...args] = this.#options.centerCommand;
    // The same port again: peers know the center by it.
    const own = ['127.0.0.1', String(this.#centerPort), '--data', join(this.#options.dir, 'center')];
    const limits = ['--messages-per-second', '0', '--bcrypt-cost', '4', '--log-level', 'error'];
    const open = ['--max-registrations-per-hour', '1000'];
    const center = spawn(program, [...args, ...own, ...limits, ...open], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#center = center;
    let output = '';
    center.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const listens = /listens on \S+:(\d+)/;
    const deadMs = performance.now() + startMs;
    while (!listens.test(output)) {
      if (center.exitCode !== null) throw new Error(`the center ended while starting, with ${center.exitCode}`);
      if (performance.now() > deadMs) throw new Error('the center did not start in time');
      await wait(5);
    }
    this.#centerPort = Number(listens.exec(output)?.[1]);
    this.#proxy.targetPort = this.#centerPort;
  }

  #startPeer(member: Member): void {
    const dataDir = join(this.#options.dir, member.name);
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
    const ledger = join(this.#options.dir, `${member.name}.ledger`);
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
    const rows = (): number => this.#members.reduce((sum, { name }) => sum + this.#account(name).history.length, 0);
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
    this.#center?.kill('SIGKILL');
    for (const { process } of this.#members) process?.kill('SIGKILL');
  }

  #account(name: string): Account {
    const ledgerPath = join(this.#options.dir, `${name}.ledger`);
    // A line cut off by a kill was not told to anybody.
    const ledger = readFileSync(ledgerPath, 'utf8').split('\n').slice(0, -1);
    const history: string[] = [];
    const accepted: string[] = [];
    for (const path of globSync(join(this.#options.dir, name, 'centers', '*', 'accounts', '*', 'history.db'))) {
      const db = new DatabaseSync(path, { readOnly: true });
      for (const row of db.prepare('SELECT text FROM history WHERE incoming = 1 ORDER BY row').iterate()) {
        history.push(String(row.text));
      }
      const sent = `SELECT h.text AS text FROM sent s JOIN history h ON h.row = s.row WHERE s.state IN ('accepted', 'stored')`;
      for (const row of db.prepare(sent).iterate()) accepted.push(String(row.text));
      db.close();
    }
    return { name, ledger, history, accepted };
  }
}

/** Whom this one writes to: anybody, or privately those beside it in the ring of consents. */
function isPartner(other: Member, from: string, isPrivate: boolean, members: Member[]): boolean {
  if (other.name === from) return false;
  if (!isPrivate) return true;
  const distance = Math.abs(members.indexOf(other) - members.findIndex(({ name }) => name === from));
  return distance === 1 || distance === members.length - 1;
}

async function kill(child: ChildProcess | null): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
