// A real center in a directory of its own, and the peers that talk to it; both end with the test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import { Center, type CenterOptions, storeFile } from '../../center/center.ts';
import type { CenterLimits } from '../../center/limits.ts';
import { countContents } from '../../center/store/damage.ts';
import { letDaysPass } from './time.ts';
import { WirePeer } from './wire.ts';

export interface TestCenterOptions extends Partial<Omit<CenterOptions, 'limits'>> {
  limits?: Partial<CenterLimits>;
}

/** Limits that are not what most tests are about. */
const unlimited: Partial<CenterLimits> = { maxRegistrationsPerHour: 0, messagesPerSecond: 0 };

/** A loopback center without TLS, unless told otherwise. */
export class TestCenter {
  readonly dataDir: string;
  readonly options: TestCenterOptions;
  readonly peers: WirePeer[] = [];
  center!: Center;

  private constructor(options: TestCenterOptions) {
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'parley-center-'));
    this.options = options;
  }

  static async start(options: TestCenterOptions = {}): Promise<TestCenter> {
    const started = new TestCenter(options);
    await started.open();
    return started;
  }

  async open(changed: TestCenterOptions = {}): Promise<void> {
    const { limits, ...options } = { ...this.options, ...changed };
    this.center = await Center.start({
      host: '127.0.0.1',
      port: 0,
      plain: true,
      bcryptCost: 4,
      ...options,
      dataDir: this.dataDir,
      limits: { ...unlimited, ...this.options.limits, ...limits },
    });
  }

  /** Stops and starts it again; the peers of before are disconnected. */
  async restart(changed: TestCenterOptions = {}, { daysLater = 0 } = {}): Promise<void> {
    await this.center.stop();
    for (const peer of this.peers.splice(0)) peer.destroy();
    if (daysLater > 0) await letDaysPass(this.dataDir, daysLater);
    await this.open(changed);
  }

  /** A new connection that has said nothing. */
  async connect(): Promise<WirePeer> {
    const peer = await WirePeer.connect(this.center, { plain: this.options.plain ?? true });
    this.peers.push(peer);
    return peer;
  }

  async register(name: string): Promise<WirePeer> {
    return (await this.connect()).register(name);
  }

  /** Registered and attached. */
  async join(name: string, options: Parameters<WirePeer['attach']>[0] = {}): Promise<WirePeer> {
    const peer = await this.register(name);
    await peer.attach(options);
    return peer;
  }

  async login(name: string, password?: string): Promise<WirePeer> {
    return (await this.connect()).login(name, password);
  }

  async resume(before: WirePeer): Promise<WirePeer> {
    return (await this.connect()).resume(before);
  }

  /** Runs one query on the center's database, as somebody else would who opened it. */
  query(sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
    const db = new DatabaseSync(join(this.dataDir, storeFile), { readOnly: true });
    try {
      return db.prepare(sql).all(...values) as Record<string, unknown>[];
    } finally {
      db.close();
    }
  }

  /** How many messages wait in its database. */
  waiting(): number {
    const db = new DatabaseSync(join(this.dataDir, storeFile), { readOnly: true });
    try {
      return countContents(db).messages;
    } finally {
      db.close();
    }
  }

  async stop(): Promise<void> {
    for (const peer of this.peers.splice(0)) peer.destroy();
    // Where nobody is left to be told, a center stops at once.
    for (let tries = 0; tries < 100 && this.center.counts.connections > 0; tries++) await wait(1);
    await this.center.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
