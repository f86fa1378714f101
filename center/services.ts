// What a session can use: the services, which do not know each other, and how they are put together.
import { statfs } from 'node:fs/promises';
import { AccountSet } from './account-set.ts';
import { ChunkPool } from './chunks.ts';
import { Clock } from './clock.ts';
import { Outputs } from './connection.ts';
import { Mail } from './delivery/mail.ts';
import type { CenterIdentity } from './identity.ts';
import { type CenterLimits, centerLimits } from './limits.ts';
import { Links } from './links/links.ts';
import { Tunnels } from './links/tunnels.ts';
import { probeKey } from './listener.ts';
import { Lockout } from './lockout.ts';
import type { Logger } from './log.ts';
import type { LoginServices } from './login.ts';
import { Passwords } from './passwords.ts';
import { Presence } from './presence.ts';
import { Registration, type RegistrationMode } from './registration.ts';
import { Sessions } from './sessions.ts';
import type { Store } from './store/store.ts';
import { Tickets } from './tickets.ts';
import { Tokens } from './tokens.ts';
import { Turn } from './turn.ts';
import { Wheel } from './wheel.ts';

/** Contacts of one account that hear of it when many are online. */
const maxContacts = 1000;
const probeTimeoutMs = 3000;

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface Services extends LoginServices {
  identity: CenterIdentity;
  tickets: Tickets;
  limits: CenterLimits;
  wheel: Wheel;
  outputs: Outputs;
  mail: Mail;
  links: Links;
  presence: Presence;
  sessions: Sessions;
  log: Logger;
}

export interface ServiceOptions {
  dataDir: string;
  /** Unless given: open over loopback, else by invite. */
  registration?: RegistrationMode;
  bcryptCost?: number;
  limits?: Partial<CenterLimits>;
  /** All mailboxes together; default: half of what is free on the disk. */
  maxStoreBytes?: number;
}

/** The services over this store, as it was left: who was online then still is. */
export async function openServices(
  options: ServiceOptions,
  identity: CenterIdentity,
  store: Store,
  log: Logger = silent,
): Promise<Services> {
  const limits = centerLimits(options.limits);
  const clock = new Clock(await store.time());
  const wheel = new Wheel();
  const turn = new Turn();
  const pool = new ChunkPool();
  const outputs = new Outputs(pool, turn, 2 * limits.maxOutputBytes);
  const presence = new Presence({
    wheel,
    limits,
    onOffline: (account) => void store.setOffline([account]).catch(() => undefined),
    contacts: (account) => store.contacts(account, maxContacts),
  });
  await store.reopenClosing();
  for (const { id, name, blocks } of await store.onlineAccounts()) presence.restore(id, name, new AccountSet(blocks));
  const mail = new Mail({
    store,
    limits,
    turn,
    pool,
    clock,
    log,
    maxStoreBytes: options.maxStoreBytes ?? (await halfOfFree(options.dataDir)),
    storedBytes: await store.totalBytes(),
    onContact: (sender, recipient) => presence.addContact(sender, recipient),
  });
  const { registration: mode, bcryptCost: cost } = options;
  const tunnels = new Tunnels(limits, wheel, turn);
  // The last step: all that the turn has to say is there.
  turn.addStep(outputs.flush);
  return {
    store,
    clock,
    wheel,
    mail,
    presence,
    identity,
    limits,
    log,
    outputs,
    links: new Links({
      store,
      clock,
      wheel,
      identity,
      limits,
      log,
      tunnels,
      probe: (address, port) => probeKey(address, port, probeTimeoutMs),
    }),
    sessions: new Sessions(limits, () => wheel.nowMs),
    passwords: new Passwords(cost === undefined ? {} : { cost }),
    lockout: new Lockout({ clock, saved: await store.lockouts(), save: (records) => store.setLockouts(records) }),
    tokens: new Tokens({ centerId: identity.centerId, tokenKey: identity.tokenKey, clock }),
    tickets: new Tickets({ identityKey: identity.key, tokenKey: identity.tokenKey }),
    registration: new Registration({
      clock,
      maxPerHour: limits.maxRegistrationsPerHour,
      ...(mode === undefined ? {} : { mode }),
    }),
  };
}

async function halfOfFree(dataDir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  return Math.floor((bavail * bsize) / 2);
}
