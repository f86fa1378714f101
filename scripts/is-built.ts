// Exits with 0 if dist/ is newer than everything that it is built from. npm runs `prepare` not only after an
// install: some versions run it at every `npx`, and then a build is slow and pulls dist/ from under its neighbours.
import { globSync, statSync } from 'node:fs';

const sources = [
  '{center,peer,shared,scripts/selftest}/**/*.{ts,proto,cnf}',
  'package.json',
  'tsconfig*.json',
  'scripts/finish-build.ts',
];
const newestMs = Math.max(...globSync(sources).map((file) => statSync(file).mtimeMs));
// Written last.
const builtMs = statSync('dist/shared/protocol.js', { throwIfNoEntry: false })?.mtimeMs ?? 0;
process.exitCode = builtMs > newestMs ? 0 : 1;
