// The figures as text: a block for each row, with ratios, and what was to be reached.
import { type Figure, medianOf, type Row, ratio, reached, type Target } from './figures.ts';
import type { SystemName } from './systems.ts';

const columns = [
  '',
  'median',
  'of relay',
  'by CPU',
  'Parley: times it',
  'p50',
  'p99',
  'CPU each',
  'server',
  'load',
] as const;
/** What stands beside a system: Parley over the same transport. */
const counterpart = (system: SystemName): SystemName => (system.endsWith('-tls') ? 'parley-tls' : 'parley');
/** The yardstick of a system: the bare relay over the same transport. */
const yardstick = (system: SystemName): SystemName => (system.endsWith('-tls') ? 'relay-tls' : 'relay');

export function renderTable(rows: readonly Row[]): string {
  return rows.map(renderRow).join('\n');
}

function renderRow(row: Row): string {
  const cells = [[...columns], ...row.systems.map(({ title, system, rounds }) => line(row, title, system, rounds))];
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const table = cells.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
  return [`${row.title} (${row.name}, ${row.unit})`, ...table, ...notes(row), ...verdicts(row), ''].join('\n');
}

function line(row: Row, title: string, system: SystemName, rounds: Figure[]): string[] {
  const times = ratio(row, system, yardstick(system));
  const parley = counterpart(system);
  const parleyTimes = system === parley ? null : ratio(row, parley, system);
  return [
    `  ${title}`,
    amount(medianOf(rounds, 'value'), row.unit),
    times === null ? '' : times.toFixed(2),
    byCpu(row, rounds, yardstick(system)),
    parleyTimes === null ? '' : parleyTimes.toFixed(2),
    micros(medianOf(rounds, 'p50Us')),
    micros(medianOf(rounds, 'p99Us')),
    micros(medianOf(rounds, 'serverUsEach')),
    share(medianOf(rounds, 'serverShare')),
    share(medianOf(rounds, 'loadShare')),
  ];
}

/** The same ratio from CPU time: what it would be if the server had had its core for itself. */
function byCpu(row: Row, rounds: Figure[], relay: SystemName): string {
  const mine = medianOf(rounds, 'serverUsEach');
  const its = medianOf(row.systems.find(({ system }) => system === relay)?.rounds ?? [], 'serverUsEach');
  return mine === null || its === null ? '' : (its / mine).toFixed(2);
}

function notes({ systems }: Row): string[] {
  return systems.flatMap(({ title, rounds }) => {
    const refused = rounds.filter((figure) => figure.refused !== null);
    if (refused.length === 0) return [];
    const reasons = [...new Set(refused.map((figure) => figure.refused))].join('; ');
    return [`    refused, ${title}, ${refused.length} of ${rounds.length}: ${reasons}`];
  });
}

function verdicts(row: Row): string[] {
  return row.targets.flatMap((target) => {
    const found = reached(row, target);
    if (found !== null) return [`    ${found.met ? 'reached' : 'MISSED '}  ${describe(row, target, found.value)}`];
    const wasMeasured = row.systems.some(({ system }) => system === target.system);
    return wasMeasured ? [`    unknown  ${describe(row, target, null)}`] : [];
  });
}

function describe(row: Row, { system, of, atLeast }: Target, value: number | null): string {
  if (of !== null) return `${system} / ${of}: ${value?.toFixed(2) ?? '–'} (to reach: ${atLeast})`;
  const bound = row.better === 'higher' ? 'at least' : 'at most';
  return `${system}: ${amount(value, row.unit)} (to reach: ${bound} ${amount(atLeast, row.unit)})`;
}

/** A figure in the row's unit. */
export function amount(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === 's') return `${value.toFixed(2)} s`;
  if (unit === 'bytes') return `${(value / 1000).toFixed(1)} kB`;
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en-US');
}

function micros(value: number | null): string {
  if (value === null) return '';
  if (value < 10) return `${value.toFixed(2)} us`;
  return value < 10_000 ? `${Math.round(value)} us` : `${Math.round(value / 1000)} ms`;
}

function share(value: number | null): string {
  return value === null ? '' : `${Math.round(value * 100)} %`;
}
