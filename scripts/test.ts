// What `npm test` does, step by step; its last line says how many tests passed and failed.
// Arguments go to mocha: `npm test -- --grep displaced`.
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const stepTimeoutMs = 10 * 60_000;
const inCi = process.env.CI === 'true';
const scratch = mkdtempSync(join(tmpdir(), 'parley-test-'));
const countsFile = join(scratch, 'counts.json');
const compileCache = join(import.meta.dirname, '../node_modules/.cache/node-compile');

/** These start programs and wait for them: begun first, they do not keep one job busy after the others are done. */
const longest = ['test/e2e/', 'test/center/program', 'test/package', 'test/peer/reconnection', 'test/scripts/'];
const jobs = 4;

function testFiles(): string[] {
  const rank = (file: string) => (longest.some((start) => file.startsWith(start)) ? 0 : 1);
  return globSync('test/**/*.test.ts').sort((a, b) => rank(a) - rank(b));
}

const mochaArguments = ['--parallel', '--jobs', String(jobs), '--reporter', 'scripts/count-reporter.ts'];
if (inCi) mochaArguments.push('--forbid-only');
const steps: readonly (readonly [title: string, command: string, ...args: string[]])[] = [
  ['format and lint', 'biome', ...(inCi ? ['ci', '--colors=off', '.'] : ['check', '--write', '.'])],
  ['build', 'npm', 'run', '--silent', 'build'],
  ['types', 'tsc', '--noEmit', '-p', '.'],
  ['tests', 'mocha', ...mochaArguments, ...process.argv.slice(2), ...testFiles()],
];

function run(command: string, args: readonly string[]): boolean {
  const env = {
    ...process.env,
    PARLEY_TEST_COUNTS: countsFile,
    // The tests start programs by the hundred: as they were built, which is what is shipped, and compiled once.
    PARLEY_TEST_BUILT: '1',
    NODE_COMPILE_CACHE: compileCache,
  };
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env, timeout: stepTimeoutMs });
  if (error !== undefined) console.error(error.message);
  return status === 0;
}

/** null: mocha did not come to its end. */
function readCounts(): { passed: number; failed: number } | null {
  try {
    return JSON.parse(readFileSync(countsFile, 'utf8'));
  } catch {
    return null;
  }
}

const failedStep = steps.find(([title, command, ...args]) => {
  console.log(`\n--- ${title}`);
  return !run(command, args);
});
const { passed, failed } = readCounts() ?? { passed: 0, failed: 0 };
rmSync(scratch, { recursive: true });
if (failedStep !== undefined) console.log(`\nfailed: ${failedStep[0]}`);
process.exitCode = failedStep === undefined && passed > 0 ? 0 : 1;
// A step that failed counts as one, so that the line never says that all is well when it is not.
console.log(`${passed} passed, ${failedStep === undefined ? failed : Math.max(failed, 1)} failed`);
