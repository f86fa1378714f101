// The operator's acts and their results: what the command line asks, here or over the control socket.
import type { AccountRecord } from './store/store.ts';

/** What is asked; each has its result in AdminResults. Everything in both is JSON. */
export type AdminAct =
  | { act: 'info' }
  | { act: 'add'; name: string; password: string }
  | { act: 'find'; name: string }
  | { act: 'list'; after: string; limit: number; all: boolean }
  | { act: 'unlock'; name: string }
  | { act: 'passwd'; name: string; password: string }
  | { act: 'ban'; name: string; forMs: number | null; reason: string }
  | { act: 'unban'; name: string }
  | { act: 'remove'; name: string; discard: boolean }
  | { act: 'release'; name: string }
  | { act: 'invite'; uses: number; forMs: number }
  | { act: 'invites' };

export type ActName = AdminAct['act'];

export interface AdminResults {
  info: CenterInfo;
  /** false: an account of this name exists, and is left as it is. */
  add: { added: boolean };
  find: AccountRow | null;
  /** next: the `after` of the next page, null after the last. */
  list: { accounts: AccountRow[]; next: string | null };
  unlock: Record<string, never>;
  passwd: Record<string, never>;
  ban: { untilMs: number | null };
  unban: { wasBanned: boolean };
  /** How many waiting messages were thrown away. */
  remove: { discarded: number };
  release: { released: boolean };
  /** The code is nowhere else: the center keeps its hash. */
  invite: { code: string; expiresAtMs: number; usesLeft: number };
  invites: InviteRow[];
}

/** Where the center is; null where it does not run. */
export type CenterInfo = { host: string; port: number; pid: number } | null;

export interface AccountRow {
  name: string;
  id: number;
  createdAtMs: number;
  /** null: the center does not run. */
  online: boolean | null;
  /** Messages in the mailbox. */
  waiting: number;
  /** untilMs null: without end. */
  banned: { untilMs: number | null; reason: string } | null;
  state: AccountRecord['state'];
}

export interface InviteRow {
  /** The beginning of the code's hash. */
  id: string;
  createdAtMs: number;
  expiresAtMs: number;
  usesLeft: number;
}

/** Does an act, here or in the running center. Rejects with AdminError where the operator can do something about it. */
export type Admin = <Name extends ActName>(act: Extract<AdminAct, { act: Name }>) => Promise<AdminResults[Name]>;

/** What was asked cannot be done; the text is for the operator and says what to do. */
export class AdminError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'AdminError';
  }
}

/** The running center ended, or was never there, before the act was answered. */
export class CenterLost extends AdminError {
  constructor(text: string) {
    super(text);
    this.name = 'CenterLost';
  }
}

type FieldType = 'string' | 'number' | 'boolean' | 'number or null';

const actFields: { [Name in ActName]: Record<Exclude<keyof Extract<AdminAct, { act: Name }>, 'act'>, FieldType> } = {
  info: {},
  add: { name: 'string', password: 'string' },
  find: { name: 'string' },
  list: { after: 'string', limit: 'number', all: 'boolean' },
  unlock: { name: 'string' },
  passwd: { name: 'string', password: 'string' },
  ban: { name: 'string', forMs: 'number or null', reason: 'string' },
  unban: { name: 'string' },
  remove: { name: 'string', discard: 'boolean' },
  release: { name: 'string' },
  invite: { uses: 'number', forMs: 'number' },
  invites: {},
};

/** The act that came over a socket; throws AdminError where it is none of this version. */
export function readAct(value: unknown): AdminAct {
  const fields = value as Record<string, unknown>;
  const name = typeof value === 'object' && value !== null ? fields.act : undefined;
  if (typeof name !== 'string' || !Object.hasOwn(actFields, name)) {
    throw new AdminError('The running center does not know this act: it is of another version. Restart it.');
  }
  for (const [field, type] of Object.entries(actFields[name as ActName])) {
    if (!fits(fields[field], type)) throw new AdminError(`The field ${field} of ${name} is not a ${type}.`);
  }
  return value as AdminAct;
}

function fits(value: unknown, type: FieldType): boolean {
  if (type === 'number or null') return value === null || Number.isFinite(value);
  if (type === 'number') return Number.isFinite(value);
  return typeof value === type;
}
