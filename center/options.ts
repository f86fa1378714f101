// Options that several commands of `center` have, and how their values are read.
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { defaultDataDir } from '../shared/directory.ts';
import type { ProgramIo } from './io.ts';
import { parseCount, QuantityError } from './quantities.ts';

const maxLimit = 2 ** 31 - 1;

/** Where the center's data is; read with dataDirOf. */
export function dataOption(io: ProgramIo): Option {
  return new Option('--data <dir>', `where the center keeps everything (default: ${defaultDataDir('center', io.env)})`);
}

/** --data may stand after the command or before it; no commander default, since one of the program would win over the command's. */
export function dataDirOf(command: Command, io: ProgramIo): string {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const data: unknown = at.opts().data;
    if (typeof data === 'string') return resolve(data);
  }
  return defaultDataDir('center', io.env);
}

/** The work of a password hash. */
export function costOption(): Option {
  return new Option('--bcrypt-cost <n>', 'work for each password hash; 12 is right, less is for tests').argParser(
    reading((text) => parseCount(text, 4, 16)),
  );
}

/** A parser for commander, which tells wrong usage from failure by the class of the error. */
export function reading<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof QuantityError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

/** Of what takes any text, refuses none at all: a variable of a shell that was not set must not mean something. */
export function refuseEmpty(command: Command): void {
  const parse = (text: string) => {
    if (text === '') throw new InvalidArgumentError('It is empty.');
    return text;
  };
  for (const option of command.options) if (option.required && !option.parseArg) option.argParser(parse);
  for (const argument of command.registeredArguments) {
    if (!argument.variadic && !argument.parseArg) argument.argParser(parse);
  }
}

/** For a parser: throws QuantityError for 0. */
export function positive(value: number): number {
  if (value <= 0) throw new QuantityError('It must be more than 0.');
  return value;
}

/** For a parser: throws QuantityError below least, and above what a timer can wait for and Hello can tell. */
export function between(value: number, least: number): number {
  if (value < least || value > maxLimit) throw new QuantityError(`It must be from ${least} to ${maxLimit}.`);
  return value;
}

/** The property, where there is a value: for types that take it or leave it, but not undefined. */
export function given<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value };
}
