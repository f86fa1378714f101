// The last step of the build: what tsc leaves undone in dist/.
import { chmodSync, copyFileSync, existsSync, globSync, rmSync } from 'node:fs';

// A source that was renamed or removed must not stay in the package. (Emptying dist/ first would pull it from
// under the programs that run from it.)
for (const file of globSync('dist/**/*.{js,d.ts}')) {
  const source = file.replace(/^dist\//, '').replace(/(\.d\.ts|\.js)$/, '.ts');
  if (!existsSync(source)) rmSync(file);
}
copyFileSync('center/openssl.cnf', 'dist/center/openssl.cnf');
for (const file of ['protocol.js', 'protocol.d.ts']) copyFileSync(`shared/${file}`, `dist/shared/${file}`);
for (const program of ['center', 'peer']) chmodSync(`dist/${program}/bin.js`, 0o755);
