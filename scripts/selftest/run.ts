// The self-test: a real center and real peers talk while all of them are killed, stopped and cut off at random; then
// everything is drained and compared.
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CenterProcess } from './center-process.ts';
import { type Child, Children } from './child.ts';
import { chooseFault, type Fault, noFaults } from './faults.ts';
import { Member } from './member.ts';
import { CuttingProxy } from './proxy.ts';
import { Random } from './random.ts';
import { readAccount } from './records.ts';
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
  /** Without TLS between the center and the peers. */
  plain?: boolean;
  /** Only these; default: all. */
  faults?: readonly Fault[];
  /** Ends it early: it throws, and nothing that it started runs any more. */
  signal?: AbortSignal;
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
/** Nothing more comes after so long, nor, on a disk that is busy, what is missing after so long. */
const quietMs = { allIsThere: 3_000, someIsMissing: 8_000 };
const lookMs = 300;
/** Longer than it takes until a relayed link is looked for. */
const noLinksMs = 3_000;
/** A peer with more than this in its outbox gets nothing new: faults must not pile up faster than they are worked off. */
const maxPending = 3000;
const maxCrashesTold = 5;

export interface Result extends Verdict {
  faults: Record<Fault, number>;
  /** How often the center or a peer ended by itself. */
  crashed: number;
}

export async function runSelftest(options: SelftestOptions): Promise<Result> {
  const test = new Selftest(options);
  const kill = (): void => void test.children.kill();
  process.once('exit', kill);
  try {
    return await test.run();
  } finally {
    await test.end();
    process.off('exit', kill);
  }
}

class Selftest {
  readonly children = new Children();
  readonly #options: SelftestOptions;
  readonly #signal: AbortSignal;
  readonly #random: Random;
  readonly #proxy: CuttingProxy;
  readonly #members: Member[];
  readonly #faults = noFaults();
  readonly #center: CenterProcess;
  readonly #talk: Talk;
  readonly #crashes: string[] = [];
  #port = 0;
  #sent = 0;

  constructor(options: SelftestOptions) {
    const { seed, dir, peers, centerCommand } = options;
    this.#options = options;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#random = new Random(seed);
    this.#proxy = new CuttingProxy(new Random(seed + 1));
    const names = Array.from({ length: peers }, (_, index) => `peer${index + 1}`);
    this.#members = names.map((name) => new Member(name, dir, this.children, (how) => this.#crashed(name, how)));
    const onCrash = (how: string): void => this.#crashed('the center', how);
    const command = [...centerCommand, ...(options.plain ? ['--plain'] : [])];
    this.#center = new CenterProcess(command, join(dir, 'center'), this.children, onCrash);
    this.#talk = new Talk(this.#random, names);
  }

