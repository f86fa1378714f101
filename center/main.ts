// The center's program, where it meets its process: arguments, streams, signals and the exit code.
import process from 'node:process';
import v8 from 'node:v8';
import { runProgram } from './program.ts';

const stderrDescriptor = 2;
const endedAtOnce = 130;
const failed = 1;
/** The first major version of Node whose V8 has the flags below. */
const markLessSince = 26;

/** Runs the command line of this process and ends it. */
export async function main(): Promise<void> {
  markLess();
  // What nobody foresaw leaves the center in a state that nobody knows: it ends, and starts anew from what is on disk.
  process.on('unhandledRejection', (reason) => die('unhandledRejection', reason));
  process.on('uncaughtException', (error) => die('uncaughtException', error));
  let runs: 'a command' | 'the center' = 'a command';
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // A center goes on without a reader, and without room for what it says.
      if (runs === 'the center') return;
      // Whoever read a command's output has what they wanted (`center user list | head`).
      if (error.code === 'EPIPE') process.exit(0);
      process.stderr.write(`The output cannot be written: ${error.code ?? error.message}.\n`);
      process.exit(failed);
    });
  }
  const exitCode = await runProgram(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    log: stderrDescriptor,
    env: process.env,
    userId: process.getuid?.() ?? null,
    stopAsked: () => {
      runs = 'the center';
      return stopAsked();
    },
  });
  // A pipe takes what its reader has room for, and exiting throws the rest away.
  await Promise.all([process.stdout, process.stderr].map(drained));
  process.exit(exitCode);
}

/**
 * Node tells V8 that a TLS connection holds 48 KiB outside of its heap, and V8 marks the whole heap after every 64 MiB more
 * of such: each time more, while thousands come. So: when it has doubled, as for the heap itself (docs/performance.md).
 */
function markLess(): void {
  if (Number.parseInt(process.versions.node, 10) < markLessSince) return;
  v8.setFlagsFromString('--external-memory-accounted-in-global-limit');
  v8.setFlagsFromString('--external-memory-max-growing-factor=2');
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
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

function die(what: string, reason: unknown): never {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const line = { level: 'fatal', time: new Date().toISOString(), what, stack: error.stack, msg: error.message };
  process.stderr.write(`${JSON.stringify(line)}\n`);
  process.exit(failed);
}
