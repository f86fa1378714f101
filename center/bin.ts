#!/usr/bin/env node
// The file that `center` starts: looks at the version of Node before anything is loaded that an old one cannot read.
import process from 'node:process';

const neededMajor = 24;
const neededMinor = 15;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) {
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
