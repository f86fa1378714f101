// Networks of one's own: namespaces of the kernel (ip-netns) joined by virtual cables, with routers, NATs and firewalls
// between them. Their addresses exist nowhere else, and nothing outside can be reached from them. Linux and root only.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const prefix = 'parley';
const tools = ['ip', 'nft', 'tcpdump'];
const commandTimeoutMs = 10_000;

/** What is missing for networks on this machine, in words; null if nothing is. */
export function missingForNetworks(): string | null {
  if (process.platform !== 'linux') return 'Linux';
  if (process.getuid?.() !== 0) return 'root';
  const missing = tools.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined);
  if (missing.length > 0) return missing.join(', ');
  const probe = `${prefix}-${process.pid}-probe`;
  if (spawnSync('ip', ['netns', 'add', probe], { stdio: 'ignore' }).status !== 0) return 'the right to make namespaces';
  spawnSync('ip', ['netns', 'del', probe], { stdio: 'ignore' });
  return null;
}

/** How a router treats what passes it. All drop silently what was not asked for from inside, as home routers do. */
export type RouterKind =
  /** Routes, and lets in only answers. */
  | 'firewall'
  /** One address outside; a port inside is the same port outside. */
  | 'NAT that keeps ports'
  /** One address outside; a port of its own for each destination. */
  | 'symmetric NAT';

