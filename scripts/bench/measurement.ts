// What a row is made of: who takes part, how much is done, what is to be reached, and a round of it.
import type { Figure, RowHead, Target } from './figures.ts';
import type { Generator } from './generator.ts';
import type { Started } from './starting.ts';
import type { System, SystemName } from './systems.ts';

export interface Scale {
  seconds: number;
  warmupSeconds: number;
  pairs: number;
  listeners: number;
  loginsAtOnce: number;
  comeBack: number;
  idle: { few: number; many: number };
}

export interface RoundContext {
  generator: Generator;
  system: System;
  started: Started;
  scale: Scale;
  /** Empty at the start of the row. */
  dir: string;
}

/** Rows that are measured together, of one start of each system. */
export interface Measurement {
  name: string;
  rows: RowHead[];
  systems: SystemName[];
  /** How many there are; all of them come once before the row where the system needs that. */
  accounts(scale: Scale): number;
  bcryptCost: number;
  /** One round of it takes minutes: in a run of all rows it has no more. */
  isLong?: true;
  /** About how long a round of one system takes. */
  roundSeconds(scale: Scale): number;
  /** A figure for each of the rows. */
  round(context: RoundContext): Promise<Figure[]>;
}

export const parley: SystemName[] = ['parley', 'parley-tls'];
export const xmpp: SystemName[] = ['ejabberd', 'ejabberd-tls', 'prosody', 'prosody-tls'];
const others: SystemName[] = ['nats', 'ngircd', 'mosquitto', ...xmpp];
export const everybody: SystemName[] = ['relay', 'parley', 'relay-tls', 'parley-tls', ...others];

export const cheapHash = 4;
/** Logs in by a password that the server hashes (load.h). */
export const byPassword = ['--by-password'];

/** Against the systems that do comparable work: at least three times as good, over the same transport. */
export const versus: Target[] = [
  { system: 'parley', of: 'ejabberd', atLeast: 3 },
  { system: 'parley', of: 'prosody', atLeast: 3 },
  { system: 'parley-tls', of: 'ejabberd-tls', atLeast: 3 },
  { system: 'parley-tls', of: 'prosody-tls', atLeast: 3 },
];
export const value = (system: SystemName, atLeast: number): Target => ({ system, of: null, atLeast });

/** Arguments of the load generator that every row has. */
export function common({ system, started, scale }: RoundContext): string[] {
  const { seconds, warmupSeconds } = scale;
  const server = ['--port', String(started.port), '--server', String(started.pid)];
  return [...server, '--seconds', String(seconds), '--warmup', String(warmupSeconds), ...system.args];
}
