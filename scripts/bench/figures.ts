// What is measured: figures of rounds, their medians, and ratios between systems that ran in the same rounds.
import type { LoadResult } from './generator.ts';
import { refusal } from './generator.ts';
import type { SystemName } from './systems.ts';

export interface Figure {
  /** In the row's unit; null where it is refused. */
  value: number | null;
  /** Why it is not to be believed, or what went wrong. */
  refused: string | null;
  p50Us?: number;
  p99Us?: number;
  /** CPU time of the server for each, in microseconds. */
  serverUsEach?: number;
  serverShare?: number;
  loadShare?: number;
}

export interface RowHead {
  name: string;
  title: string;
  unit: string;
  better: 'higher' | 'lower';
  targets: Target[];
}

/** What Parley is to reach: a value, or a multiple of another system's value in the same run. */
export interface Target {
  system: SystemName;
  of: SystemName | null;
  atLeast: number;
}

export interface SystemFigures {
  system: SystemName;
  title: string;
  version: string;
  rounds: Figure[];
}

export interface Row extends RowHead {
  systems: SystemFigures[];
}

/** A figure of a run of the load generator. */
export function figureOf(result: LoadResult, value = result.perSecond): Figure {
  const { p50Us, p99Us, serverUsEach, serverShare, loadShare } = result;
  const refused = refusal(result);
  return {
    value: refused === null ? value : null,
    refused,
    loadShare,
    ...(p50Us === undefined ? {} : { p50Us }),
    ...(p99Us === undefined ? {} : { p99Us }),
    ...(serverUsEach === undefined ? {} : { serverUsEach }),
    ...(serverShare === undefined ? {} : { serverShare }),
  };
}

export function failedFigure(error: unknown): Figure {
  const text = error instanceof Error ? error.message : String(error);
  return { value: null, refused: text.split('\n').at(-1) ?? text };
}

export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of one field over the rounds in which it is known. */
export function medianOf(rounds: readonly Figure[], field: Exclude<keyof Figure, 'refused'>): number | null {
  return median(rounds.map((figure) => figure[field]).filter((value) => typeof value === 'number'));
}

/** How much better than another system: the median of the rounds' ratios, above 1 where it is better; null: unknown. */
export function ratio(row: Row, system: SystemName, other: SystemName): number | null {
  const mine = row.systems.find((one) => one.system === system)?.rounds ?? [];
  const its = row.systems.find((one) => one.system === other)?.rounds ?? [];
  const ratios = mine.flatMap(({ value }, round) => {
    const against = its[round]?.value ?? null;
    if (value === null || against === null || value <= 0 || against <= 0) return [];
    return [row.better === 'higher' ? value / against : against / value];
  });
  return median(ratios);
}

/** Whether a target is met; null where nothing is known. */
export function reached(row: Row, target: Target): { value: number; met: boolean } | null {
  const { system, of, atLeast } = target;
  if (of !== null) {
    const value = ratio(row, system, of);
    return value === null ? null : { value, met: value >= atLeast };
  }
  const value = medianOf(row.systems.find((one) => one.system === system)?.rounds ?? [], 'value');
  if (value === null) return null;
  return { value, met: row.better === 'higher' ? value >= atLeast : value <= atLeast };
}
