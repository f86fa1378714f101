import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { findProgram } from '../../../scripts/bench/processes.ts';
import { Report } from '../../../scripts/bench/report.ts';

const bench = 'scripts/bench/bench.ts';

/** Ids of the processes of a group that have not ended (proc(5)). */
function groupMembers(group: number): number[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return ids.map(Number).filter((id) => {
    try {
      const afterName = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').at(-1) ?? '';
      const [state, , itsGroup] = afterName.split(' ');
      return Number(itsGroup) === group && state !== 'Z';
    } catch {
      return false;
    }
  });
}

describe('bench', () => {
  let dir: string;
  let running: ChildProcess | null = null;

  beforeEach(function () {
    this.timeout(60_000);
    if (findProgram('cc') === null) this.skip();
    dir = mkdtempSync(join(tmpdir(), 'parley-bench-test-'));
  });

  afterEach(() => {
    if (running?.pid !== undefined && running.exitCode === null) process.kill(-running.pid, 'SIGKILL');
    running = null;
    rmSync(dir, { recursive: true, force: true });
  });

  /** In a group of its own, so that what it leaves behind can be seen. */
  function start(...args: string[]) {
    const child = spawn(process.execPath, [bench, '--systems', 'relay', ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: dir },
    });
    running = child;
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      output.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output.stderr += chunk;
    });
    const said = async (stream: 'stdout' | 'stderr', text: string) => {
      while (!output[stream].includes(text)) {
        if (child.exitCode !== null) throw new Error(`it ended without ${text}: ${output.stderr}`);
        await once(child[stream], 'data');
      }
    };
    return { child, output, said, closed: once(child, 'close') };
  }

  it('has printed what it measured when it is interrupted, and leaves nothing behind', async function () {
    this.timeout(60_000);
    const { child, output, said, closed } = start('--rows', 'relay', '--rounds', '2', '--seconds', '0.1');
    await said('stdout', '(relay-1, msg/s)');
    await said('stderr', 'relay-32, about');
    child.kill('SIGINT');
    const [status] = await closed;
    expect(status).to.equal(130);
    expect(output.stdout).to.match(/relay-1, msg\/s\)\n.*\n +bare relay /);
    expect(output.stderr).to.match(/1\/2 +bare relay .* about \d+ s left/);
    while (groupMembers(child.pid!).length > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(readdirSync(dir)).to.deep.equal([]);
  });

  it('interrupted in a row, shows its rounds so far, as JSON too', async function () {
    this.timeout(60_000);
    const { child, output, said, closed } = start(
      '--rows',
      'relay-1',
      '--rounds',
      '1000',
      '--seconds',
      '0.1',
      '--json',
    );
    await said('stderr', '1/1000');
    child.kill('SIGTERM');
    const [status] = await closed;
    expect(status).to.equal(130);
    const { interrupted, rows } = JSON.parse(output.stdout);
    expect(interrupted).to.equal(true);
    expect(rows[0].name).to.equal('relay-1');
    expect(rows[0].systems[0].rounds).to.be.an('array').that.is.not.empty;
    const all = ['value', 'refused', 'p50Us', 'p99Us', 'serverUsEach', 'serverShare', 'loadShare'];
    expect(rows[0].systems[0].rounds[0]).to.have.all.keys(all);
  });

  it('says where no row is called like that', async function () {
    this.timeout(60_000);
    const { output, closed } = start('--rows', 'relay-1,nothing');
    expect((await closed)[0]).to.equal(1);
    expect(output.stderr).to.include('No row begins with nothing.');
  });

  it('says where no system is called like that', async function () {
    this.timeout(60_000);
    const { output, closed } = start('--systems', 'relay,parly');
    expect((await closed)[0]).to.equal(1);
    expect(output.stderr).to.include('No system is called parly.');
  });

  it('names what is not installed, in what it prints as well', () => {
    const machine = { node: '26' };
    const absent = [{ system: 'nats', title: 'NATS core', missing: 'apt-get install nats-server' }];
    let text = '';
    const write = (more: string) => {
      text += more;
    };
    new Report(machine, absent, { isJson: false, write }).end({ interrupted: false });
    expect(text).to.include('not installed and left out: NATS core (apt-get install nats-server)\n');
    text = '';
    new Report(machine, absent, { isJson: true, write }).end({ interrupted: false });
    expect(JSON.parse(text)).to.deep.include({ leftOut: absent, interrupted: false });
  });
});
