// Sizes, times and counts as a person writes them on a command line.

const timeUnits: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const sizeUnits: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** What was written is not a quantity; the text says what would be. */
export class QuantityError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'QuantityError';
  }
}

/** `90s`, `15m`, `1h`, `30d`, `2w`, `250ms` in milliseconds; a bare number counts in bareUnit, or is refused without one. */
export function parseTime(text: string, bareUnit?: 'ms' | 'd'): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w|)$/i.exec(text.trim()) ?? [];
  const factor = timeUnits[unit?.toLowerCase() || (bareUnit ?? '')];
  const timeMs = Math.round(Number(amount) * (factor ?? Number.NaN));
  if (!Number.isSafeInteger(timeMs)) throw new QuantityError('Write a time such as 90s, 15m, 1h, 30d or 2w.');
  return timeMs;
}

/** `4096`, `64K`, `256M`, `1.5G` (powers of 1024; an ending B or iB changes nothing) in bytes. */
export function parseSize(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(amount) * (sizeUnits[unit?.toLowerCase() ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) throw new QuantityError('Write a size such as 4096, 64K, 256M or 10G.');
  return bytes;
}

/** A whole number from min to max. */
export function parseCount(text: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const count = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(count >= min && count <= max)) {
    throw new QuantityError(
      max === Number.MAX_SAFE_INTEGER
        ? `Write a whole number from ${min} up.`
        : `Write a whole number from ${min} to ${max}.`,
    );
  }
  return count;
}

/** The shortest text that parseTime reads as this time: `250ms`, `90s`, `1h`. */
export function writeTime(timeMs: number): string {
  return written(timeMs, [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]], 'ms'); // biome-ignore format: a table
}

/** The shortest text that parseSize reads as these bytes: `1500`, `64K`, `1G`. */
export function writeSize(bytes: number): string {
  return written(bytes, [['T', 2 ** 40], ['G', 2 ** 30], ['M', 2 ** 20], ['K', 2 ** 10]], ''); // biome-ignore format: a table
}

/** In the largest unit that says it exactly. */
function written(amount: number, units: readonly (readonly [string, number])[], least: string): string {
  const [unit, factor] = units.find(([, size]) => amount >= size && amount % size === 0) ?? [least, 1];
  return `${amount / factor}${unit}`;
}

/** 5400000 as `90 minutes`: the largest unit that says it exactly, else whole seconds, rounded up. */
export function tellTime(timeMs: number): string {
  const units: [string, number][] = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ];
  for (const [name, factor] of units) {
    if (timeMs >= factor && timeMs % factor === 0) return countOf(timeMs / factor, name);
  }
  return countOf(Math.ceil(timeMs / 1000), 'second');
}

/** `1 message`, `2 messages`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A time as a person reads it, in UTC: `2026-11-21 09:14 UTC`. */
export function tellDate(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
