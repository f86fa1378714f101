// What the pages say is true of the code: their tables are complete, and the README's examples run.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Center } from '../center/index.ts';
import { limitTable, writtenDefault } from '../center/limits.ts';
import { helpLines, peerCommands } from '../peer/commands.ts';
import { exitCodes } from '../peer/front.ts';
import { Peer } from '../peer/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = ['README.md', 'CHANGELOG.md'].concat(
  ['architecture', 'json', 'links', 'operations', 'protocol', 'security'].map((name) => `docs/${name}.md`),
);

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The rows of the table with this head, each as its cells. */
function tableAfter(text: string, head: string): string[][] {
  const lines = text.slice(text.indexOf(head)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  const rows = lines.slice(2, end).map((line) => line.slice(1, -1).split(/(?<!\\)\|/));
  return rows.map((cells) => cells.map((cell) => cell.trim().replaceAll('\\|', '|').replaceAll('`', '')));
}

function codeBlock(page: string, containing: string): string {
  const blocks = [...read(page).matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code);
  const block = blocks.find((code) => code.includes(containing));
  if (block === undefined) throw new Error(`${page} has no block with ${containing}`);
  return block;
}

describe('the pages', () => {
  it('link to files that exist', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).to.deep.equal([]);
  });

  it('list every command of the peer, as help does', () => {
    const expected = peerCommands.map((name) => helpLines(name).map((line) => line.trim().replaceAll('`', '')));
    expect(tableAfter(read('README.md'), '| command |')).to.deep.equal(expected);
    const inJson = tableAfter(read('docs/json.md'), '| command |').flatMap(([names = '']) => names.split(', '));
    expect(inJson).to.have.members(peerCommands);
  });

  it('list every exit code of the peer', () => {
    const codes = tableAfter(read('README.md'), '| exit code |').map(([code]) => Number(code));
    expect(codes).to.have.members(Object.values(exitCodes));
  });

  it('list every limit of the center with its default', () => {
    const expected = Object.entries(limitTable).map(([name, limit]) => [
      `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      writtenDefault(limit),
      limit.help,
    ]);
    expect(tableAfter(read('docs/operations.md'), '| option | default |')).to.deep.equal(expected);
  });
});

describe('the examples of README.md', function () {
  this.timeout(60_000);
  let directory: string;
  let center: Center;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'parley-readme-'));
    const dataDir = join(directory, 'center');
    center = await Center.start({ host: 'localhost', port: 0, dataDir, bcryptCost: 4 });
  });

  afterEach(async () => {
    await center.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Writes an example to a file, with what is installed and where the center is taken from here. */
  function writeExample(code: string): string {
    const file = join(directory, 'example.mjs');
    const here = code
      .replace("'parley-chat'", JSON.stringify(new URL('../peer/index.ts', import.meta.url).href))
      .replace("'parley-chat/center'", JSON.stringify(new URL('../center/index.ts', import.meta.url).href))
      .replace('port: 6066', `port: ${code.includes('Center') ? 0 : center.port}`);
    writeFileSync(file, here);
    return file;
  }

  it('the echo bot, of ten lines at most, answers', async () => {
    const code = codeBlock('README.md', 'Peer');
    expect(code.trim().split('\n')).to.have.lengthOf.at.most(10);
    const peer = new Peer({ host: 'localhost', port: center.port, dataDir: join(directory, 'seas') });
    const echo = new Peer({ host: 'localhost', port: center.port, dataDir: join(directory, 'echo') });
    await echo.register('echo', 'summerisover');
    await echo.logout();
    const bot = spawn(process.execPath, [writeExample(code)], {
      cwd: directory,
      env: { ...process.env, PARLEY_PASSWORD: 'summerisover', XDG_DATA_HOME: join(directory, 'bot') },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const ended = new Promise((resolve) => bot.once('exit', resolve));
    try {
      await peer.register('seas', 'summerisover');
      await peer.send('echo', 'Is anybody there?');
      for await (const message of peer.messages()) {
        expect(message).to.include({ from: 'echo', text: 'Is anybody there?' });
        break;
      }
    } finally {
      await peer.close();
      bot.kill();
      await ended;
    }
  });

  it('a center inside a program starts, and stops at SIGTERM', async () => {
    const program = spawn(process.execPath, [writeExample(codeBlock('README.md', 'Center'))], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => program.once('exit', resolve));
    const [line] = (await program.stdout.take(1).toArray()) as Buffer[];
    expect(String(line)).to.match(/^listening on port \d+, fingerprint SHA256:/);
    program.kill('SIGTERM');
    expect(await ended).to.equal(0);
  });

  it('the lines for a shell do what is said', async () => {
    const lines = [...read('README.md').matchAll(/^ {4}(?:\$ )?(printf .* \| npx peer localhost 6066.*)$/gm)].map(
      ([, line = '']) => line,
    );
    const register = lines.find((line) => line.includes('--register')) ?? '';
    const others = lines.filter((line) => line !== register);
    expect(others).to.have.lengthOf.at.least(2);
    const run = async (line: string, data: string): Promise<string> => {
      const bin = [process.execPath, join(root, 'peer/bin.ts'), 'localhost', center.port].join(' ');
      const here = line.replace('npx peer localhost 6066', `${bin} --data ${join(directory, data)}`);
      return (await promisify(execFile)('/bin/sh', ['-c', here])).stdout;
    };
    await run(register.replaceAll('seas', 'google'), 'google');
    expect(await run(register, 'seas')).to.contain('Welcome, seas!');
    const outputs: string[] = [];
    for (const line of others) outputs.push(await run(line, 'seas'));
    expect(outputs[0]).to.contain('to google: Hello');
    for (const line of (outputs[1] ?? '').trim().split('\n')) expect(() => JSON.parse(line)).to.not.throw();
  });
});
