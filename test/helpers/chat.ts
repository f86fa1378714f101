// A center and peers of it as processes, for one test; and tests that wait side by side.
import { expect } from 'chai';
import { program, Running, RunningCenter, temporaryDirectory } from './programs.ts';

export const password = 'summerisover';

export interface LogIn {
  /** Where this peer keeps its data: a directory of its own unless given. */
  data?: string;
  args?: readonly string[];
  /** Of the center, or of what stands before it. */
  port?: number;
}

export class Chat {
  readonly center: RunningCenter;
  readonly #directories: { remove: () => void }[] = [];
  readonly #peers: Running[] = [];

  private constructor(center: RunningCenter) {
    this.center = center;
  }

  /** A center with these accounts; the password of all is summerisover. */
  static async open(names: readonly string[], centerArgs: readonly string[] = []): Promise<Chat> {
    const chat = new Chat(await RunningCenter.start(centerArgs));
    try {
      await chat.center.importUsers(names.map((name) => `${name} ${password}\n`).join(''));
    } catch (error) {
      await chat.close();
      throw error;
    }
    return chat;
  }

  directory(): string {
    const directory = temporaryDirectory();
    this.#directories.push(directory);
    return directory.path;
  }

  /** Starts a peer in a pipe whose input stays open. */
  peer(options: LogIn = {}): Running {
    const { data = this.directory(), args = [], port = this.center.port } = options;
    const peer = new Running([...program('peer'), 'localhost', String(port), '--data', data, ...args]);
    this.#peers.push(peer);
    return peer;
  }

  /** The same, logged in by name and password. */
  async logIn(name: string, options: LogIn = {}): Promise<Running> {
    const peer = this.peer(options);
    peer.write(`${name}\n${password}\n`);
    await peer.sees(`Welcome, ${name}!\n`);
    return peer;
  }

  /** Ends what still runs, and removes all data. */
  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.kill()));
    await this.center.stop();
    for (const directory of this.#directories) directory.remove();
  }
}

/** How often a text stands in another. */
export function times(text: string, wanted: string): number {
  return text.split(wanted).length - 1;
}

/** The lines of what a program has printed that begin with or contain this, in their order. */
export function lines(running: Running, part: string): string[] {
  return running.stdout.split('\n').filter((line) => line.includes(part));
}

export function expectOnce(running: Running, text: string): void {
  expect(times(running.stdout, text), `${text} in:\n${running.stdout}`).to.equal(1);
}

/** Tests that mostly wait: all start together, each is reported by itself. */
export function sideBySide(tests: Readonly<Record<string, () => Promise<void>>>): void {
  const running = new Map<string, Promise<void>>();
  before(() => {
    for (const [title, run] of Object.entries(tests)) {
      const ending = run();
      // Reported by its test, which may come much later.
      ending.catch(() => undefined);
      running.set(title, ending);
    }
  });
  for (const title of Object.keys(tests)) it(title, () => running.get(title));
  // When one has failed, the others must not outlive the file.
  after(() => Promise.allSettled(running.values()).then(() => undefined));
}
