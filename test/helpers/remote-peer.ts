// A peer on a machine of a test's own networks, spoken to as if it were here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { PeerApi, PeerOptions } from '../../peer/api.ts';
import type { LinkInfo, PeerEvent } from '../../peer/events.ts';
import { ParleyError } from '../../shared/errors.ts';
import type { Host, Networks } from './networks.ts';

const program = new URL('remote-peer-process.ts', import.meta.url).pathname;
/** Only what never comes takes so long: a machine may be slow, and busy with other tests. */
const waitMs = 60_000;
const lookEveryMs = 100;

type EventOf<Type extends PeerEvent['type']> = Extract<PeerEvent, { type: Type }>;
type Methods = { [Name in keyof PeerApi]: PeerApi[Name] extends (...args: never[]) => unknown ? Name : never };
type Method = Methods[keyof Methods];
type Args<Name extends Method> = PeerApi[Name] extends (...args: infer Given) => unknown ? Given : never;
type Result<Name extends Method> = PeerApi[Name] extends (...args: never[]) => infer Given ? Awaited<Given> : never;

interface Line {
  id?: number;
  result?: unknown;
  error?: { code: ParleyError['code']; message: string };
  event?: PeerEvent;
}

export class RemotePeer {
  readonly name: string;
  /** All that came and was not taken by sees(). */
  readonly heard: PeerEvent[] = [];
  readonly #child;
  readonly #calls = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #looks = new Set<() => void>();
  #lastId = 0;

  constructor(networks: Networks, host: Host, name: string, options: PeerOptions) {
    this.name = name;
    const [command = '', ...args] = host.command(process.execPath, program, JSON.stringify(options));
    this.#child = networks.owns(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(JSON.parse(line)));
    this.#child.once('close', () => {
      for (const { reject } of this.#calls.values()) reject(new Error(`the process of ${name} has ended`));
    });
  }

  #take({ id, result, error, event }: Line): void {
    if (event) {
      this.heard.push(event);
      for (const look of this.#looks) look();
    }
    if (id === undefined) return;
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(new ParleyError(error.code, error.message));
    else call?.resolve(result);
  }

  call<Name extends Method>(method: Name, ...args: Args<Name>): Promise<Result<Name>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, method, args })}\n`);
    });
  }

  /** Takes the first event of this type that fits, waiting for it; those before it stay. */
  sees<Type extends PeerEvent['type']>(
    type: Type,
    fits: (event: EventOf<Type>) => boolean = () => true,
  ): Promise<EventOf<Type>> {
    const { promise, resolve, reject } = Promise.withResolvers<EventOf<Type>>();
    const look = (): void => {
      const at = this.heard.findIndex((event) => event.type === type && fits(event as EventOf<Type>));
      if (at >= 0) resolve(this.heard.splice(at, 1)[0] as EventOf<Type>);
    };
    const timer = setTimeout(() => {
      const heard = this.heard.filter((event) => event.type !== 'stored').slice(-20);
      reject(new Error(`${this.name} did not see ${type}; heard ${JSON.stringify(heard)}`));
    }, waitMs);
    this.#looks.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#looks.delete(look);
    });
  }

  /** Resolves when it has a link of which that is true. */
  async isLinked(is: (link: LinkInfo) => boolean): Promise<void> {
    const untilMs = performance.now() + waitMs;
    while (!(await this.call('links')).some(is)) {
      if (performance.now() > untilMs) throw new Error(`${this.name} was not linked so`);
      await pause(lookEveryMs);
    }
  }

  /** The texts of the messages that came and were not taken. */
  get texts(): string[] {
    return this.heard.flatMap((event) => (event.type === 'message' ? [event.message.text] : []));
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }
}
