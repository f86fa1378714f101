// Draws docs/conversation.svg: two peers in tmux, typing what is below, and their screens as they then are.
// Needs tmux, a build (npm ci) and ports 6066 to 6068: node scripts/picture.ts
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const columns = 58;
const rows = 24;
const passwords: Record<string, string> = { seas: 'summerisover', google: 'hasthesky' };
const ports: Record<string, number> = { seas: 6067, google: 6068 };
const patienceMs = 15_000;

const characterWidth = 8;
const lineHeight = 18;
const padding = 14;
const titleHeight = 26;
const background = '#1b1e25';
const foreground = '#d8dbe2';
/** By SGR code. */
const colours: Record<number, string> = {
  31: '#f07178', 32: '#a5d6a7', 33: '#ffcb6b', 34: '#82aaff', 35: '#c792ea', 36: '#89ddff', 90: '#8a90a0',
}; // biome-ignore format: a table

const directory = mkdtempSync(join(tmpdir(), 'parley-picture-'));
const socket = join(directory, 'tmux');

function tmux(...args: string[]): string {
  return execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' });
}

/** Types a line, then waits for this text in the last lines of somebody's screen. */
async function type(who: string, line: string, sees: string, then = who): Promise<void> {
  tmux('send-keys', '-t', who, '-l', line);
  await wait(300);
  tmux('send-keys', '-t', who, 'Enter');
  await seen(then, sees);
}

async function seen(who: string, text: string): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!tmux('capture-pane', '-p', '-t', who).trimEnd().split('\n').slice(-4).join('\n').includes(text)) {
    if (performance.now() > endMs)
      throw new Error(`${who} does not see ${text}:\n${tmux('capture-pane', '-p', '-t', who)}`);
    await wait(50);
  }
}

async function logIn(who: string): Promise<void> {
  await type(who, `npx peer localhost 6066 localhost ${ports[who]}`, 'Username:');
  await type(who, who, 'Password:');
  await type(who, passwords[who]!, `Welcome, ${who}!`);
}

async function talk(): Promise<void> {
  await logIn('seas');
  await logIn('google');
  await type('seas', 'message google Hello! Tea at five?', '(stored) to google');
  await type('google', 'message seas Gladly.', '(stored) to seas');
  await type('google', 'quit', 'google is offline.', 'seas');
  await type('seas', 'message google Bring the biscuits.', 'to google: Bring');
  await logIn('google');
  await seen('google', 'Bring the biscuits.');
  await seen('seas', 'google has logged on.');
  await seen('seas', '(stored) to google: Bring');
  await type('seas', 'getaddress google', 'Request: seas wants your address.', 'google');
  await type('google', 'allow seas', 'You can now privately message google', 'seas');
  await type('seas', 'private google It is a surprise for al.', '(private) <seas>: It is', 'google');
  await type('google', 'private seas I shall say nothing.', '(private) <google>: I shall', 'seas');
  await seen('google', '(private) to seas: I shall');
  await seen('seas', '(private) to google: It is');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A line with its colours, as tspans. SGR codes hold on from line to line, as in tmux's capture. */
function draw(line: string, style: { colour: string; dim: boolean }): string {
  let drawn = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what tmux writes
  for (const [, codes, text = ''] of line.matchAll(/(?:\u001b\[([\d;]*)m)?([^\u001b]*)/g)) {
    for (const code of codes === undefined ? [] : codes.split(';').map(Number)) {
      if (code === 0 || code === 39) style.colour = foreground;
      if (code === 0 || code === 22) style.dim = false;
      if (code === 2) style.dim = true;
      style.colour = colours[code] ?? style.colour;
    }
    const attributes = `fill="${style.colour}"${style.dim ? ' opacity="0.65"' : ''}`;
    if (text !== '') drawn += `<tspan ${attributes}>${escapeXml(text)}</tspan>`;
  }
  return drawn;
}

function screen(who: string, left: number): string {
  const style = { colour: foreground, dim: false };
  const lines = tmux('capture-pane', '-e', '-p', '-t', who).split('\n').slice(0, rows);
  const texts = lines.map((line, index) => {
    const y = titleHeight + padding + lineHeight * (index + 0.7);
    return `<text x="${left + padding}" y="${y}" xml:space="preserve">${draw(line, style)}</text>`;
  });
  const width = columns * characterWidth + 2 * padding;
  const height = rows * lineHeight + 2 * padding + titleHeight;
  const title = `<text x="${left + width / 2}" y="18" text-anchor="middle" fill="#8a90a0">${who}</text>`;
  return `<rect x="${left}" width="${width}" height="${height}" rx="8" fill="${background}"/>\n${title}\n${texts.join('\n')}`;
}

function picture(): string {
  const width = columns * characterWidth + 2 * padding;
  const height = rows * lineHeight + 2 * padding + titleHeight;
  const font = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * width + padding} ${height}" font-family="${font}" font-size="13.3">
<title>A conversation of two peers: google gets at its next login what was sent while it was away, then they talk privately.</title>
${screen('seas', 0)}
${screen('google', width + padding)}
</svg>
`;
}

// Not by npx, which would leave it behind when it is killed itself.
const center = spawn(
  'dist/center/bin.js',
  ['localhost', '6066', '--log-level', 'warn', '--data', join(directory, 'center')],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
try {
  await once(center.stdout, 'data');
  for (const [who, password] of Object.entries(passwords)) {
    const env = { ...process.env, XDG_DATA_HOME: join(directory, who) };
    const input = `${who}\n${password}\n${password}\n`;
    execFileSync('npx', ['peer', 'localhost', '6066', '--register'], { input, env, stdio: 'pipe' });
    const shell = `XDG_DATA_HOME=${env.XDG_DATA_HOME} PS1='$ ' exec sh`;
    tmux('new-session', '-d', '-s', who, '-x', String(columns), '-y', String(rows), shell);
  }
  tmux('set-option', '-g', 'status', 'off');
  await talk();
  writeFileSync('docs/conversation.svg', picture());
} finally {
  tmux('kill-server');
  center.kill();
  rmSync(directory, { recursive: true, force: true });
}
