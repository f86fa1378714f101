// The program `peer`: arguments and environment in, a front end run, an exit code out.
import { fstatSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { CommanderError } from 'commander';
import { ParleyError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import type { PeerOptions } from './api.ts';
import { type Arguments, readArguments } from './arguments.ts';
import { CommandError } from './fields.ts';
import { exitCodes, type SignInOptions } from './front.ts';
import { runInteractive } from './interactive.ts';
import { fileWrite, Output, type Write } from './output.ts';
import { Peer } from './peer.ts';
import { runPipe } from './pipe.ts';
import { errorText } from './render.ts';
import { Terminal } from './terminal.ts';

/** A program that was told to end does so in this time, whatever happens. */
const maxStopMs = 5_000;
const maxPasswordFileBytes = 4_096;

const unreadable: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

const signals = [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const;

/** Runs and ends the process. */
export async function main(argv: readonly string[]): Promise<void> {
  process.on('uncaughtException', (error) => {
    process.stderr.write(`peer: ${faultText(error)}\n`);
    process.exit(exitCodes.crashed);
  });
  let args: Arguments | null;
  try {
    args = readArguments(argv, version, (text) => process.stdout.write(text));
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exit(error.exitCode === 0 ? exitCodes.done : exitCodes.signIn);
  }
  if (args === null) return;
  try {
    process.exit(await run(args));
  } catch (error) {
    const ours = error instanceof CommandError || error instanceof ParleyError;
    process.stderr.write(`peer: ${ours ? errorText(error) : faultText(error)}\n`);
    process.exit(ours ? exitCodes.signIn : exitCodes.crashed);
  }
}

async function run(args: Arguments): Promise<number> {
  const signIn = readSignIn(args);
  const peerOptions = readPeerOptions(args);
  const byHand = process.stdin.isTTY && process.stdout.isTTY && !args.json;
  const complete = signIn.user !== null && (signIn.resume || signIn.password !== null);
  if (!byHand && process.stdin.isTTY && !complete) {
    throw new CommandError(
      'A password must not be typed where it shows. Give --user with PARLEY_PASSWORD, --password-file or --resume.',
    );
  }
  const stop = new AbortController();
  let signalled: number | null = null;
  for (const [signal, number] of signals) {
    process.on(signal, () => {
      signalled ??= 128 + number;
      stop.abort();
      setTimeout(() => process.exit(signalled ?? exitCodes.crashed), maxStopMs).unref();
    });
  }
  const code = byHand
    ? await runOnTerminal(args, signIn, peerOptions, stop.signal)
    : await runInPipe(args, signIn, peerOptions, stop.signal);
  return signalled ?? code;
}

async function runOnTerminal(
  args: Arguments,
  signIn: SignInOptions,
  peerOptions: PeerOptions,
  stop: AbortSignal,
): Promise<number> {
  const dumb = !process.env.TERM || process.env.TERM === 'dumb';
  const color = args.color && !dumb && !process.env.NO_COLOR;
  const terminal = new Terminal({ input: process.stdin, output: process.stdout, color, dumb });
  const giveBack = () => terminal.close();
  process.on('exit', giveBack);
  process.prependListener('uncaughtException', giveBack);
  terminal.open();
  try {
    return await runInteractive({
      terminal,
      makePeer: () => new Peer({ ...peerOptions, arrival: (done) => terminal.whenPrinted(done) }),
      signIn,
      center: `${args.host}:${args.port}`,
      holds: args.hold,
      keepsOutbox: args.history,
      stop,
    });
  } finally {
    giveBack();
  }
}

async function runInPipe(
  args: Arguments,
  signIn: SignInOptions,
  peerOptions: PeerOptions,
  stop: AbortSignal,
): Promise<number> {
  // Whoever writes is told of it.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const toStream: Write = (text, done) => process.stdout.write(text, done);
  const { fd } = process.stdout;
  const output = new Output(fstatSync(fd).isFile() ? fileWrite(fd) : toStream);
  return await runPipe({
    peer: new Peer({ ...peerOptions, arrival: (done) => output.whenArrived(done) }),
    signIn,
    wait: args.wait,
    holds: args.hold,
    json: args.json,
    input: process.stdin,
    output,
    diagnose: (text) => process.stderr.write(text),
    stop,
  });
}

function readPeerOptions(args: Arguments): PeerOptions {
  const options: PeerOptions = {
    host: args.host,
    port: args.port,
    history: args.history,
    plain: args.plain,
    hold: args.hold,
    listen: { host: args.ownHost ?? ownHostFor(args.host), port: args.ownPort },
  };
  if (args.dataDir !== null) options.dataDir = args.dataDir;
  if (args.fingerprint !== null) options.fingerprint = args.fingerprint;
  if (args.caFile !== null) options.ca = readFile(args.caFile);
  return options;
}

/** With a center on this machine nobody else needs to reach us. */
function ownHostFor(centerHost: string): string {
  if (centerHost === '::1') return '::1';
  return centerHost === 'localhost' || /^127\./.test(centerHost) ? '127.0.0.1' : '0.0.0.0';
}

function readSignIn(args: Arguments): SignInOptions {
  const fromEnvironment = process.env.PARLEY_PASSWORD;
  // Programs started from here have no business with it.
  delete process.env.PARLEY_PASSWORD;
  const password = args.passwordFile !== null ? readPassword(args.passwordFile) : (fromEnvironment ?? null);
  return { user: args.user, password, register: args.register, invite: args.invite, resume: args.resume };
}

function readPassword(path: string): string {
  const text = readFile(path);
  if (text.length > maxPasswordFileBytes) throw new CommandError(`${path} is too long to be a password file.`);
  const password = text.split(/\r?\n/)[0] ?? '';
  if (password === '') throw new CommandError(`The first line of ${path} is empty; it should be the password.`);
  return password;
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(`${path} cannot be read: ${unreadable[why] ?? why}.`);
  }
}

function faultText(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `a fault of this program, please report it: ${stack}`;
}
