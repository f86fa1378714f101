// What can be seen of a host from outside: the packets at its interface, and the memory and files of a process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Host, Networks } from './networks.ts';

/** Packets are handed to a capture a moment after they have passed. */
const settleMs = 200;
const chunkBytes = 1 << 20;

export class Capture {
  readonly #child: ChildProcess;
  readonly #bytes: Buffer[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (bytes: Buffer) => this.#bytes.push(bytes));
  }

  /** Sees all that passes the interface of this host, or what fits a filter of pcap-filter(7). */
  static async of(networks: Networks, host: Host, filter: string): Promise<Capture> {
    const args = ['-i', 'eth0', '-n', '-U', '-w', '-', '--immediate-mode', ...filter.split(' ')];
    const [command = '', ...rest] = host.command('tcpdump', ...args);
    const child = networks.owns(spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] }));
    // It tells when it listens.
    await once(child.stderr, 'data');
    return new Capture(child);
  }

  /** The packets, as they were on the cable. */
  async end(): Promise<Buffer[]> {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    this.#child.kill('SIGINT');
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    return readPackets(Buffer.concat(this.#bytes));
  }
}

/** The format of pcap-savefile(5), of this machine's byte order. */
function readPackets(file: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    packets.push(file.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return packets;
}

/** True if the bytes are anywhere in what a process may write to in its memory. */
export function isInMemory(pid: number, wanted: Buffer): boolean {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const chunk = Buffer.alloc(chunkBytes + wanted.length);
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8')
      .split('\n')
      .some((line) => {
        const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
        if (!from || !to) return false;
        for (let at = Number(`0x${from}`); at < Number(`0x${to}`); at += chunkBytes) {
          const length = Math.min(chunk.length, Number(`0x${to}`) - at);
          if (chunk.subarray(0, readAt(memory, chunk, length, at)).includes(wanted)) return true;
        }
        return false;
      });
  } finally {
    closeSync(memory);
  }
}

/** 0 where nothing can be read: not all that is mapped is there. */
function readAt(memory: number, into: Buffer, length: number, at: number): number {
  try {
    return readSync(memory, into, 0, length, at);
  } catch {
    return 0;
  }
}

/** True if the bytes are in a file of this directory. */
export function isInFiles(directory: string, wanted: Buffer): boolean {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some(({ name }) => readFileSync(join(directory, name)).includes(wanted));
}
