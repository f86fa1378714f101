// A store's files as a killed center leaves them, the ways in which a disk spoils them, and what is in them afterwards.
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { ActName } from '../../../center/store/acts.ts';
import { Engine } from '../../../center/store/engine.ts';
import type { MailboxRun, MailboxState } from '../../../center/store/store.ts';
import type { Random } from '../../../scripts/selftest/random.ts';
import { makeRun, outboxA, outboxB, positionsFrom, positionsIn } from '../store/run.ts';

export const accounts = positionsFrom(1, 12);
const endings = ['', '-wal', '.tail'];
const runsBefore = 30;
const runsInLog = 15;

/** What was accepted: the positions in each mailbox by account, and of both outboxes how far they came. */
export interface Contents {
  positions: number[][];
  marks: string;
}

/** Fills a database, the last of it still in its log, and copies its files to `to` as `kill -9` would leave them. */
export function leaveKilled(file: string, to: string): Contents {
  const engine = new Engine({ file, reserveBytes: 4096 });
  try {
    const account = (id: number) => ({ id, name: `a${id}`, passwordHash: 'x'.repeat(60), createdAtMs: 1 });
    perform(
      engine,
      accounts.map((id) => ['createAccount', account(id)]),
    );
    for (let first = 1; first <= runsBefore; first++) perform(engine, appends(first));
    perform(
      engine,
      accounts.map((id) => ['discard', id, id]),
    );
    const other = new DatabaseSync(file);
    other.exec('PRAGMA wal_checkpoint(PASSIVE)');
    other.close();
    for (let first = runsBefore + 1; first <= runsBefore + runsInLog; first++) perform(engine, appends(first));
    for (const ending of endings) copyFileSync(file + ending, to + ending);
    return contentsOf(engine);
  } finally {
    engine.close();
  }
}

export function copySpoiled(from: string, to: string): void {
  for (const ending of endings) copyFileSync(from + ending, to + ending);
}

/** One run for each account, of two messages, in one commit. */
function appends(step: number): [ActName, ...unknown[]][] {
  return accounts.map((id) => {
    const outbox = (id + step) % 2 === 0 ? outboxA : outboxB;
    const positions = [2 * step - 1, 2 * step];
    const bodyBytes = 20 + ((id * 997 + step * 331) % 1500);
    return ['append', id, makeRun({ first: 2 * step - 1, positions, outbox, bodyBytes })];
  });
}

function perform(engine: Engine, acts: [ActName, ...unknown[]][]): unknown[] {
  const { results, failures } = engine.run(acts.map(([name, ...asked]) => ({ name, asked })));
  if (failures[0]) throw new Error(failures[0].text);
  return results;
}

/** @throws Error where something cannot be read */
export function contentsOf(engine: Engine): Contents {
  const states = perform(
    engine,
    accounts.map((id) => ['openMailbox', id]),
  ) as MailboxState[];
  const positions = accounts.map((id, index) => {
    const [runs] = perform(engine, [['read', id, 0, 1e9]]) as [MailboxRun[]];
    const all = runs.flatMap(({ frames }) => positionsIn(frames));
    return all.filter((position) => position > (states[index]?.ackedTo ?? 0));
  });
  const marks = perform(
    engine,
    [outboxA, outboxB].map((outbox) => ['outbox', 7, outbox]),
  );
  return { positions, marks: JSON.stringify(marks) };
}

export type Spoiling = 'flip' | 'cut' | 'zeros' | 'garbage';

/** Spoils a file at a random place (in this first share of it); returns what was done, in words. */
export function spoil(path: string, how: Spoiling, random: Random, share = 1): string {
  const bytes = readFileSync(path);
  const at = random.between(0, Math.floor((bytes.length - 1) * share));
  if (how === 'cut') {
    truncateSync(path, at);
    return `cut at ${at} of ${bytes.length}`;
  }
  const sector = at - (at % 512);
  if (how === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << random.between(0, 7));
  else
    for (let i = sector; i < sector + 512 && i < bytes.length; i++)
      bytes[i] = how === 'zeros' ? 0 : random.between(0, 255);
  writeFileSync(path, bytes);
  return `${how} at ${how === 'flip' ? at : sector} of ${bytes.length}`;
}
