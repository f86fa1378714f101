// The real center on a machine of a test's own networks.
import type { Host, Networks } from './networks.ts';
import { program, Running } from './programs.ts';

export class RemoteCenter {
  readonly host: Host;
  readonly dataDir: string;
  readonly port = 6066;
  readonly #networks: Networks;
  #running: Running | null = null;

  private constructor(networks: Networks, host: Host, dataDir: string) {
    this.#networks = networks;
    this.host = host;
    this.dataDir = dataDir;
  }

  static async start(networks: Networks, host: Host, dataDir: string): Promise<RemoteCenter> {
    const center = new RemoteCenter(networks, host, dataDir);
    await center.up();
    return center;
  }

  /** On all addresses of its host, for anybody to register at. */
  async up(): Promise<void> {
    const options = ['--registration', 'open', '--data', this.dataDir, '--bcrypt-cost', '4', '--log-level', 'error'];
    // What a person tries again after a minute, a test tries at once.
    options.push('--probe-interval-ms', '500ms');
    const command = this.host.command(...program('center'), '::', String(this.port), ...options);
    this.#running = new Running(command);
    this.#networks.owns(this.#running.child);
    await this.#running.sees(/listens on/);
  }

  get pid(): number {
    return this.#running?.child.pid ?? 0;
  }

  async kill(): Promise<void> {
    await this.#running?.kill();
  }
}
