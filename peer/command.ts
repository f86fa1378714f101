// The shapes of a command, of its answer, of what it works with, and of its row in the table.
import type { PeerApi } from './api.ts';
import type { Consent, HistoryLine, LinkInfo, OutgoingMessage, Person } from './events.ts';
import type { Fields } from './fields.ts';

/** A command as it is run. `logout` and `quit` are the front end's own. */
export type Command =
  | { command: 'message'; to: string; text: string }
  | { command: 'broadcast'; text: string }
  | { command: 'online' }
  | { command: 'users'; pattern: string }
  | { command: 'block'; name: string }
  | { command: 'unblock'; name: string }
  | { command: 'blocked' }
  | { command: 'getaddress'; name: string }
  /** forMs 0: a day. */
  | { command: 'allow'; name: string; forMs: number; once: boolean }
  | { command: 'deny'; name: string }
  | { command: 'revoke'; name: string }
  | { command: 'consents' }
  | { command: 'private'; to: string; text: string }
  | { command: 'links' }
  | { command: 'why'; name: string }
  /** confirmed: the digits were compared. */
  | { command: 'verify'; name: string; confirmed: boolean }
  | { command: 'trust'; name: string }
  | { command: 'untrust'; name: string }
  /** limit 0: all. */
  | { command: 'inbox'; limit: number }
  | { command: 'hold'; on: boolean }
  | { command: 'outbox' }
  | { command: 'cancel'; number: number }
  /** with: empty for everybody. */
  | { command: 'history'; with: string; limit: number }
  /** What is missing is asked for. */
  | { command: 'passwd'; old?: string; new?: string }
  | { command: 'delete-account'; password?: string; discardOutbox: boolean }
  | { command: 'logout' }
  | { command: 'quit' }
  | { command: 'help'; topic: string };

export type CommandName = Command['command'];

/** What a command came to. */
export type Reply =
  /** Safe in the outbox; accepted, stored and failed follow as events. */
  | { reply: 'message'; message: OutgoingMessage }
  | { reply: 'broadcast'; text: string; handed: number; leftOut: number }
  /** more: the list was longer than maxListed. */
  | { reply: 'online' | 'users' | 'blocked'; people: Person[]; more: boolean }
  /** later: when the center is back. */
  | { reply: 'block' | 'unblock' | 'revoke'; name: string; later: boolean }
  /** linked: there was nothing to ask for. */
  | { reply: 'getaddress'; name: string; linked: boolean }
  /** consented: there is a consent between the two all the same. */
  | { reply: 'deny'; name: string; consented: boolean }
  | { reply: 'trust' | 'untrust'; name: string }
  | { reply: 'allow'; name: string; forMs: number; once: boolean }
  | { reply: 'consents'; consents: Consent[]; more: boolean }
  /** Safe in the outbox; stored follows as an event. linked: it is on its way. */
  | { reply: 'private'; message: OutgoingMessage; linked: boolean }
  | { reply: 'links'; links: LinkInfo[] }
  | { reply: 'why'; name: string; lines: string[] }
  /** The digits follow as an event, unless this confirmed them. */
  | { reply: 'verify'; name: string; confirmed: boolean }
  | { reply: 'inbox'; coming: number }
  | { reply: 'hold'; on: boolean; waiting: number }
  | { reply: 'outbox'; messages: OutgoingMessage[] }
  | { reply: 'cancel'; message: OutgoingMessage }
  | { reply: 'history'; lines: HistoryLine[] }
  | { reply: 'passwd' }
  | { reply: 'delete-account'; deleted: boolean }
  | { reply: 'logout' | 'quit' }
  | { reply: 'help'; lines: string[] };

export interface Question {
  prompt: string;
  /** Not shown while it is typed, never kept. */
  secret: boolean;
}

/** What a command works with. */
export interface CommandContext {
  readonly peer: PeerApi;
  /** One line from the user; null: there is none. */
  ask(question: Question): Promise<string | null>;
  /** Waits while the outbox empties; resolves with what stayed. */
  emptyOutbox(): Promise<OutgoingMessage[]>;
  showOutbox(messages: readonly OutgoingMessage[]): void;
}

/** What there is to know of a command. */
export interface Row<C extends Command> {
  usage: string;
  help: string;
  /** The arguments of a typed line, by name; `rest` holds what is too much. */
  split(rest: string): Record<string, string | undefined>;
  build(fields: Fields): C;
  run(context: CommandContext, command: C): Promise<Reply>;
  /** It asks the user something, or ends the session: no other command may run beside it. */
  alone?: true;
}

/** The rows of these commands. */
export type Rows<N extends CommandName> = { readonly [K in N]: Row<Extract<Command, { command: K }>> };
