// A real terminal for a program: types into it and sees its screen.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pollMs = 25;
const defaultPatienceMs = 20_000;

export interface TmuxOptions {
  columns?: number;
  rows?: number;
  env?: Readonly<Record<string, string>>;
  /** Run by a shell in the same terminal when the program has ended. */
  afterwards?: string;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** One program in one terminal, in a tmux server of its own. close() ends both. */
export class Tmux {
  readonly #socket = `parley-test-${randomUUID()}`;

  /** Starts the program; the screen stays when it ends, with its exit code on a line of its own. */
  static async start(command: readonly string[], options: TmuxOptions = {}): Promise<Tmux> {
    const { columns = 80, rows = 24, env = {}, afterwards = ':' } = options;
    const terminal = new Tmux();
    const set = Object.entries(env).map(([name, value]) => quote(`${name}=${value}`));
    // tmux itself does not always notice that a program has ended: a shell tells, and waits to be killed.
    const told = `env -u NO_COLOR -u PARLEY_PASSWORD "$@"; echo "[ended $?]"; ${afterwards}; exec sleep 3600`;
    const line = ['exec sh -c', quote(told), 'sh', ...set, ...command.map(quote)].join(' ');
    const session = ['new-session', '-d', '-x', String(columns), '-y', String(rows), line];
    await terminal.#tmux('-f', '/dev/null', ...session);
    return terminal;
  }

  async #tmux(...args: string[]): Promise<string> {
    return (await run('tmux', ['-u', '-L', this.#socket, ...args])).stdout;
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', '--', text);
  }

  /** Presses keys by tmux's names: Enter, C-c, Up, Home, … */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  /** Types a line and Enter. */
  async enter(line: string): Promise<void> {
    if (line !== '') await this.type(line);
    await this.press('Enter');
  }

  /** Pastes as a terminal does, in brackets where the program asked for them. */
  async paste(text: string): Promise<void> {
    await this.#tmux('set-buffer', '--', text);
    await this.#tmux('paste-buffer', '-p');
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** What is on the screen and what has left it at the top, without blanks at the ends of rows; wrapped rows stay cut. */
  async screen(): Promise<string> {
    const text = await this.#tmux('capture-pane', '-p', '-S', '-');
    return text.replaceAll(/ +$/gm, '').trimEnd();
  }

  /** The screen as it is painted: with the escape sequences of its colors. */
  async painted(): Promise<string> {
    return await this.#tmux('capture-pane', '-p', '-e', '-S', '-');
  }

  /** Sends a signal to the program. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const shell = await this.#tmux('display-message', '-p', '#{pane_pid}');
    const { stdout } = await run('pgrep', ['-P', shell.trim()]);
    for (const pid of stdout.trim().split('\n')) process.kill(Number(pid), signal);
  }

  /** Column and row of the cursor, from 0. */
  async cursor(): Promise<{ x: number; y: number }> {
    const [x = 0, y = 0] = (await this.#tmux('display-message', '-p', '#{cursor_x} #{cursor_y}'))
      .split(' ')
      .map(Number);
    return { x, y };
  }

  /** Waits until the screen fits; fails with the screen. */
  async sees(wanted: string | RegExp, patienceMs = defaultPatienceMs): Promise<string> {
    const endMs = performance.now() + patienceMs;
    for (;;) {
      const screen = await this.screen();
      if (typeof wanted === 'string' ? screen.includes(wanted) : wanted.test(screen)) return screen;
      if (performance.now() > endMs) throw new Error(`did not see ${wanted} on the screen:\n${screen}`);
      await wait(pollMs);
    }
  }

  /** Waits until the program has ended; resolves with its exit code. */
  async ended(): Promise<number> {
    const ended = /^\[ended (\d+)\]$/m;
    return Number(ended.exec(await this.sees(ended))?.[1]);
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server').catch(() => undefined);
  }
}
