// Time that passes while a center is down, for what counts in days.
import { join } from 'node:path';
import { storeFile } from '../../center/center.ts';
import { openSqliteStore } from '../../center/store/sqlite.ts';

export const dayMs = 86_400_000;

/** The center that is stopped here starts so many days later, as it sees it: its time never goes back behind what it saved. */
export async function letDaysPass(dataDir: string, days: number): Promise<void> {
  const store = await openSqliteStore({ file: join(dataDir, storeFile) });
  await store.saveTime(Date.now() + days * dayMs);
  await store.close();
}
