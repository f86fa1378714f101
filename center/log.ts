// The center's log: pino's JSON lines, or readable lines on a terminal; secrets and texts of people never get in.
import { isNativeError } from 'node:util/types';
import { pino, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';
import { safeLine, safeText } from '../shared/text.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Record<string, unknown>;

/** What the parts of the center write to. Fields are for programs, the message is for people. An Error goes in the field `err`. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export interface OpenLog extends Logger {
  /** Writes out what is still held; before the process ends. */
  flush(): void;
}

export interface LogOptions {
  level: LogLevel;
  /** Readable lines instead of JSON. */
  pretty: boolean;
  color?: boolean;
  /** A file descriptor, or what takes the lines. */
  destination: number | { write(line: string): void };
}

/** A reader that has stopped reading costs lines, not memory. */
const maxWaitingBytes = 1_048_576;
/** A field nests no deeper than this. */
const maxDepth = 4;
const maxItems = 64;
/** Longer strings are cut: a log line is no place for content. */
const maxFieldLength = 4096;
const flushRetries = 20;

// By part of the name, so that oldPassword, token_expires… and nextToken are caught as well.
const secretName =
  /pass(word|phrase|wd)|token|secret|credential|authorization|cookie|^(body|text|bodies|invite|jti|nonce|signature|hash|frames?)$|private.?key|keypem/i;
const hidden = '[hidden]';

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return safeLine(value.slice(0, maxFieldLength));
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (value === null || typeof value !== 'object') return value;
  if (isNativeError(value)) return cleanError(value, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value;
  if (depth >= maxDepth) return '[…]';
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item) => clean(item, depth + 1));
  return cleanFields(value as LogFields, depth);
}

function cleanFields(fields: LogFields, depth: number): LogFields {
  return Object.fromEntries(
    Object.entries(fields)
      .slice(0, maxItems)
      .map(([name, value]) => [name, secretName.test(name) ? hidden : clean(value, depth + 1)]),
  );
}

function cleanError(error: Error, depth: number): LogFields {
  const { code, cause } = error as Error & { code?: unknown };
  return {
    type: error.name,
    message: safeText(error.message).slice(0, maxFieldLength),
    stack: safeText(error.stack ?? '').slice(0, maxFieldLength),
    ...(code === undefined ? {} : { code: clean(code, depth + 1) }),
    ...(cause === undefined || depth >= maxDepth ? {} : { cause: clean(cause, depth + 1) }),
  };
}

/** Opens the log. Lines are written without blocking; where nobody reads them, the newest are dropped. */
export function openLog(options: LogOptions): OpenLog {
  const { write, flush } =
    typeof options.destination === 'number' ? openDescriptor(options.destination) : unbuffered(options.destination);
  const readable = pretty.prettyFactory({
    colorize: options.color ?? false,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
  });
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      // The cleaning below is the serializer; pino's own would run on what it made.
      serializers: { err: (value: unknown) => value },
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => cleanFields(fields, 0),
      },
    },
    { write: (line: string) => write(options.pretty ? (readable(line) ?? '') : line) },
  );
  return {
    debug: (fields, message) => log.debug(fields, safeLine(message)),
    info: (fields, message) => log.info(fields, safeLine(message)),
    warn: (fields, message) => log.warn(fields, safeLine(message)),
    error: (fields, message) => log.error(fields, safeLine(message)),
    flush,
  };
}

interface Sink {
  write(line: string): void;
  flush(): void;
}

function unbuffered(destination: { write(line: string): void }): Sink {
  return { write: (line) => destination.write(line), flush: () => {} };
}

function openDescriptor(descriptor: number): Sink {
  // A full pipe is tried again for as long as the process runs, but never holds up its end.
  let retriesLeft = Number.POSITIVE_INFINITY;
  const stream = pino.destination({
    dest: descriptor,
    sync: false,
    maxLength: maxWaitingBytes,
    retryEAGAIN: () => retriesLeft-- > 0,
  });
  return {
    write: (line) => stream.write(line),
    flush: () => {
      retriesLeft = flushRetries;
      try {
        stream.flushSync();
      } catch {
        // Nobody reads the log: there is nowhere to say so.
      }
      retriesLeft = Number.POSITIVE_INFINITY;
    },
  };
}
