// The package as it is published: installed into an empty project, it runs both programs and gives both libraries.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const systemNode = '/usr/bin/node';

interface Outcome {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

describe('the package', function () {
  this.timeout(120_000);
  let project: string;
  let env: NodeJS.ProcessEnv;

  /** Runs to the end, in the project; input is all that stdin gives. */
  async function run(command: string, args: string[], input = ''): Promise<Outcome> {
    const child = promisify(execFile)(command, args, { cwd: project, env, timeout: 60_000 });
    // A program may end before it has read anything.
    child.child.stdin?.on('error', () => undefined).end(input);
    return child.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  }

  const bin = (name: string): string => join(project, 'node_modules', '.bin', name);

  before(async () => {
    expect(existsSync(join(root, 'dist/center/bin.js')), 'npm run build comes first').to.equal(true);
    project = mkdtempSync(join(tmpdir(), 'parley-package-'));
    // A home of its own, so that nothing is read from or left in the tester's; npm's settings and cache stay.
    env = {
      ...process.env,
      XDG_DATA_HOME: join(project, 'data'),
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    };
    mkdirSync(join(project, 'data'));
    writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }');
    const npm = (args: string[], cwd: string) => promisify(execFile)('npm', args, { cwd, env, timeout: 100_000 });
    await npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', project], root);
    const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'));
    await npm(['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`], project);
  });

  after(() => rmSync(project, { recursive: true, force: true }));

  it('holds what runs, the contract and the pages, and nothing of development', () => {
    const installed = join(project, 'node_modules', 'parley-chat');
    expect(readdirSync(installed)).to.have.members([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist',
      'docs',
      'package.json',
      'shared',
    ]);
    expect(readdirSync(join(installed, 'dist'))).to.have.members(['center', 'peer', 'scripts', 'shared']);
    expect(readdirSync(join(installed, 'dist', 'scripts'))).to.deep.equal(['selftest']);
    expect(readdirSync(join(installed, 'shared'))).to.deep.equal(['protocol.proto']);
    for (const name of ['node', 'typescript', 'mocha', 'protobufjs-cli']) {
      expect(existsSync(join(project, 'node_modules', name)), name).to.equal(false);
    }
  });

  for (const program of ['center', 'peer']) {
    it(`runs ${program} --help and --version`, async () => {
      expect(await run(bin(program), ['--version'])).to.deep.include({ code: 0, stdout: `${version}\n` });
      const help = await run(bin(program), ['--help']);
      expect(help.code).to.equal(0);
      expect(help.stdout).to.match(new RegExp(`^Usage: ${program} `));
    });

    it(`says what to do where Node is too old for ${program}`, async function () {
      const old = await run(systemNode, ['--version']);
      if (old.code !== 0 || Number(/^v(\d+)/.exec(old.stdout)?.[1]) >= 24) this.skip();
      const outcome = await run(systemNode, [join(project, 'node_modules/parley-chat/dist', program, 'bin.js')]);
      expect(outcome.code).to.be.greaterThan(0);
      expect(outcome.stdout).to.equal('');
      expect(outcome.stderr).to.match(/Node.* 24\.15/);
    });
  }

  it('holds a conversation in pipes', async () => {
    const center = spawn(bin('center'), ['localhost', '0', '--data', join(project, 'data', 'center')], {
      cwd: project,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const port = await portOf(center.stdout);
      const peer = (args: string[], input: string) => run(bin('peer'), ['localhost', port, ...args], input);
      const google = await peer(['--register'], 'google\nsummerisover\nsummerisover\n');
      expect(google).to.deep.include({ code: 0 });
      const seas = await peer(['--register'], 'seas\nsummerisover\nsummerisover\nmessage google Hello.\n');
      expect(seas, seas.stderr).to.deep.include({ code: 0 });
      expect(seas.stdout).to.contain('Welcome, seas!');
      const again = await peer([], 'google\nsummerisover\n');
      expect(again.stdout).to.contain('You have 1 message waiting.').and.to.contain('<seas>: Hello.');
    } finally {
      const ended = new Promise((resolve) => center.once('exit', resolve));
      center.kill('SIGTERM');
      expect(await ended).to.equal(0);
    }
  });

  it('tests itself on the disk of its operator', async () => {
    const args = ['selftest', '--rounds', '2', '--messages', '300', '--json', '--dir', join(project, 'data')];
    const tested = await run(bin('center'), args);
    expect(tested, tested.stderr).to.deep.include({ code: 0 });
    const verdict = JSON.parse(tested.stdout);
    expect(verdict).to.include({ lost: 0, duplicated: 0, reordered: 0, rounds: 2 });
    expect(verdict.accepted).to.be.greaterThan(0);
    expect(readdirSync(join(project, 'data')).filter((name) => name.startsWith('selftest'))).to.deep.equal([]);
  });

  it('gives both libraries, and their types', async () => {
    const program = `
      import { Peer } from 'parley-chat';
      import { Center } from 'parley-chat/center';
      const center: Center = await Center.start({ host: 'localhost', port: 0, dataDir: 'data/embedded', bcryptCost: 4 });
      const peer: Peer = new Peer({ host: 'localhost', port: center.port, dataDir: 'data/library' });
      await peer.register('seas', 'summerisover');
      const sent = await peer.send('seas', 'Hello.', { until: 'stored' });
      console.log(peer.name, sent.state);
      await peer.close();
      await center.stop();
    `;
    writeFileSync(join(project, 'program.ts'), program);
    const ran = await run(process.execPath, ['program.ts']);
    expect(ran, ran.stderr).to.deep.include({ code: 0, stdout: 'seas stored\n' });
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const typeRoots = ['--typeRoots', join(root, 'node_modules/@types')];
    const checked = await run(join(root, 'node_modules/.bin/tsc'), [...options, ...typeRoots, 'program.ts']);
    expect(checked, checked.stdout).to.deep.include({ code: 0 });
  });
});

/** Reads on to the line in which the center says where it listens. */
async function portOf(stdout: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface(stdout)) {
    const [, port] = /listens on .*:(\d+)$/.exec(line) ?? [];
    if (port !== undefined) return port;
  }
  throw new Error('The center ended before it listened.');
}
