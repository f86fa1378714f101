// A center with a fault of its making, as a program: what the self-test must find. Arguments: the fault, then as `center`.
//   early    says accepted before the commit, which comes later
//   forgets  knows no number of an earlier run again, and gives its recipients no way to know one either
//   swaps    exchanges two messages of one sender
//   crashes  ends by itself after a while, once
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Center } from '../../center/center.ts';
import { senderPrefix } from '../../center/delivery/codec.ts';
import { Mail } from '../../center/delivery/mail.ts';
import { openSqliteStore } from '../../center/store/sqlite.ts';
import type { AppendRun, Store } from '../../center/store/store.ts';
import { parley } from '../../shared/protocol.js';

const lateMs = 1500;
const crashMs = 800;
const lengthBytes = 4;

type Append = Store['append'];

/** The store with other ways to do some acts; the others stay. */
function changed(store: Store, acts: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const own = acts[name as keyof Store] ?? target[name as keyof Store];
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

function early(store: Store): Store {
  const late = new Map<number, Promise<unknown>>();
  const append: Append = async (account, run) => {
    const copy = { ...run, frames: Uint8Array.from(run.frames) };
    const before = late.get(account);
    const done = Promise.all([before, wait(lateMs)]).then(() => store.append(account, copy));
    late.set(
      account,
      done.catch(() => undefined),
    );
    return 'accepted';
  };
  return changed(store, {
    append,
    // Whoever reads gets what it was promised: only a kill shows the fault.
    openMailbox: async (account) => {
      await late.get(account);
      return store.openMailbox(account);
    },
    read: async (account, after, maxBytes) => {
      await late.get(account);
      return store.read(account, after, maxBytes);
    },
    advance: async (...asked) => {
      await late.get(asked[0]);
      return store.advance(...asked);
    },
  });
}

function forgets(store: Store): Store {
  const { openOutbox } = Mail.prototype;
  Mail.prototype.openOutbox = async function (this: Mail, sender, name, ...more) {
    const outbox = await openOutbox.call(this, sender, name, ...more);
    Object.defineProperty(outbox, 'prefix', { value: senderPrefix(sender, randomBytes(outbox.id.length), name) });
    return outbox;
  };
  return changed(store, {
    outbox: async () => [],
    // So that a kill finds messages that are committed, and their sender does not know it.
    append: async (account, run) => {
      const result = await store.append(account, run);
      await wait(lateMs / 3);
      return result;
    },
  });
}

function swaps(store: Store): Store {
  return changed(store, { append: (account, run) => store.append(account, { ...run, frames: swapped(run) }) });
}

/** Exchanges the texts of the first two messages of one sender. */
function swapped({ frames }: AppendRun): Uint8Array {
  const decoded: parley.Frame[] = [];
  const bytes = Buffer.from(frames);
  for (let at = 0; at < bytes.length; ) {
    const end = at + lengthBytes + bytes.readUInt32BE(at);
    decoded.push(parley.Frame.decode(bytes.subarray(at + lengthBytes, end)));
    at = end;
  }
  const [first] = decoded;
  const second = decoded.find((frame) => frame !== first && frame.deliver?.from === first?.deliver?.from);
  if (!first?.deliver || !second?.deliver) return frames;
  [first.deliver.body, second.deliver.body] = [second.deliver.body ?? '', first.deliver.body ?? ''];
  return Buffer.concat(
    decoded.map((frame) => {
      const encoded = parley.Frame.encode(frame).finish();
      const framed = Buffer.alloc(lengthBytes + encoded.length);
      framed.writeUInt32BE(encoded.length);
      framed.set(encoded, lengthBytes);
      return framed;
    }),
  );
}

function crashes(store: Store): Store {
  const crashed = join(String(values.data), 'crashed');
  if (existsSync(crashed)) return store;
  setTimeout(() => {
    writeFileSync(crashed, '');
    process.exit(7);
  }, crashMs);
  return store;
}

const faults: Readonly<Record<string, (store: Store) => Store>> = { early, forgets, swaps, crashes };
const [fault = '', host = '', port = '0', ...options] = process.argv.slice(2);
const { values } = parseArgs({ args: options, options: { data: { type: 'string' } }, strict: false });
const spoil = faults[fault];
if (!spoil) throw new Error(`no such fault: ${fault}`);
const center = await Center.start({
  host,
  port: Number(port),
  dataDir: String(values.data),
  bcryptCost: 4,
  limits: { messagesPerSecond: 0, maxRegistrationsPerHour: 1000 },
  openStore: async (options) => spoil(await openSqliteStore(options)),
});
process.stdout.write(`It listens on ${host}:${center.port}\n`);
