// Every bound of the center, with its default. The command line makes one option of each.
import { writeSize, writeTime } from './quantities.ts';

interface Limit {
  default: number;
  unit: string;
  help: string;
}

/** One row a limit: its name, default, unit and what it bounds. 0 means none where the help says so. */
export const limitTable = {
  maxFrameBytes: { default: 4096, unit: 'bytes', help: 'longest frame before login' },
  maxSessionFrameBytes: { default: 65_536, unit: 'bytes', help: 'longest frame after login' },
  maxBodyBytes: { default: 16_384, unit: 'bytes', help: 'longest text of a message' },
  loginTimeoutMs: {
    default: 10_000,
    unit: 'ms',
    help: 'time for the first byte, for the TLS handshake, and to log in, anew from each answer',
  },
  maxUnauthenticated: { default: 16_384, unit: 'connections', help: 'connections not logged in, in all' },
  maxLoginsAtOnce: { default: 2048, unit: 'connections', help: 'of them in handshake or login; the others wait' },
  maxUnauthenticatedPerAddress: { default: 16, unit: 'connections', help: 'connections not logged in, an address' },
  maxNewPerAddressPerMinute: { default: 32, unit: 'connections', help: 'new connections a minute, an address' },
  maxSessionsPerAddress: { default: 256, unit: 'connections', help: 'logged in, an address' },
  maxRegistrationsPerHour: { default: 5, unit: 'accounts', help: 'accounts registered in an hour from an address' },
  messagesPerSecond: {
    default: 20,
    unit: 'messages/s',
    help: 'messages of one session; above it is read slower; 0: no limit',
  },
  messageBurst: { default: 60, unit: 'messages', help: 'messages at once before --messages-per-second counts' },
  maxOutputBytes: {
    default: 1_048_576,
    unit: 'bytes',
    help: 'waiting to be written to one connection before notices are left out; twice that closes it',
  },
  maxUnresolvedMessages: { default: 1024, unit: 'messages', help: 'of one session, neither accepted nor refused' },
  maxUnresolvedBytes: { default: 1_048_576, unit: 'bytes', help: 'of one session, neither accepted nor refused' },
  maxRefusedRecipients: {
    default: 16_384,
    unit: 'recipients',
    help: 'of one session, to whom a refusal is open; more close it',
  },
  windowMessages: { default: 1024, unit: 'messages', help: 'delivered to one peer and not acknowledged' },
  windowBytes: { default: 262_144, unit: 'bytes', help: 'delivered to one peer and not acknowledged' },
  maxRequests: { default: 32, unit: 'requests', help: 'of one session in progress; above it is not read' },
  mailboxMessages: { default: 100_000, unit: 'messages', help: 'waiting in one mailbox' },
  mailboxBytes: { default: 268_435_456, unit: 'bytes', help: 'waiting in one mailbox' },
  mailboxSenderShare: { default: 10, unit: 'parts', help: 'one sender may fill one of so many parts of a mailbox' },
  heartbeatMs: { default: 10_000, unit: 'ms', help: 'how often a peer must send something' },
  silenceMs: {
    default: 29_000,
    unit: 'ms',
    help: 'without a byte before a peer is taken for gone; more than --heartbeat-ms',
  },
  graceMs: { default: 9_000, unit: 'ms', help: 'after a connection ended before its account is offline' },
  startGraceMs: {
    default: 30_000,
    unit: 'ms',
    help: 'after a start before accounts that were online are called offline',
  },
  presenceMs: { default: 250, unit: 'ms', help: 'presence changes are bundled for so long' },
  presenceEveryone: {
    default: 500,
    unit: 'accounts',
    help: 'online at most for notices to everybody; above, only to contacts',
  },
  tunnelsPerAccount: { default: 4, unit: 'links', help: 'relayed links of one account' },
  tunnelCreditBytes: { default: 262_144, unit: 'bytes', help: 'on their way through one relayed link, each direction' },
  tunnelBytesPerSecond: { default: 262_144, unit: 'bytes/s', help: 'through one relayed link, each direction' },
  tunnelBytesPerDay: {
    default: 1_073_741_824,
    unit: 'bytes',
    help: 'through the relayed links of one account in a day',
  },
  punchIntervalMs: { default: 10_000, unit: 'ms', help: 'between two tries of a pair to open their NATs' },
  probeIntervalMs: {
    default: 60_000,
    unit: 'ms',
    help: 'between two looks at whether a peer can be reached at its address',
  },
  maxPatternNames: { default: 50_000, unit: 'names', help: 'looked at by one call of users' },
} as const satisfies Record<string, Limit>;

/** A limit's default as it is written on the command line: `64K`, `10s`, or a number and what it counts. */
export function writtenDefault({ default: usual, unit }: Limit): string {
  if (unit === 'bytes') return writeSize(usual);
  if (unit === 'bytes/s') return `${writeSize(usual)}/s`;
  return unit === 'ms' ? writeTime(usual) : `${usual} ${unit}`;
}

export type CenterLimits = { -readonly [Name in keyof typeof limitTable]: number };

/** The defaults, with these changed. */
export function centerLimits(changed: Partial<CenterLimits> = {}): CenterLimits {
  const defaults = Object.entries(limitTable).map(([name, limit]) => [name, limit.default]);
  return { ...(Object.fromEntries(defaults) as CenterLimits), ...changed };
}
