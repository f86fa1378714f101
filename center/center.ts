// A center: its services put together, started and stopped. The program and whoever embeds one both begin here.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { isLoopback } from '../shared/address.ts';
import { lockDirectory, makeDirectory } from '../shared/directory.ts';
import { type ErrorCode, ParleyError } from '../shared/errors.ts';
import type { AdminServices } from './admin.ts';
import { Connection } from './connection.ts';
import { expireMail } from './expiry.ts';
import { openIdentity } from './identity.ts';
import { type Listener, listen } from './listener.ts';
import type { Logger } from './log.ts';
import { farewell } from './refusals.ts';
import { openServices, type ServiceOptions, type Services, silent } from './services.ts';
import { Session } from './session.ts';
import type { Origin } from './sessions.ts';
import { openSqliteStore, type SqliteStoreOptions } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import { encodeNotice, noticeOutbox } from './undeliverable.ts';

export const storeFile = 'center.db';
const saveTimeMs = 10_000;
const expiryMs = 60_000;
/** What is counted as it comes and goes is counted anew so often. */
const recountMs = 3_600_000;
const measuredCommits = 5;
/** After telling everybody, the time to write it. */
const farewellMs = 200;

export interface CenterOptions extends ServiceOptions {
  host: string;
  /** 0: a free one. */
  port: number;
  /** No TLS; loopback addresses only. */
  plain?: boolean;
  /** Mail that waited longer is reported to its sender and goes; default: it waits for ever. */
  expireMailAfterMs?: number;
  /** A certificate of an authority, PEM; default: one that the identity key has signed itself. */
  cert?: { key: string; cert: string };
  log?: Logger;
  /** Another engine, or one with a program's own ways around it; default: SQLite in the data directory. */
  openStore?(options: SqliteStoreOptions): Promise<Store>;
}

export class Center {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** Of the identity key, as SSH shows it. */
  readonly fingerprint: string;
  /** Hex. */
  readonly centerId: string;
  /** A commit on this disk, measured at the start. */
  readonly fsyncMs: number;
  /** Settles when the store has failed for good: nothing more is accepted, and the center is to be stopped. */
  readonly failed: Promise<Error>;
  readonly #services: Services;
  readonly #listener: Listener;
  readonly #release: () => void;
  readonly #timers: NodeJS.Timeout[];
  #expiring: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  /** Rejects with an error that says what to do: directory in use or not writable, damaged files, address in use. */
  static async start(options: CenterOptions): Promise<Center> {
    const { dataDir, log = silent } = options;
    if (options.plain && !isLoopback(options.host === 'localhost' ? '127.0.0.1' : options.host)) {
      throw new Error(`Plain TCP is for loopback addresses only, and ${options.host} is none: leave out --plain.`);
    }
    makeDirectory(dataDir);
    const lock = lockDirectory(dataDir, 'a center');
    const failed = Promise.withResolvers<Error>();
    let store: Store | null = null;
    try {
      const file = join(dataDir, storeFile);
      const identity = await openIdentity(dataDir, { create: !existsSync(file) });
      const { openStore = openSqliteStore } = options;
      store = await openStore({ file, log, onFailed: failed.resolve });
      const services = await openServices(options, identity, store, log);
      const fsyncMs = await measureCommit(services);
      const listener = await openListener(options, services);
      return new Center({
        options,
        services,
        listener,
        fsyncMs,
        failed: failed.promise,
        release: () => lock.release(),
      });
    } catch (error) {
      await store?.close().catch(() => undefined);
      lock.release();
      throw error;
    }
  }

