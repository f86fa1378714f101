// The control socket: an operator's commands reach the running center over it, as lines of JSON.
//
//   → {"id":1,"act":{"act":"ban","name":"seas",…}}
//   ← {"id":1,"result":{…}}   or   {"id":1,"error":"text for the operator"}
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type ActName, type Admin, type AdminAct, AdminError, type AdminResults, CenterLost, readAct } from './acts.ts';
import { readLines } from './lines.ts';
import type { Logger } from './log.ts';

/** A page of accounts is the longest line. */
const maxLineBytes = 1_048_576;
const maxConnections = 8;
/** Acts of one connection in progress; above it, no more is read from it. */
const maxActsAtOnce = 8;
/** What a stopping center gives its operator's acts to end. */
const closeTimeoutMs = 5_000;
/** The longest act, throwing away a full mailbox, takes seconds; a center that stands still is not waited for. */
const answerTimeoutMs = 60_000;
/** sun_path holds 104 bytes on some systems, 108 on others. */
const maxPathBytes = 100;

/**
 * Where the socket of a data directory (which exists) is: in a directory that only its owner can enter, which is
 * under the system's temporary one where the path would be too long for a socket.
 */
export function controlPath(dataDir: string): { directory: string; socket: string } {
  const directory = join(realpathSync(dataDir), 'control');
  const socket = join(directory, 'socket');
  if (Buffer.byteLength(socket) <= maxPathBytes) return { directory, socket };
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  const short = join(tmpdir(), `parley-center-${name}`);
  return { directory: short, socket: join(short, 'socket') };
}

export interface ControlServer {
  readonly socket: string;
  /** Takes no more acts; resolves when those in progress have ended, or after a few seconds. */
  close(): Promise<void>;
}

/** Opens the socket for whoever holds the data directory's lock. Rejects where it cannot be made safely. */
export async function serveControl(options: { dataDir: string; admin: Admin; log: Logger }): Promise<ControlServer> {
  const { directory, socket } = controlPath(options.dataDir);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  checkPrivate(directory, options.dataDir);
  // The lock is ours, so what is there is left from a center that was killed.
  rmSync(socket, { force: true });
  const connections = new Set<Connection>();
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    const connection: Connection = { stream, running: new Set(), stopping: false };
    connections.add(connection);
    void answer(connection, options).finally(() => connections.delete(connection));
  });
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  server.on('error', (err) => options.log.error({ err }, 'the control socket failed'));
  chmodSync(socket, 0o600);
  return {
    socket,
    close: async () => {
      server.close();
      for (const connection of connections) connection.stopping = true;
      const stopWaiting = new AbortController();
      const late = wait(closeTimeoutMs, undefined, { signal: stopWaiting.signal }).catch(() => {});
      await Promise.race([late, Promise.all([...connections].flatMap(({ running }) => [...running]))]);
      stopWaiting.abort();
      for (const { stream } of connections) stream.destroySoon();
      rmSync(socket, { force: true });
    },
  };
}

interface Connection {
  readonly stream: Socket;
  /** Acts in progress; none of them rejects. */
  readonly running: Set<Promise<void>>;
  stopping: boolean;
}

/** Answers one connection until it ends. Never rejects. */
async function answer(connection: Connection, { admin, log }: { admin: Admin; log: Logger }): Promise<void> {
  const { stream, running } = connection;
  // Whoever asked may leave before the answer is written; what was asked for is finished all the same.
  stream.on('error', () => {});
  try {
    for await (const line of readLines(stream.iterator({ destroyOnReturn: false }), maxLineBytes)) {
      if (line.bytes === null || connection.stopping) break;
      const work = answerLine(line.bytes, admin, log).then((reply) => {
        running.delete(work);
        if (stream.writable) stream.write(`${reply}\n`);
      });
      running.add(work);
      if (running.size >= maxActsAtOnce) await Promise.race(running);
    }
  } catch {
    // The connection broke: there is nobody to answer.
  }
  await Promise.all(running);
  stream.destroySoon();
}

