// The arguments of a command, from a typed line or from a JSON object, checked as they are taken.
import { ParleyError } from '../shared/errors.ts';

/** Nothing a command counts is larger. */
const maxCount = 1_000_000;

/** A command that cannot be understood: nothing was done. */
export class CommandError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'CommandError';
  }
}

/** Arguments by name. Values of a typed line are strings, those of JSON have types of their own. */
export class Fields {
  readonly #values: Map<string, unknown>;
  readonly #usage: string;

  constructor(values: Readonly<Record<string, unknown>>, usage: string) {
    this.#values = new Map(Object.entries(values).filter(([, value]) => value !== undefined && value !== null));
    this.#usage = usage;
  }

  #take(name: string): unknown {
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  /** The command is wrong: `text` says how, and its usage follows. */
  fail(text: string): never {
    throw new CommandError(`${text} Usage: ${this.#usage}`);
  }

  /** A text that must be there. */
  text(name: string, what: string): string {
    const value = this.optionalText(name);
    if (value === undefined || value === '') return this.fail(`${what} is missing.`);
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') return this.fail(`${name} must be a string.`);
    return value;
  }

  /** A whole number from `least` on. */
  count(name: string, least: number, otherwise?: number): number {
    const value = this.#take(name);
    if (value === undefined || value === '') {
      return otherwise ?? this.fail('A number is missing.');
    }
    const n = typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value;
    if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < least || n > maxCount) {
      return this.fail(`${JSON.stringify(value)} is not a number from ${least} to ${maxCount}.`);
    }
    return n;
  }

  /** on or off. */
  flag(name: string, otherwise: boolean): boolean {
    const value = this.#take(name);
    if (value === undefined || value === '') return otherwise;
    if (value === true || value === 'on') return true;
    if (value === false || value === 'off') return false;
    return this.fail(`${JSON.stringify(value)} is neither on nor off.`);
  }

  /** Refuses what nothing asked for. */
  end(): void {
    const left = this.#values.keys().next();
    if (left.done === true) return;
    const value = this.#values.get(left.value);
    // `rest` is what stands behind the arguments of a typed line.
    this.fail(left.value === 'rest' ? `${JSON.stringify(value)} is too much.` : `${left.value} is not known here.`);
  }
}

/** The first word, and everything after the one blank behind it, as it is. */
export function splitWord(text: string): { word: string; rest: string } {
  const word = /^\S*/u.exec(text)![0];
  return { word, rest: text.slice(word.length + 1) };
}

/** A name, and the text behind it as it is. */
export function addressed(typed: string): { to: string; text: string } {
  const { word, rest } = splitWord(typed.trimStart());
  return { to: word, text: rest };
}

/** The words of a line. */
export function words(text: string): string[] {
  return text.trim() === '' ? [] : text.trim().split(/\s+/u);
}

/** No arguments: what is there is too much. */
export function nothing(text: string): { rest: string | undefined } {
  return { rest: text.trim() === '' ? undefined : text.trim() };
}

/** One word for each name. */
export function named(...names: string[]): (rest: string) => Record<string, string | undefined> {
  return (rest) => {
    const given = words(rest);
    const values = Object.fromEntries(names.map((name, index) => [name, given[index]]));
    return { ...values, ...nothing(given.slice(names.length).join(' ')) };
  };
}

/** Letters to change, add, leave out or swap to make one of the other (optimal string alignment distance). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The name that was probably meant, or null. */
export function nearest(typed: string, names: readonly string[]): string | null {
  const short = typed.slice(0, 32).toLowerCase();
  const begun = names.filter((name) => short.length >= 3 && name.startsWith(short));
  if (begun.length === 1) return begun[0]!;
  let best: string | null = null;
  let bestDistance = Math.min(2, Math.floor(short.length / 2)) + 1;
  for (const name of names) {
    const distance = editDistance(short, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** What a failed request is to a program: its stable code, or `usage` where the command itself was wrong. */
export function codeOf(error: unknown): string {
  if (error instanceof ParleyError) return error.code;
  return error instanceof CommandError ? 'usage' : 'internal';
}

/** The first of a list, at most so many. */
export async function taken<T>(list: AsyncIterable<T>, limit: number): Promise<{ items: T[]; more: boolean }> {
  const items: T[] = [];
  for await (const item of list) {
    if (items.length === limit) return { items, more: true };
    items.push(item);
  }
  return { items, more: false };
}
