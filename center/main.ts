// The center's program, where it meets its process: arguments, streams, signals and the exit code.
import process from 'node:process';
import type { ProgramIo } from './io.ts';
import { runProgram } from './program.ts';

const stderrDescriptor = 2;
const endedAtOnce = 130;
const failed = 1;

/** Runs the command line of this process and ends it. */
export async function main(): Promise<void> {
  // What nobody foresaw leaves the center in a state that nobody knows: it ends, and starts anew from what is on disk.
  process.on('unhandledRejection', (reason) => die('unhandledRejection', reason));
  process.on('uncaughtException', (error) => die('uncaughtException', error));
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onOutputError);
  process.exit(await runProgram(process.argv.slice(2), processIo()));
}

function processIo(): ProgramIo {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    logDescriptor: stderrDescriptor,
    env: process.env,
    pid: process.pid,
    userId: process.getuid?.() ?? null,
    stopAsked,
  };
}

function stopAsked(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let asked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (asked) process.exit(endedAtOnce);
    asked = true;
    resolve(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return promise;
}

/** Whoever read our output has left (`center user list | head`): no reason to complain, and none to stop a center. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') die('output', error);
}

function die(what: string, reason: unknown): never {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const line = { level: 'fatal', time: new Date().toISOString(), what, stack: error.stack, msg: error.message };
  process.stderr.write(`${JSON.stringify(line)}\n`);
  process.exit(failed);
}