  private constructor(parts: {
    options: CenterOptions;
    services: Services;
    listener: Listener;
    fsyncMs: number;
    failed: Promise<Error>;
    release: () => void;
  }) {
    const { services, listener } = parts;
    this.host = parts.options.host;
    this.port = listener.port;
    this.dataDir = parts.options.dataDir;
    this.fingerprint = services.identity.fingerprint;
    this.centerId = services.identity.centerId.toString('hex');
    this.fsyncMs = parts.fsyncMs;
    this.failed = parts.failed;
    this.#services = services;
    this.#listener = listener;
    this.#release = parts.release;
    const { store, clock, wheel, mail } = services;
    wheel.start();
    this.#timers = [
      setInterval(() => void store.saveTime(clock.now()).catch(() => undefined), saveTimeMs).unref(),
      setInterval(() => void mail.recount().catch(() => undefined), recountMs).unref(),
    ];
    const { expireMailAfterMs } = parts.options;
    if (expireMailAfterMs) {
      // One round at a time, however long it takes.
      const expire = (): void => {
        this.#expiring ??= this.#expire(expireMailAfterMs).finally(() => {
          this.#expiring = null;
        });
      };
      expire();
      this.#timers.push(setInterval(expire, expiryMs).unref());
    }
  }

  async #expire(afterMs: number): Promise<void> {
    const { store, mail, clock, log } = this.#services;
    try {
      const deliver = this.adminServices().deliverNotices;
      const count = await expireMail({ store, mail, deliver }, clock.now() - afterMs);
      if (count === 0) return;
      log.info({ count }, 'mail expired; its senders are told');
    } catch (error) {
      if (this.#stopping) return;
      log.error({ err: error }, 'mail that is too old could not all be taken away');
    }
    await mail.recount().catch(() => undefined);
  }

  /** What is in memory now: open connections, accounts online, mailboxes and outboxes. */
  get counts(): { connections: number; online: number; mailboxes: number; outboxes: number } {
    const { sessions, presence, mail } = this.#services;
    return { connections: sessions.count, online: presence.count, ...mail.counts };
  }

  /** What the operator's commands work on. */
  adminServices(): AdminServices {
    const { store, clock, passwords, lockout, mail, presence } = this.#services;
    return {
      store,
      clock,
      hashPassword: (password) => passwords.hash(password),
      unlock: async (name) => void (await lockout.unlock(name)),
      deliverNotices: (sender, notices) => {
        const [first] = notices;
        if (!first) return Promise.resolve();
        const encoded = notices.map((notice) => ({
          number: notice.position,
          encode: (position: number, receivedAtMs: number) => encodeNotice(notice, position, receivedAtMs),
        }));
        return mail.notices.send(sender, noticeOutbox(first.recipient), encoded);
      },
      live: {
        host: this.host,
        port: this.port,
        pid: process.pid,
        online: (account) => presence.isOnline(account),
        endSessions: (account, code, text) => this.endSessions(account, code, text),
        // Its mail may have been discarded.
        accountChanged: () => void mail.recount().catch(() => undefined),
        closeMailbox: (account) => mail.closeMailbox(account),
      },
    };
  }

  /** Closes a live session of the account with this error. */
  endSessions(account: number, code: ErrorCode, text: string): void {
    const { sessions, links } = this.#services;
    sessions.of(account)?.end(new ParleyError(code, text), 'now');
    if (code === 'banned' || code === 'password_changed' || code === 'account_deleted') {
      void links.accountEnded(account, code);
    }
    this.#services.presence.remove(account);
  }

  /** Stops accepting, tells the peers, keeps what is on its way, and lets the directory go. Can be called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { sessions, mail, store, passwords, wheel, clock } = this.#services;
    this.#listener.close();
    for (const timer of this.#timers) clearInterval(timer);
    wheel.stop();
    // Whoever was online is remembered as that: they come back without a notice.
    const open = [...sessions.all()];
    for (const session of open) session.end(new ParleyError('shutting_down', 'The center is stopping.'), 'later');
    if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, farewellMs));
    await mail.stop();
    await passwords.close();
    // The wall clock may be set back before the next start.
    await store.saveTime(clock.now()).catch(() => undefined);
    await store.close().catch(() => undefined);
    this.#release();
  }
}

async function measureCommit({ store, clock }: Services): Promise<number> {
  const startMs = performance.now();
  for (let i = 0; i < measuredCommits; i++) await store.saveTime(clock.now());
  return (performance.now() - startMs) / measuredCommits;
}

function openListener(options: CenterOptions, services: Services): Promise<Listener> {
  const { identity, tickets, limits, sessions } = services;
  return listen({
    host: options.host,
    port: options.port,
    tls: options.plain ? null : (options.cert ?? identity.tls),
    handshakeTimeoutMs: limits.loginTimeoutMs,
    farewell: farewell(),
    sessions,
    openTicket: (ticket) => tickets.open(ticket),
    onConnection: (stream, origin) => serve(stream, origin, services),
  });
}

/**
 * A session over any stream, a socket or one end of a stream.duplexPair(). What comes over the stream goes to its
 * receive, and its end to closed: the caller listens, with one listener for all that has to be done.
 */
export function serve(stream: Duplex, origin: Origin, services: Services): Session {
  return new Session(new Connection(stream, services.outputs), origin, services);
}
