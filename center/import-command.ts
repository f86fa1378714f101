// The command `center user import`: an account for each line of a credentials file.
import { createReadStream } from 'node:fs';
import { safeLine } from '../shared/text.ts';
import { AdminError, CenterLost } from './acts.ts';
import { readCredentials } from './credentials.ts';
import type { ProgramIo } from './io.ts';
import { fileError } from './new-password.ts';
import type { OpenAdmin } from './operate.ts';
import { countOf } from './quantities.ts';

/** A progress line on a terminal is drawn at most so often. */
const progressMs = 200;

/** file `-` is stdin. Resolves with the exit code, 1 where a line failed; lines that are right are done all the same. */
export async function importUsers(file: string, open: OpenAdmin, io: ProgramIo): Promise<number> {
  const source = file === '-' ? io.stdin : createReadStream(file);
  const shownFile = file === '-' ? 'stdin' : safeLine(file);
  const counts = { added: 0, existing: 0, failed: 0 };
  const progress = progressLine(io);
  const tell = (line: number, text: string) => {
    progress.clear();
    io.stderr.write(`${shownFile}:${line}: ${text}\n`);
  };
  const addOne = async (line: number, name: string, password: string) => {
    try {
      const { added } = await open.admin({ act: 'add', name, password });
      counts[added ? 'added' : 'existing']++;
      if (!added) tell(line, `${name} exists already and is left as it is.`);
    } catch (error) {
      if (!(error instanceof AdminError) || error instanceof CenterLost) throw error;
      counts.failed++;
      tell(line, error.message);
    }
    progress.show(`${countOf(counts.added, 'account')} added…`);
  };
  const running = new Set<Promise<void>>();
  try {
    for await (const credential of readCredentials(source)) {
      if ('error' in credential) {
        counts.failed++;
        tell(credential.line, credential.error);
        continue;
      }
      const work = addOne(credential.line, credential.name, credential.password).finally(() => running.delete(work));
      running.add(work);
      if (running.size >= open.hashesAtOnce) await Promise.race(running);
    }
    await Promise.all(running);
  } catch (error) {
    await Promise.allSettled(running);
    progress.clear();
    const looked = counts.added + counts.existing + counts.failed > 0;
    if (looked) io.stderr.write(`${summary(counts)} The rest was not looked at; the same command goes on from here.\n`);
    throw fileError(error, shownFile);
  }
  progress.clear();
  io.stdout.write(`${summary(counts)}\n`);
  return counts.failed > 0 ? 1 : 0;
}

function summary(counts: { added: number; existing: number; failed: number }): string {
  const existed = counts.existing > 0 ? `, ${counts.existing} existed already` : '';
  const failed = counts.failed > 0 ? `, ${countOf(counts.failed, 'line')} failed` : '';
  return `${countOf(counts.added, 'account')} added${existed}${failed}.`;
}

/** One line of a terminal that is drawn over itself; nothing where stderr is none. */
function progressLine({ stderr }: ProgramIo): { show(text: string): void; clear(): void } {
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  let drawn = false;
  return {
    show: (text) => {
      if (!stderr.isTTY || performance.now() - drawnAtMs < progressMs) return;
      drawnAtMs = performance.now();
      drawn = true;
      stderr.write(`\r\u001b[K${text}`);
    },
    clear: () => {
      if (drawn) stderr.write('\r\u001b[K');
      drawn = false;
    },
  };
}
