#!/usr/bin/env node
// The program `peer`: looks whether this Node can run it, then runs main.ts. Must itself be readable by Node 20.
import process from 'node:process';

const needed = [24, 15] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(
    `peer needs Node ${needed.join('.')} or later, and this is ${process.version}.\n` +
      'In a checkout, run `npm ci` once and then `npx peer`: it brings the Node it needs.\n' +
      'Anywhere else, install a newer Node: https://nodejs.org\n',
  );
  process.exitCode = 2;
} else {
  const { main } = await import('./main.ts');
  await main(process.argv);
}
