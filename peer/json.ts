/**
 * `--json`: one JSON object a line, out and in. docs/json.md tells the shapes to users.
 *
 * Out: `{"event":TYPE,…}` for every PeerEvent, its fields beside it; `{"reply":COMMAND,"id":ID,…}` for every answer;
 * `{"error":{"code":CODE,"text":TEXT},"command":COMMAND,"id":ID,"line":N}` for every failure, where code is one of
 * shared/errors.ts or `usage`; `{"event":"left","messages":[…]}` for what was not delivered in the end.
 * In: a line as it would be typed, or `{"command":COMMAND,"id":ID,…}` with the arguments by name.
 */
import { ParleyError } from '../shared/errors.ts';
import { safeLine } from '../shared/text.ts';
import type { Command, Reply } from './command.ts';
import { parseLine, parseObject } from './commands.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import { CommandError, codeOf } from './fields.ts';
import type { SignIn } from './front.ts';
import { errorText } from './render.ts';
import type { Request, Writer } from './writer.ts';

/** One's own text comes back as it was: as escapes, where raw characters would steer a terminal that shows the JSON. */
const steering = /[\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/gu;

/** Writes everything to one stream of lines. */
export class JsonWriter implements Writer {
  readonly #out: (text: string) => void;

  constructor(out: (text: string) => void) {
    this.#out = out;
  }

  #write(object: Record<string, unknown>): void {
    const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
    this.#out(`${JSON.stringify(object).replace(steering, escaped)}\n`);
  }

  event(event: PeerEvent): void {
    const { type, ...rest } = event;
    this.#write({ event: type, ...rest });
  }

  reply(reply: Reply, request: Request): void {
    const { reply: command, ...rest } = reply;
    this.#write({ reply: command, id: request.id, ...rest });
  }

  error(error: unknown, request: Request): void {
    const retryAfterMs = error instanceof ParleyError && error.retryAfterMs > 0 ? error.retryAfterMs : undefined;
    const { command, id, line } = request;
    this.#write({ error: { code: codeOf(error), text: errorText(error), retryAfterMs }, command, id, line });
  }

  outbox(messages: readonly OutgoingMessage[]): void {
    this.#write({ event: 'outbox', messages });
  }

  left(messages: readonly OutgoingMessage[]): void {
    this.#write({ event: 'left', messages });
  }
}

/** What a line of input asks for. */
export interface Parsed {
  command: Command;
  id: string | number | undefined;
}

function readObject(text: string): Record<string, unknown> | null {
  if (!text.trimStart().startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandError(`This is not JSON: ${safeLine(error instanceof Error ? error.message : String(error))}`);
  }
  return value as Record<string, unknown>; // it begins with {, so that it is an object
}

/** The id that a request carries, even where the rest of it is wrong. */
export function requestId(text: string): string | number | undefined {
  try {
    const id = readObject(text)?.id;
    return typeof id === 'string' || typeof id === 'number' ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a line of either kind; null for a blank one. Throws CommandError. */
export function parseInput(text: string): Command | null {
  const object = readObject(text);
  if (object === null) return parseLine(text);
  const { id, ...rest } = object;
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number') {
    throw new CommandError('"id" must be a string or a number.');
  }
  return parseObject(rest);
}

/**
 * Reads the first line where it signs in: `{"command":"login","name":…,"password":…}`, or `register` with the same
 * and perhaps `invite`. Null where it is no object: then it is the name.
 */
export function parseSignIn(text: string): SignIn | null {
  const object = readObject(text);
  if (object === null) return null;
  const { command, name, password, invite } = object;
  if (command !== 'login' && command !== 'register') {
    throw new CommandError('Sign in first: "command" must be login or register.');
  }
  if (typeof name !== 'string' || typeof password !== 'string') {
    throw new CommandError('"name" and "password" are needed, as strings.');
  }
  if (command === 'login') return { how: 'login', name, password };
  return { how: 'register', name, password, invite: typeof invite === 'string' ? invite : null };
}