  #crashed(who: string, how: string): void {
    this.#crashes.push(`${who} ended by itself (${how})`);
  }

  async run(): Promise<Result> {
    this.#port = await this.#proxy.start();
    await this.#startCenter();
    for (const member of this.#members) this.#startPeer(member);
    await this.#until(() => this.#members.every(({ online }) => online), startMs, 'the peers to be online');
    // Each may reach the next directly, so everybody has two to talk with privately.
    for (const member of this.#members) {
      member.tell({ act: 'allow', name: this.#talk.nextTo(member.name) });
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
    const verdict = this.#judge();
    const examples = [...this.#crashes.slice(0, maxCrashesTold), ...verdict.examples];
    return { ...verdict, examples, faults: this.#faults, crashed: this.#crashes.length };
  }

  /** Throws when the test is to end. */
  async #wait(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#signal });
  }

  #report(round: number, doing: Progress['doing']): void {
    this.#options.onProgress?.({ round, rounds: this.#options.rounds, sent: this.#sent, faults: this.#faults, doing });
  }

  // --- talking --------------------------------------------------------------------------------------

  #say(): void {
    const present = this.#members.filter(({ online, pending }) => online && pending < maxPending);
    if (present.length === 0) return;
    const share = Math.ceil(this.#options.messages / present.length);
    for (const member of present) {
      const messages = Array.from({ length: share }, () => this.#talk.message(member.name));
      this.#sent += share;
      member.tell({ act: 'send', messages });
    }
  }

  // --- faults ---------------------------------------------------------------------------------------

  async #round(): Promise<void> {
    await this.#revive();
    for (const member of this.#members) {
      if (!member.child && --member.away <= 0) this.#startPeer(member);
      member.tell({ act: 'count' });
    }
    await this.#wait(this.#random.between(0, roundMs));
    await this.#disturb();
    await this.#wait(this.#random.between(0, roundMs));
  }

  async #disturb(): Promise<void> {
    const running = this.#members.filter(({ child }) => child);
    const fault = chooseFault(this.#random, this.#options.faults);
    if (fault === 'centerKilled') return this.#killCenter();
    if (fault === 'centerStopped') return this.#pause(this.#center.child, fault);
    if (fault === 'cut') this.#faults.cut += this.#proxy.cut(0.5);
    else if (fault === 'linksCut' && running.length > 0) this.#cutLinks(this.#random.pick(running));
    else if (fault === 'away' && running.length > 2) this.#sendAway(this.#random.pick(running));
    else if (fault === 'peerKilled' && running.length > 0) return this.#killPeer(this.#random.pick(running));
    else if (fault === 'peerStopped' && running.length > 0) {
      return this.#pause(this.#random.pick(running).child, fault);
    }
  }

  async #killCenter(): Promise<void> {
    this.#faults.centerKilled++;
    await this.#center.child?.kill();
    await this.#startCenter();
  }

  #killPeer(member: Member): Promise<void> {
    this.#faults.peerKilled++;
    return member.kill(this.#random.between(0, 2));
  }

  async #pause(child: Child | null, fault: Fault): Promise<void> {
    this.#faults[fault]++;
    child?.process.kill('SIGSTOP');
    await this.#wait(this.#random.between(10, roundMs));
    child?.process.kill('SIGCONT');
  }

  /** Half of the time they can be made again at once, else what is said meanwhile goes through the center. */
  #cutLinks(member: Member): void {
    this.#faults.linksCut++;
    member.tell({ act: 'cutLinks', forMs: this.#random.chance(0.5) ? 0 : noLinksMs });
  }

  #sendAway(member: Member): void {
    this.#faults.away++;
    member.sendAway(this.#random.between(1, 4));
  }

  // --- processes ------------------------------------------------------------------------------------

  async #startCenter(): Promise<void> {
    this.#proxy.targetPort = await this.#center.start(this.#signal);
  }

  /** What has crashed is counted, and there again: what it did to the messages is to be seen too. */
  async #revive(): Promise<void> {
    if (this.#center.child?.hasEnded) await this.#startCenter();
  }

  #startPeer(member: Member): void {
    const { plain = false } = this.#options;
    member.start({ port: this.#port, plain, listens: this.#random.chance(0.5) });
  }

  async #until(holds: () => boolean, timeoutMs: number, what: string): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > endMs) throw new Error(`waited too long for ${what}`);
      await this.#revive();
      for (const member of this.#members) {
        if (!member.child) this.#startPeer(member);
        member.tell({ act: 'count' });
      }
      await this.#wait(50);
    }
  }

  /** Everybody comes back, every outbox empties; what the mailboxes hold then comes before the goodbye. */
  async #drain(): Promise<void> {
    for (const member of this.#members) member.pending = -1;
    const settled = (): boolean => this.#members.every(({ online, pending }) => online && pending === 0);
    await this.#until(settled, drainMs, 'the outboxes to be empty');
    const endMs = performance.now() + drainMs;
    let { shown, lost } = this.#judge();
    for (let changedMs = performance.now(); shown < this.#sent && performance.now() < endMs; ) {
      if (performance.now() - changedMs > (lost > 0 ? quietMs.someIsMissing : quietMs.allIsThere)) return;
      await this.#revive();
      await this.#wait(lookMs);
      const now = this.#judge();
      if (now.shown !== shown) changedMs = performance.now();
      ({ shown, lost } = now);
    }
  }

  #judge(): Verdict {
    return judge(this.#members.map(({ name }) => readAccount(this.#options.dir, name)));
  }

  async #quit(): Promise<void> {
    for (const member of this.#members) await member.quit(this.#signal);
  }

  /** Resolves when nothing of it runs any more. */
  async end(): Promise<void> {
    this.#proxy.stop();
    await this.children.kill();
  }
}
