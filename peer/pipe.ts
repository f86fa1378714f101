// The peer as a tool in a pipe: lines in, lines (or JSON) out, an exit code that says whether all was delivered.
import type { ErrorCode } from '../shared/errors.ts';
import type { PeerApi } from './api.ts';
import type { Command, CommandContext } from './command.ts';
import { parseLine, runCommand } from './commands.ts';
import { Conversation } from './conversation.ts';
import { within } from './deadline.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import { CommandError } from './fields.ts';
import {
  askSignIn,
  exitCodes,
  isRefusal,
  type SignIn,
  type SignInOptions,
  signIn,
  unkept,
  type WaitFor,
} from './front.ts';
import { JsonWriter, parseInput, parseSignIn, requestId } from './json.ts';
import { LineSource } from './line-source.ts';
import type { Output } from './output.ts';
import { leftText } from './render.ts';
import { Unshown } from './unshown.ts';
import { type Request, TextWriter, type Writer } from './writer.ts';

export interface PipeOptions {
  peer: PeerApi;
  signIn: SignInOptions;
  wait: WaitFor;
  holds: boolean;
  json: boolean;
  input: AsyncIterable<Uint8Array>;
  output: Output;
  diagnose: (text: string) => void;
  /** Aborted by a signal: go offline at once. */
  stop: AbortSignal;
  /** Without progress for so long, waiting is given up. */
  giveUpMs?: number;
}

export const defaultGiveUpMs = 30_000;
/** Waiting longer than this is said. */
const progressAfterMs = 1_000;
/** Saying goodbye to a center that does not answer takes no longer. */
const maxLeaveMs = 5_000;

/** A program may want to know of every link and what is here already; for people most of that is nothing new. */
const forPrograms: ReadonlySet<PeerEvent['type']> = new Set(['link', 'consent_ended', 'repeated']);

/** Why the peer no longer waits for anything. unread: nothing that it prints arrives. */
type Halt = { why: 'stopped' } | { why: 'unread' } | { why: 'ended'; code: ErrorCode };

/** Runs to the end; resolves with the exit code. */
export async function runPipe(options: PipeOptions): Promise<number> {
  const run = new PipeRun(options);
  const code = await run.run().finally(() => within(maxLeaveMs, options.peer.close()).catch(() => undefined));
  return await run.finish(code);
}

