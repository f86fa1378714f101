// The program's main act: runs a center until it is told to stop, and says in words what kept it from starting.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { safeLine } from '../shared/text.ts';
import { version } from '../shared/version.ts';
import { AdminError } from './acts.ts';
import { runAdmin } from './admin.ts';
import { Center, type CenterOptions } from './center.ts';
import { type ControlServer, serveControl } from './control.ts';
import type { ProgramIo } from './io.ts';
import type { CenterLimits } from './limits.ts';
import { type LogLevel, type OpenLog, openLog } from './log.ts';
import type { RegistrationMode } from './registration.ts';

/** A center that has not stopped by then is ended. */
const stopTimeoutMs = 30_000;

export interface ServeOptions {
  host: string;
  port: number;
  dataDir: string;
  plain: boolean;
  registration?: RegistrationMode;
  certFile?: string;
  keyFile?: string;
  maxStoreBytes?: number;
  expireMailAfterMs?: number;
  bcryptCost?: number;
  logLevel: LogLevel;
  limits: Partial<CenterLimits>;
}

/** Resolves with the exit code: 0 after a signal, 1 where it could not start or go on. */
export async function serve(options: ServeOptions, io: ProgramIo): Promise<number> {
  // Before anything is opened: a signal during the start is answered when it is done.
  const stopAsked = io.stopAsked();
  const log = openLog({
    level: options.logLevel,
    pretty: io.stderr.isTTY ?? false,
    color: Boolean(io.stderr.isTTY) && !io.env.NO_COLOR,
    destination: io.log,
  });
  try {
    return await run(options, log, stopAsked, io);
  } finally {
    await log.flush();
  }
}

async function run(
  options: ServeOptions,
  log: OpenLog,
  stopAsked: Promise<NodeJS.Signals>,
  io: ProgramIo,
): Promise<number> {
  let center: Center;
  let control: ControlServer;
  try {
    center = await Center.start(centerOptions(options, log));
  } catch (error) {
    io.stderr.write(`${explain(error, options)}\n`);
    return 1;
  }
  try {
    const services = center.adminServices();
    control = await serveControl({ dataDir: options.dataDir, admin: (act) => runAdmin(act, services), log });
  } catch (error) {
    await center.stop();
    io.stderr.write(`${explain(error, options)}\n`);
    return 1;
  }
  io.stdout.write(announcement(center, options));
  const { host, port, fingerprint, dataDir, fsyncMs } = center;
  // On a terminal the lines above have just told it.
  log.info(io.stdout.isTTY ? {} : { host, port, fingerprint, dataDir, fsyncMs, version }, 'started');
  const end = await Promise.race([stopAsked, center.failed]);
  if (end instanceof Error) {
    // What is on the disk is not known any more: starting anew reads it again, going on would be guessing.
    log.error({ err: end }, 'the store has failed; the center ends');
    io.stderr.write(
      `The center cannot go on: ${safeLine(end.message)}\nNothing accepted before is lost. Start it again.\n`,
    );
    await within(stopTimeoutMs, stop(center, control));
    return 1;
  }
  log.info({ signal: end }, 'stopping');
  if (end === 'SIGINT' && io.stderr.isTTY) io.stderr.write('Stopping; Ctrl-C again ends it at once.\n');
  if ((await within(stopTimeoutMs, stop(center, control))) === 'late') {
    log.error({ stopTimeoutMs }, 'could not stop in time');
    return 1;
  }
  log.info({}, 'stopped');
  return 0;
}

async function stop(center: Center, control: ControlServer): Promise<void> {
  // An act of the operator is finished, or told that the center stops, before what it works on is closed.
  await control.close();
  await center.stop();
}

async function within(timeoutMs: number, work: Promise<void>): Promise<'done' | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => 'done' as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

function centerOptions(options: ServeOptions, log: OpenLog): CenterOptions {
  const { host, port, dataDir, plain, registration, maxStoreBytes, expireMailAfterMs, bcryptCost, limits } = options;
  const cert = readCertificate(options, log);
  return {
    host,
    port,
    dataDir,
    log,
    limits,
    ...(plain ? { plain } : {}),
    ...(registration === undefined ? {} : { registration }),
    ...(cert === undefined ? {} : { cert }),
    ...(maxStoreBytes === undefined ? {} : { maxStoreBytes }),
    ...(expireMailAfterMs === undefined ? {} : { expireMailAfterMs }),
    ...(bcryptCost === undefined ? {} : { bcryptCost }),
  };
}

function readCertificate({ certFile, keyFile }: ServeOptions, log: OpenLog): { cert: string; key: string } | undefined {
  if (certFile === undefined || keyFile === undefined) return undefined;
  const cert = readText(certFile, 'certificate');
  const key = readText(keyFile, 'key');
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(cert);
  } catch {
    throw new AdminError(`${certFile} is not a certificate in PEM form.`);
  }
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(key))) throw new AdminError('');
  } catch {
    throw new AdminError(`${keyFile} is not the key of the certificate in ${certFile} (PEM, without a passphrase).`);
  }
  if (parsed.validToDate.getTime() < Date.now()) {
    log.warn({ certFile, validTo: parsed.validTo }, 'the certificate has expired: peers that check it will refuse it');
  }
  return { cert, key };
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new AdminError(`The ${what} cannot be read from ${file}: ${(error as NodeJS.ErrnoException).code}.`);
  }
}

function announcement(center: Center, options: ServeOptions): string {
  const shown = isIPv6(center.host) ? `[${center.host}]` : center.host;
  const lines = [
    `Parley center ${version} listens on ${shown}:${center.port}`,
    `  fingerprint  ${center.fingerprint}`,
    `  data         ${center.dataDir}`,
    `  fsync        ${center.fsyncMs.toFixed(2)} ms`,
  ];
  if (options.plain) {
    lines.push('  plain        no encryption: for programs on this machine only');
    lines.push(
      '               all look like loopback: the limits for each address are off, and so is the need for an invite',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** What went wrong at the start, and what to do about it. */
function explain(error: unknown, { host, port, dataDir }: ServeOptions): string {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const where = `${host}:${port}`;
  switch (syscall === 'listen' || syscall === 'bind' || syscall === 'getaddrinfo' ? code : undefined) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is in use by another program.\n${findHolder(port)}\nStop that one, or choose another port (0: any free one).`;
    case 'EACCES':
    case 'EPERM':
      return `No permission to listen on ${where}. Ports below 1024 are the administrator's: choose one from 1024 up.`;
    case 'EADDRNOTAVAIL':
      return `${host} is not an address of this machine. Use localhost, or 0.0.0.0 for all its IPv4 addresses (:: for all).`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `No address is known for the name ${host}. Check its spelling, or give an IP address.`;
    case undefined:
      return `The center cannot start: ${message}`;
    default:
      return `Cannot listen on ${where}: ${message}\nData: ${dataDir}`;
  }
}

function findHolder(port: number): string {
  return `To see which: ss -ltnp 'sport = :${port}' (Linux) or lsof -nP -iTCP:${port} -sTCP:LISTEN (macOS).`;
}