function run(command: string, args: readonly string[], input?: string): void {
  const { status, stderr, error } = spawnSync(command, args, { input, timeout: commandTimeoutMs, encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** Commands of ip(8), a line each, in a namespace. */
function ip(namespace: string, ...lines: string[]): void {
  run('ip', ['-n', namespace, '-batch', '-'], lines.join('\n'));
}

function removeNamespace(namespace: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8', timeout: commandTimeoutMs });
  for (const pid of (stdout ?? '').split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
  spawnSync('ip', ['netns', 'del', namespace], { timeout: commandTimeoutMs });
}

/** What earlier runs left behind that could not clean up: those whose process is gone. */
function removeLeftovers(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8', timeout: commandTimeoutMs });
  for (const line of (stdout ?? '').split('\n')) {
    const [namespace = ''] = line.split(' ', 1);
    const pid = /^parley-(\d+)-/.exec(namespace)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) removeNamespace(namespace);
  }
}

export interface HostOptions {
  /** Default: IPv4. */
  families?: readonly (4 | 6)[];
}

/** One network of a router: the addresses in it begin with this. */
interface Segment {
  router: string;
  /** `10.77.3`, `fd77:0:0:3` */
  four: string;
  six: string;
  /** How many are plugged in. */
  hosts: number;
  /** As what all of them are seen from elsewhere; null: each as itself. */
  outside: string | null;
}

/** A machine with one interface, eth0. */
export class Host {
  readonly #namespace: string;
  readonly #segment: Segment;
  readonly #port: string;
  readonly #families: readonly (4 | 6)[];
  #last: number;

  constructor(namespace: string, segment: Segment, port: string, last: number, families: readonly (4 | 6)[]) {
    this.#namespace = namespace;
    this.#segment = segment;
    this.#port = port;
    this.#last = last;
    this.#families = families;
    this.#settle();
  }

  /** Its IPv4 address, or the IPv6 one where it has no other. */
  get address(): string {
    return this.#families.includes(4) ? `${this.#segment.four}.${this.#last}` : this.address6;
  }

  /** The address as which others see it. */
  get outside(): string {
    return this.#segment.outside ?? this.address;
  }

  get address6(): string {
    return `${this.#segment.six}::${this.#last}`;
  }

  /** A command line that runs the given one on this machine. */
  command(...words: string[]): string[] {
    return ['ip', 'netns', 'exec', this.#namespace, ...words];
  }

  /** Pulls the cable, at the router's end. */
  cut(): void {
    ip(this.#segment.router, `link set ${this.#port} down`);
  }

  /** Plugs it in again. */
  mend(): void {
    ip(this.#segment.router, `link set ${this.#port} up`);
  }

  /** Takes another address of the same network; the one before is gone at once. */
  move(): void {
    this.#last += 100;
    ip(this.#namespace, 'addr flush dev eth0 scope global');
    this.#settle();
  }

  #settle(): void {
    const { four, six } = this.#segment;
    const lines: string[] = [];
    if (this.#families.includes(4)) {
      lines.push(`addr add ${four}.${this.#last}/24 dev eth0`, `route replace default via ${four}.1`);
    }
    if (this.#families.includes(6)) {
      lines.push(`addr add ${six}::${this.#last}/64 dev eth0 nodad`, `route replace default via ${six}::1`);
    }
    ip(this.#namespace, ...lines);
  }
}

/** A router of a household or an office: hosts behind it reach the others through it. */
export class Home {
  readonly #networks: Networks;
  readonly #segment: Segment;

  constructor(networks: Networks, segment: Segment) {
    this.#networks = networks;
    this.#segment = segment;
  }

  /** Lets in whatever comes, as far as there is no NAT in the way. */
  open(): void {
    run('ip', ['netns', 'exec', this.#segment.router, 'nft', 'delete table inet filter']);
  }

  host(name: string): Host {
    return this.#networks.plug(name, this.#segment, [4]);
  }
}

export class Networks {
  /** In the order in which they were made. */
  readonly #namespaces: string[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #internet: string;
  #segments = 0;
  readonly #clean = (): void => this.#removeAll();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#removeAll();
    // Whoever else listens decides; where nobody does, the process ends as it would have.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };

  constructor() {
    removeLeftovers();
    process.once('exit', this.#clean);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, this.#onSignal);
    this.#internet = this.#router('internet');
  }

  #namespace(name: string): string {
    const namespace = `${prefix}-${process.pid}-${name.replaceAll(' ', '-')}`;
    run('ip', ['netns', 'add', namespace]);
    this.#namespaces.push(namespace);
    ip(namespace, 'link set lo up');
    return namespace;
  }

  #router(name: string): string {
    const router = this.#namespace(name);
    const forwarding = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', 'ipv6/conf/all/keep_addr_on_down'];
    const script = forwarding.map((key) => `echo 1 > /proc/sys/net/${key}`).join('; ');
    run('ip', ['netns', 'exec', router, 'sh', '-c', script]);
    return router;
  }

  /** A cable from eth0 of the one to this router, at a port of its own. */
  plug(name: string, segment: Segment, families: readonly (4 | 6)[]): Host {
    const namespace = this.#namespace(name);
    const count = ++segment.hosts;
    const port = `p${segment.four.split('.')[2]}-${count}`;
    ip(segment.router, `link add name ${port} type veth peer name eth0 netns ${namespace}`);
    ip(segment.router, `link set ${port} master ${bridgeOf(segment)} up`);
    ip(namespace, 'link set eth0 up');
    return new Host(namespace, segment, port, count + 1, families);
  }

  /** A network of this router, of which it has the first address. */
  #segment(router: string, four: string, six: string, outside: string | null = null): Segment {
    const segment = { router, four, six, hosts: 0, outside };
    const bridge = bridgeOf(segment);
    ip(
      router,
      `link add name ${bridge} type bridge`,
      `link set ${bridge} up`,
      `addr add ${four}.1/24 dev ${bridge}`,
      `addr add ${six}::1/64 dev ${bridge} nodad`,
    );
    return segment;
  }

  #nextSegment(): Segment {
    const n = ++this.#segments;
    return this.#segment(this.#internet, `10.77.${n}`, `fd77:0:0:${n}`);
  }

  /** A machine whose address everybody can reach. */
  host(name: string, { families = [4] }: HostOptions = {}): Host {
    return this.plug(name, this.#nextSegment(), families);
  }

  home(name: string, kind: RouterKind): Home {
    const outer = this.#nextSegment();
    const router = this.#router(name);
    ip(
      this.#internet,
      `link add name up${this.#segments} type veth peer name up netns ${router}`,
      `link set up${this.#segments} master ${bridgeOf(outer)} up`,
    );
    const address = `${outer.four}.2`;
    ip(router, 'link set dev up up', `addr add ${address}/24 dev up`, `route add default via ${outer.four}.1`);
    // Behind a NAT everybody has the same addresses.
    const isNat = kind !== 'firewall';
    const four = isNat ? '192.168.1' : `10.78.${this.#segments}`;
    const inner = this.#segment(router, four, `fd78:0:0:${this.#segments}`, isNat ? address : null);
    if (!isNat) ip(this.#internet, `route add ${four}.0/24 via ${address}`);
    const ports = kind === 'symmetric NAT' ? 'random,fully-random' : '';
    run('ip', ['netns', 'exec', router, 'nft', '-f', '-'], rules(isNat, ports));
    return new Home(this, inner);
  }

  /** Ends with the networks, if not before. */
  owns<Child extends ChildProcess>(child: Child): Child {
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  /** Removes everything; processes still running in it are killed. */
  close(): void {
    this.#removeAll();
    process.off('exit', this.#clean);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#onSignal);
  }

  #removeAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const namespace of this.#namespaces.splice(0).reverse()) removeNamespace(namespace);
  }
}

function bridgeOf({ four }: Segment): string {
  return `br${four.split('.').slice(1).join('-')}`;
}

function rules(isNat: boolean, ports: string): string {
  const nat = `table ip nat {
    chain out {
      type nat hook postrouting priority 100
      oifname "up" masquerade ${ports}
    }
  }
`;
  return `${isNat ? nat : ''}table inet filter {
    chain in {
      type filter hook input priority 0; policy drop
      ct state established,related accept
      iifname != "up" accept
    }
    chain through {
      type filter hook forward priority 0; policy drop
      ct state established,related accept
      iifname != "up" accept
    }
  }
`;
}
