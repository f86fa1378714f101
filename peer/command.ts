// The shapes of a command, of its answer, and of what it works with.
import type { PeerApi } from './api.ts';
import type { HistoryLine, OutgoingMessage, Person } from './events.ts';

/** A command as it is run. `logout` and `quit` are the front end's own. */
export type Command =
  | { command: 'message'; to: string; text: string }
  | { command: 'broadcast'; text: string }
  | { command: 'online' }
  | { command: 'users'; pattern: string }
  | { command: 'block'; name: string }
  | { command: 'unblock'; name: string }
  | { command: 'blocked' }
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
  | { reply: 'block' | 'unblock'; name: string }
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
