// The terminal of whoever uses the peer: the only file that reads its keys, sets its mode and writes to it.
import process from 'node:process';
import { StringDecoder } from 'node:string_decoder';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Question } from './command.ts';
import { DumbScreen } from './dumb-screen.ts';
import { type Key, KeyReader } from './keys.ts';
import { complete, emptyLine, type LineState, pressKey, refusal, remember } from './line-editor.ts';
import { Output } from './output.ts';
import { paint } from './paint.ts';
import type { Line } from './render.ts';
import { type Footer, Screen } from './screen.ts';
import { wrapWords } from './wrapping.ts';

/** Keys pressed while nothing is asked are kept for the next question, up to here. */
export const maxKeysAhead = 4_096;
const fallbackColumns = 80;
const fallbackRows = 24;

const enterPasteMode = '\x1b[?2004h';
const leavePasteMode = '\x1b[?2004l';
const clearScreen = '\x1b[H\x1b[2J';

export interface Asked extends Question {
  /** Lines are remembered, and the arrow keys bring them back. */
  remembered?: boolean;
  /** What Tab may complete, given the text before the cursor. */
  complete?: (before: string) => readonly string[];
  /** Takes the question back. */
  signal?: AbortSignal;
  /** What stands on the line at first. */
  text?: string;
}

export type Answer =
  | { type: 'line'; text: string }
  /** Ctrl-C or Ctrl-D on an empty line. */
  | { type: 'leave' }
  /** The question was taken back. */
  | { type: 'withdrawn'; text: string };

interface Asking {
  question: Asked;
  line: LineState;
  answer: (answer: Answer) => void;
}

export interface TerminalOptions {
  input: ReadStream;
  output: WriteStream;
  color: boolean;
  /** It cannot move its cursor (TERM=dumb). */
  dumb: boolean;
}

/** open() takes the terminal, close() gives it back as it was, at any time and more than once. */
export class Terminal {
  /** Somebody wants to leave while nothing is being asked, or the terminal is gone. */
  onLeave: () => void = () => undefined;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #written: Output;
  readonly #color: boolean;
  readonly #screen: Screen | DumbScreen;
  readonly #dumb: boolean;
  readonly #keys = new KeyReader();
  readonly #decoder = new StringDecoder('utf8');
  #history: readonly string[] = [];
  #status: readonly string[] = [];
  #asking: Asking | null = null;
  #ahead: Key[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #state: 'closed' | 'open' = 'closed';

  constructor(options: TerminalOptions) {
    this.#input = options.input;
    this.#output = options.output;
    this.#written = new Output((text, done) => this.#output.write(text, done));
    this.#color = options.color;
    this.#dumb = options.dumb;
    this.#screen = options.dumb ? new DumbScreen() : new Screen();
  }

  /** False where status lines are not shown. */
  get showsStatus(): boolean {
    return !this.#dumb;
  }