async function answerLine(bytes: Buffer, admin: Admin, log: Logger): Promise<string> {
  let id: unknown = null;
  try {
    const request = JSON.parse(bytes.toString()) as { id?: unknown; act?: unknown } | null;
    id = request?.id ?? null;
    const act = readAct(request?.act);
    const result = await admin(act);
    return JSON.stringify({ id, result });
  } catch (error) {
    if (error instanceof AdminError) return JSON.stringify({ id, error: error.message });
    log.error({ err: error }, 'an operator’s command failed');
    return JSON.stringify({ id, error: 'The center failed to do that; its log says why.' });
  }
}

export interface ControlClient {
  readonly admin: Admin;
  close(): void;
}

/**
 * Connects to the center that runs on this data directory; null where none listens. Rejects with AdminError.
 * @param patienceMs an act that has no answer by then is rejected, and the connection closed
 */
export async function connectControl(
  dataDir: string,
  patienceMs: number = answerTimeoutMs,
): Promise<ControlClient | null> {
  const { directory, socket } = controlPath(dataDir);
  const connection = connect(socket);
  connection.on('error', () => {});
  try {
    await new Promise<void>((resolve, reject) => connection.once('connect', resolve).once('error', reject));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return null;
    const why = code === 'EACCES' ? `permission denied. Run this as the user who runs the center` : message;
    throw new AdminError(`Cannot reach the center that runs on ${dataDir}: ${why}.`);
  }
  try {
    checkPrivate(directory, dataDir);
  } catch (error) {
    connection.destroy();
    throw new AdminError((error as Error).message);
  }
  return talk(connection, patienceMs);
}

interface Waiting {
  timer: NodeJS.Timeout;
  resolve(result: unknown): void;
  reject(error: AdminError): void;
}

function talk(connection: Socket, patienceMs: number): ControlClient {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let end = 'The center stopped before it had answered.';
  const giveUp = () => {
    end = `The center runs, but has not answered for ${Math.round(patienceMs / 1000)} s.`;
    connection.destroy();
  };
  const listen = async () => {
    try {
      for await (const line of readLines(connection, maxLineBytes)) settle(line.bytes, waiting);
    } catch {
      // An end like any other: those who wait are told below.
    }
    connection.destroy();
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(new CenterLost(`${end} Look whether it was done, or ask again.`));
    }
    waiting.clear();
  };
  void listen();
  return {
    admin: <Name extends ActName>(act: Extract<AdminAct, { act: Name }>) =>
      new Promise<AdminResults[Name]>((resolve, reject) => {
        if (!connection.writable) throw new CenterLost('The center has stopped.');
        const id = ++lastId;
        const timer = setTimeout(giveUp, patienceMs);
        waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
        connection.write(`${JSON.stringify({ id, act })}\n`);
      }),
    close: () => connection.end(),
  };
}

function settle(bytes: Buffer | null, waiting: Map<number, Waiting>): void {
  if (bytes === null) throw new AdminError('The center answered too much.');
  const reply = JSON.parse(bytes.toString()) as { id: number; result?: unknown; error?: string };
  const asked = waiting.get(reply.id);
  waiting.delete(reply.id);
  clearTimeout(asked?.timer);
  if (reply.error === undefined) asked?.resolve(reply.result);
  else asked?.reject(new AdminError(reply.error));
}

/** A directory under the temporary one could have been made by anybody: it must belong to the data's owner, and to nobody else. */
function checkPrivate(directory: string, dataDir: string): void {
  const found = lstatSync(directory);
  const owner = statSync(dataDir).uid;
  if (!found.isDirectory() || found.uid !== owner || (found.mode & 0o077) !== 0) {
    throw new Error(`${directory} is not a private directory of the owner of ${dataDir}. Remove it and start again.`);
  }
}
