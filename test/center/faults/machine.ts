// A center's program on a machine with faults, and what peers made of frames say to it.
import { readFileSync } from 'node:fs';
import { program, Running } from '../../helpers/programs.ts';
import { WirePeer } from '../../helpers/wire.ts';

export interface MachineCenter {
  running: Running;
  port: number;
}

/** Starts the program on this directory; without TLS, which is not what fails here. */
export async function startCenter(
  dataDir: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<MachineCenter> {
  const own = ['127.0.0.1', '0', '--plain', '--data', dataDir, '--bcrypt-cost', '4', '--log-level', 'error'];
  const limits = ['--messages-per-second', '0', '--max-registrations-per-hour', '1000'];
  const running = new Running([...program('center'), ...own, ...limits, ...args], env);
  const text = await running.sees(/listens on \S+:(\d+)\n/);
  return { running, port: Number(/listens on \S+:(\d+)\n/.exec(text)?.[1]) };
}

/** Runs an operator's command to its end. */
export async function command(...args: string[]): Promise<{ code: number | string | null; output: string }> {
  const running = new Running([...program('center'), ...args]);
  running.child.stdin?.end();
  const code = await running.ended();
  return { code, output: running.stdout + running.stderr };
}

export function connect(center: MachineCenter): Promise<WirePeer> {
  return WirePeer.connect({ port: center.port }, { plain: true });
}

/** Sends from this number on until one is refused; gives the highest that was accepted, and how the next was refused. */
export async function sendUntilRefused(
  peer: WirePeer,
  to: number,
  first: number,
  bodyBytes: number,
): Promise<{ accepted: number; code: string }> {
  let accepted = first - 1;
  // Answers to what was sent before.
  await peer.fence();
  peer.received.length = 0;
  for (let number = first; ; number += 20) {
    for (let more = 0; more < 20; more++) peer.message(to, number + more, bodyOf(number + more, bodyBytes));
    const answer = await peer.take(
      (frame) => (frame.accepted?.to === to && frame.accepted.number === number + 19 ? true : frame.refused?.to === to),
      'an answer',
    );
    for (const { accepted: told } of [...peer.received, answer]) {
      if (told?.to === to) accepted = Math.max(accepted, Number(told.number));
    }
    if (answer.refused) return { accepted, code: String(answer.refused.error?.code) };
    peer.received.length = 0;
  }
}

export function bodyOf(number: number, bytes: number): string {
  return `${number} `.padEnd(bytes, 'x');
}

/** Reads this many messages, acknowledged; gives the numbers that they begin with. */
export async function readNumbers(peer: WirePeer, count: number): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.length < count) {
    const text = await peer.reads();
    numbers.push(Number.parseInt(text.slice(text.indexOf(': ') + 2), 10));
  }
  return numbers;
}

/** What a process has in memory, in bytes (Linux). */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
