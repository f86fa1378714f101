// The SQLite engine: the conformance suite, and what is its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../../center/store/sqlite.ts';
import { storeConformance } from './conformance.ts';

storeConformance('sqlite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'parley-store-'));
  return {
    open: () => openSqliteStore({ file: join(dir, 'center.db'), reserveBytes: 4096 }),
    remove: () => rm(dir, { recursive: true }),
  };
});