class PipeRun {
  readonly #options: PipeOptions;
  readonly #peer: PeerApi;
  readonly #lines: LineSource;
  readonly #writer: Writer;
  readonly #conversation: Conversation;
  readonly #unshown: Unshown;
  #halt: Halt | null = null;
  #wake: () => void = () => undefined;
  #failedCommands = 0;
  /** Lines of the input that were not carried out. */
  #isCutShort = false;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#peer = options.peer;
    this.#lines = new LineSource(options.input);
    this.#unshown = new Unshown(options.output, () => this.#stopWaiting({ why: 'unread' }));
    const out = (text: string) => options.output.write(text);
    this.#writer = options.json ? new JsonWriter(out) : new TextWriter(out, options.diagnose);
    this.#conversation = new Conversation({ holds: options.holds, keepUnstored: options.wait === 'stored' });
  }

  async run(): Promise<number> {
    const { stop } = this.#options;
    const onStop = () => this.#stopWaiting({ why: 'stopped' });
    if (stop.aborted) onStop();
    stop.addEventListener('abort', onStop, { once: true });
    this.#peer.on((event) => this.#take(event));
    return (await this.#signIn()) ?? (await this.#leave(await this.#runCommands()));
  }

  /** What was printed last may still be on its way. Resolves with the exit code, given what it would be. */
  async finish(code: number): Promise<number> {
    await this.#arrived();
    const isDone = this.#conversation.awaitedCount === 0 && !this.#isCutShort && !this.#hasFailed;
    const text = this.#unshown.text(isDone);
    if (text === null) return code;
    this.#options.diagnose(`peer: ${text}\n`);
    return code === exitCodes.done ? exitCodes.undelivered : code;
  }

  get #hasFailed(): boolean {
    return this.#conversation.undelivered > 0 || this.#failedCommands > 0;
  }

  /** A reader may be slow, but must read; whoever stops the program waits for nobody. */
  #arrived(): Promise<void> {
    const { stop, output, giveUpMs = defaultGiveUpMs } = this.#options;
    return output.settled(giveUpMs, stop);
  }

  /** Everything that is being waited for comes to its end: input, replies, progress. */
  #stopWaiting(halt: Halt): void {
    this.#halt ??= halt;
    if (this.#lines.end()) this.#isCutShort = true;
    if (halt.why !== 'ended') this.#peer.close().catch(() => undefined);
    this.#wake();
  }

  #take(event: PeerEvent): void {
    const news = this.#conversation.take(event);
    const isWanted = news || (this.#options.json && forPrograms.has(event.type));
    for (const notice of this.#unshown.leftOut()) this.#writer.event(notice);
    if (isWanted && !this.#unshown.leavesOut(event)) this.#writer.event(event);
    if (event.type === 'message') this.#unshown.watch();
    if (event.type === 'ended') this.#stopWaiting({ why: 'ended', code: event.code });
    this.#wake();
  }

  /** Null when signed in, else the exit code. */
  async #signIn(): Promise<number | null> {
    try {
      const how = await this.#readSignIn();
      if (this.#halt !== null) return this.#haltCode();
      if (how === null) {
        const missing = 'The input ended before the name and the password were complete; nothing was sent.';
        this.#writer.error(new CommandError(missing), this.#request(this.#lines.number + 1));
        return exitCodes.signIn;
      }
      await signIn(this.#peer, how);
      if (this.#halt === null) this.#conversation.begin(this.#peer.outbox());
      return null;
    } catch (error) {
      if (this.#halt !== null && this.#halt.why !== 'ended') return exitCodes.done;
      this.#writer.error(error, this.#request(this.#lines.number));
      return isRefusal(error) ? exitCodes.signIn : exitCodes.unreachable;
    }
  }

  #request(line: number): Request {
    return { line, command: undefined, id: undefined };
  }

  async #readSignIn(): Promise<SignIn | null> {
    const { signIn: given, json } = this.#options;
    const complete = given.user !== null && (given.resume || given.password !== null);
    if (!json || complete) return await askSignIn(given, () => this.#ask());
    let first = await this.#ask();
    const whole = first === null ? null : parseSignIn(first);
    if (whole !== null) return whole;
    return await askSignIn(given, async () => {
      const line = first ?? (await this.#ask());
      first = null;
      return line;
    });
  }

  async #ask(): Promise<string | null> {
    return (await this.#lines.next())?.text ?? null;
  }

  /** Runs line after line; resolves with how the commands ended. */
  async #runCommands(): Promise<'input' | 'logout' | 'quit'> {
    for (;;) {
      const request = this.#request(this.#lines.number + 1);
      let running: Command | null = null;
      try {
        while (!this.#options.output.hasRoom && this.#halt === null) await this.#arrived();
        const line = await this.#lines.next();
        if (line !== null && this.#halt !== null) this.#isCutShort = true;
        if (line === null || this.#halt !== null) return 'input';
        if (this.#options.json) request.id = requestId(line.text);
        const command = this.#options.json ? parseInput(line.text) : parseLine(line.text);
        if (command === null) continue;
        request.command = command.command;
        running = command;
        if (command.command === 'logout' || command.command === 'quit') {
          this.#writer.reply({ reply: command.command }, request);
          return command.command;
        }
        await this.#runCommand(command, request);
      } catch (error) {
        const lost = this.#halt !== null && running !== null ? unkept(running, error) : null;
        if (this.#halt !== null && running !== null) this.#isCutShort = true;
        if (this.#halt !== null && !lost) return 'input';
        this.#failedCommands += 1;
        this.#writer.error(lost ?? error, request);
      }
    }
  }

  async #runCommand(command: Command, request: Request): Promise<void> {
    const context: CommandContext = {
      peer: this.#peer,
      ask: () => this.#ask(),
      emptyOutbox: () => this.#emptyOutbox(),
      showOutbox: (messages) => this.#writer.outbox(messages),
    };
    const reply = await runCommand(context, command);
    this.#conversation.note(reply);
    if (reply.reply === 'delete-account' && !reply.deleted) this.#failedCommands += 1;
    this.#writer.reply(reply, request);
  }

  async #emptyOutbox(): Promise<OutgoingMessage[]> {
    await this.#drain('accepted');
    return this.#withReasons(this.#conversation.pending);
  }

  /** Why each is still in the outbox, as of now. */
  #withReasons(messages: readonly OutgoingMessage[]): OutgoingMessage[] {
    if (messages.length === 0 || this.#halt !== null) return [...messages];
    const now = new Map(this.#peer.outbox().map((message) => [message.id, message]));
    return messages.map((message) => now.get(message.id) ?? message);
  }

  /** Waits while anything progresses; resolves with what stayed. */
  async #drain(wait: WaitFor): Promise<OutgoingMessage[]> {
    const giveUpMs = this.#options.giveUpMs ?? defaultGiveUpMs;
    let progress = this.#conversation.progress;
    let since = performance.now();
    let tellAtMs = since + progressAfterMs;
    while (!this.#conversation.settled(wait) && this.#halt === null) {
      const nowMs = performance.now();
      const leftMs = giveUpMs - (nowMs - since);
      if (leftMs <= 0) break;
      if (nowMs >= tellAtMs) {
        tellAtMs = Number.POSITIVE_INFINITY;
        this.#tellWaiting();
      }
      await this.#change(Math.min(leftMs, Math.max(1, tellAtMs - nowMs)));
      if (this.#conversation.progress === progress) continue;
      progress = this.#conversation.progress;
      since = performance.now();
    }
    const unstored = wait === 'stored' ? this.#conversation.unstored : [];
    return [...this.#withReasons(this.#conversation.awaited), ...unstored];
  }

  /** A link takes its time, or needs somebody at the other end. */
  #tellWaiting(): void {
    const names = new Set(this.#conversation.awaited.filter((message) => message.private).map(({ to }) => to));
    if (names.size === 0) return;
    const links = names.size === 1 ? 'a private link' : 'private links';
    this.#writer.event({ type: 'notice', text: `Waiting for ${links} with ${[...names].join(', ')}…` });
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #leave(end: 'input' | 'logout' | 'quit'): Promise<number> {
    const { wait } = this.#options;
    const left = wait === 'none' ? [] : await this.#drain(wait);
    const halted = this.#halt;
    const gaveUpAfterMs = halted === null ? (this.#options.giveUpMs ?? defaultGiveUpMs) : null;
    const why = leftText(left, { untilStored: wait === 'stored', gaveUpAfterMs });
    if (halted === null) {
      await this.#arrived();
      await this.#sayGoodbye(end);
    } else if (halted.why !== 'ended') return this.#haltCode();
    if (left.length > 0) this.#writer.left(left, why);
    const code = this.#haltCode();
    if (code !== exitCodes.done) return code;
    return left.length > 0 || this.#hasFailed ? exitCodes.undelivered : exitCodes.done;
  }

  #haltCode(): number {
    const halt = this.#halt;
    if (halt?.why !== 'ended') return exitCodes.done;
    if (halt.code === 'displaced') return exitCodes.displaced;
    return halt.code === 'logged_out' || halt.code === 'account_deleted' ? exitCodes.done : exitCodes.undelivered;
  }

  async #sayGoodbye(end: 'input' | 'logout' | 'quit'): Promise<void> {
    try {
      await within(maxLeaveMs, end === 'quit' ? this.#peer.close() : this.#peer.logout());
    } catch (error) {
      if (this.#halt === null) this.#writer.error(error, { line: 0, command: 'logout', id: undefined });
    }
  }
}