  open(): void {
    this.#input.on('data', this.#onData).on('end', this.#onGone).on('error', this.#onGone);
    this.#output.on('resize', this.#onResize).on('error', this.#onGone);
    process.on('SIGTSTP', this.#onSuspend).on('SIGCONT', this.#onContinue);
    this.#take();
    this.#input.resume();
  }

  close(): void {
    this.#release();
    this.#input.off('data', this.#onData).off('end', this.#onGone);
    this.#output.off('resize', this.#onResize);
    process.off('SIGTSTP', this.#onSuspend).off('SIGCONT', this.#onContinue);
    this.#input.pause();
  }

  /** Asks one question at a time. */
  ask(question: Asked): Promise<Answer> {
    if (this.#asking !== null) throw new Error('another question is being asked');
    if (question.signal?.aborted) return Promise.resolve({ type: 'withdrawn', text: '' });
    return new Promise((resolve) => {
      const withdraw = () => this.#end({ type: 'withdrawn', text: question.secret ? '' : this.#typed() });
      question.signal?.addEventListener('abort', withdraw, { once: true });
      const history = question.remembered ? this.#history : [];
      const text = question.text ?? '';
      this.#asking = {
        question,
        line: { ...emptyLine(history), text, cursor: text.length },
        answer: (answer) => {
          question.signal?.removeEventListener('abort', withdraw);
          resolve(answer);
        },
      };
      this.#draw();
      const ahead = this.#ahead;
      this.#ahead = [];
      for (const key of ahead) this.#press(key);
    });
  }

  /** Prints above the line that is being typed. */
  print(lines: readonly Line[]): void {
    let bytes = '';
    for (const line of lines) {
      const text = wrapWords(line.text, this.#columns, line.indent);
      const painted = this.#color ? paint(text, line.tone) : text;
      bytes += this.#screen.print({ text, painted, key: line.key ?? '' }, this.#columns, this.#rows);
    }
    this.#write(bytes + this.#footer());
  }

  /** Calls back once: whether all that was printed until now is on the terminal. */
  whenPrinted(done: (isPrinted: boolean) => void): void {
    this.#written.whenArrived(done);
  }

  /** What stands above the prompt until the next call. */
  setStatus(lines: readonly string[]): void {
    if (lines.length === this.#status.length && lines.every((line, index) => line === this.#status[index])) return;
    this.#status = lines;
    this.#draw();
  }

  get #columns(): number {
    return Math.max(2, this.#output.columns || fallbackColumns);
  }

  get #rows(): number {
    return Math.max(2, this.#output.rows || fallbackRows);
  }

  #typed(): string {
    return this.#asking?.line.text ?? '';
  }

  #write(bytes: string): void {
    if (this.#state === 'open' && bytes !== '') this.#written.write(bytes);
  }

  #draw(): void {
    this.#write(this.#footer());
  }

  #footer(): string {
    const asking = this.#asking;
    const { question, line } = asking ?? {};
    const input =
      question === undefined || line === undefined
        ? null
        : question.secret
          ? { prompt: question.prompt, text: '', cursor: 0 }
          : { prompt: question.prompt, text: line.text, cursor: line.cursor };
    const footer: Footer = { status: this.#status, input };
    return this.#screen.draw(footer, this.#columns, this.#rows);
  }

  readonly #onData = (chunk: Buffer): void => {
    clearTimeout(this.#idleTimer);
    this.#pressAll(this.#keys.push(this.#decoder.write(chunk)));
    if (this.#keys.undecided) {
      this.#idleTimer = setTimeout(() => this.#pressAll(this.#keys.idle()), KeyReader.idleMs);
    }
  };

  #pressAll(keys: readonly Key[]): void {
    for (const key of keys) this.#press(key);
  }

  #press(key: Key): void {
    const asking = this.#asking;
    // The whole job, as the terminal itself would do: whoever started this program must stop, too.
    if (key.type === 'key' && key.name === 'suspend') process.kill(0, 'SIGTSTP');
    else if (asking !== null) this.#type(asking, key);
    else if (key.type === 'key' && key.name === 'interrupt') this.onLeave();
    else if (this.#ahead.length < maxKeysAhead) this.#ahead.push(key);
  }

  #type(asking: Asking, key: Key): void {
    const { line, action } = pressKey(asking.line, key, asking.question.remembered !== true);
    const refused = refusal(asking.line, line, key);
    if (refused !== null) this.print([{ text: refused, tone: 'error' }]);
    asking.line = line;
    switch (action) {
      case 'submit':
        this.#end({ type: 'line', text: line.text });
        break;
      case 'interrupt':
      case 'end-of-input':
        this.#end({ type: 'leave' });
        break;
      case 'complete':
        this.#complete(asking);
        break;
      case 'clear-screen':
        this.#clear();
        break;
      case 'none':
      case 'suspend':
        this.#draw();
        break;
    }
  }

  #clear(): void {
    if (!this.#dumb) {
      this.#screen.forget();
      this.#write(clearScreen);
    }
    this.#draw();
  }

  #complete(asking: Asking): void {
    const before = asking.line.text.slice(0, asking.line.cursor);
    const { line, choices } = complete(asking.line, asking.question.complete?.(before) ?? []);
    const nothingNew = line.text === asking.line.text;
    asking.line = line;
    if (choices.length > 0 && nothingNew) this.print([{ text: choices.slice(0, 100).join('  '), tone: 'faint' }]);
    else this.#draw();
  }

  /** The question is answered: what was typed becomes part of what was printed. */
  #end(answer: Answer): void {
    const asking = this.#asking;
    if (asking === null) return;
    const { question, line } = asking;
    this.#asking = null;
    const typed = question.secret ? '' : line.text.replaceAll('\n', '\r\n    ');
    if (answer.type === 'withdrawn') this.#write(this.#screen.erase(this.#columns));
    else this.#write(this.#screen.keep(this.#columns, question.prompt + typed));
    if (question.remembered) this.#history = remember(this.#history, line.text);
    this.#draw();
    asking.answer(answer);
  }

  readonly #onGone = (): void => {
    this.#end({ type: 'leave' });
    this.onLeave();
  };

  readonly #onResize = (): void => this.#draw();

  readonly #onSuspend = (): void => {
    this.#release();
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #onContinue = (): void => {
    this.#screen.forget();
    this.#take();
    this.#draw();
  };

  #take(): void {
    this.#state = 'open';
    this.#input.setRawMode(true);
    if (!this.#dumb) this.#write(enterPasteMode);
  }

  #release(): void {
    if (this.#state === 'closed') return;
    this.#write(this.#screen.erase(this.#columns));
    if (!this.#dumb) this.#write(leavePasteMode);
    this.#state = 'closed';
    clearTimeout(this.#idleTimer);
    try {
      this.#input.setRawMode(false);
    } catch {
      // The terminal is gone: nothing is left to restore.
    }
  }
}
