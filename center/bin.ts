#!/usr/bin/env node
// The file that `center` starts: looks at the version of Node before anything is loaded that an old one cannot read (so no
// types here), and sets OpenSSL.
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const neededMajor = 24;
const neededMinor = 15;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/**
 * Begins anew with our settings of OpenSSL, which it reads once, before any JavaScript runs: a twentieth less work for each
 * TLS connection. Does nothing where somebody has settings of their own, or nothing is served.
 */
function setOpenssl() {
  const settings = fileURLToPath(new URL('openssl.cnf', import.meta.url));
  const { env, execArgv, platform } = process;
  const hasOwn =
    'OPENSSL_CONF' in env || [...execArgv, env.NODE_OPTIONS ?? ''].some((text) => text.includes('--openssl-'));
  // HOST PORT. Some command may look like it: that would only start a moment later.
  const isServing = process.argv.some((text, at) => at > 2 && /^\d{1,5}$/.test(text));
  if (hasOwn || !isServing || platform === 'win32' || !existsSync(settings)) return;
  process.execve?.(process.execPath, [
    process.argv0,
    `--openssl-config=${settings}`,
    ...execArgv,
    ...process.argv.slice(1),
  ]);
}

if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) {
  setOpenssl();
  // The build rewrites the endings of imports, not of what is put together.
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const { main } = await import(`./main${ending}`);
  await main();
} else {
  console.error(
    `center needs Node ${neededMajor}.${neededMinor} or later, and this is ${process.versions.node}.\n` +
      'In a checkout of Parley, run it as `npx center …`: that uses the Node that `npm ci` has put there.\n' +
      'Elsewhere, install a newer Node: https://nodejs.org',
  );
  process.exit(1);
}
