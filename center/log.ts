// The center's log: pino's JSON lines, or readable lines on a terminal; secrets and texts of people never get in.
import { createRequire } from 'node:module';
import { isNativeError } from 'node:util/types';
import { pino, stdTimeFunctions } from 'pino';
import type pretty from 'pino-pretty';
import { safeLine, safeText } from '../shared/text.ts';
import { openSink } from './log-sink.ts';

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
  /** Resolves when what is held is written, or soon: for the end of a process. */
  flush(): Promise<void>;
}

export interface LogOptions {
  level: LogLevel;
  /** Readable lines instead of JSON. */
  pretty: boolean;
  color?: boolean;
  /** What takes the lines, or a file descriptor, which should not block: process.stderr in use sees to that for 2. */
  destination: number | { write(line: string): void };
}

/** A field nests no deeper than this. */
const maxDepth = 4;
const maxItems = 64;
/** Longer strings are cut: a log line is no place for content. */
const maxFieldLength = 4096;
/** What the end of a process waits for its log. */
const flushTimeoutMs = 1000;

// By part of the name, so that oldPassword, token_expires… and nextToken are caught as well.
const secretName =
  /pass(word|phrase|wd)|token|ticket|psk|secret|credential|authorization|cookie|^(body|text|bodies|invite|jti|nonce|signature|mac|hash|frames?)$|private.?key|keypem/i;
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
  const shape = options.pretty ? readable(options.color ?? false) : (line: string) => line;
  const { destination } = options;
  const sink = typeof destination === 'number' ? openSink(destination, (count) => shape(droppedLine(count))) : null;
  const write = sink ? sink.write : (line: string) => (destination as { write(line: string): void }).write(line);
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
    { write: (line: string) => write(shape(line)) },
  );
  return {
    debug: (fields, message) => log.debug(fields, safeLine(message)),
    info: (fields, message) => log.info(fields, safeLine(message)),
    warn: (fields, message) => log.warn(fields, safeLine(message)),
    error: (fields, message) => log.error(fields, safeLine(message)),
    flush: async () => sink?.flush(flushTimeoutMs),
  };
}

function readable(colorize: boolean): (line: string) => string {
  // 30 modules, which a center that logs to a file does without.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof pretty;
  const format = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true });
  return (line) => format(line) ?? '';
}

function droppedLine(count: number): string {
  const msg = `${count} lines are missing here: nobody read the log`;
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped: count, msg })}\n`;
}
