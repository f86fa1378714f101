// The peer as somebody uses it by hand: signing in, the prompt, what is under way, and back to `Username:`.
import { ParleyError } from '../shared/errors.ts';
import type { PeerApi } from './api.ts';
import type { Command, CommandContext, Question } from './command.ts';
import { parseLine, runCommand, runsAlone } from './commands.ts';
import { Conversation } from './conversation.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import { CommandError } from './fields.ts';
import { askSignIn, entryHelp, exitCodes, type SignIn, type SignInOptions, signIn, unkept } from './front.ts';
import { Overdue } from './overdue.ts';
import { type Line, renderError, renderEvent, renderRestingCount, renderUnsent } from './render.ts';
import { renderOutbox, renderReply } from './render-reply.ts';
import { Status } from './status.ts';
import { completions } from './suggestions.ts';
import type { Asked, Terminal } from './terminal.ts';

export interface InteractiveOptions {
  terminal: Terminal;
  /** A new peer for each session. */
  makePeer: () => PeerApi;
  signIn: SignInOptions;
  /** Where the center is, in words. */
  center: string;
  holds: boolean;
  /** false: what is unsent is lost when the program ends. */
  keepsOutbox: boolean;
  /** Aborted by a signal: go offline at once. */
  stop: AbortSignal;
}

/** Commands typed while another one waits for its answer. */
export const maxCommandsWaiting = 1_000;
/** Names of the newest messages that Tab knows from the start. */
const historyRowsForNames = 200;
/** Going offline takes no longer. */
const maxLeaveMs = 3_000;
const outboxPatienceMs = 10_000;

/** Runs until the user leaves; resolves with the exit code. */
export async function runInteractive(options: InteractiveOptions): Promise<number> {
  let given = options.signIn;
  for (;;) {
    const session = new Session(options);
    const end = await session.run(given);
    if (end === 'left') return exitCodes.done;
    given = { ...given, user: null, password: null, register: false, resume: false };
  }
}

class Session {
  readonly #options: InteractiveOptions;
  readonly #terminal: Terminal;
  readonly #peer: PeerApi;
  readonly #conversation: Conversation;
  readonly #status: Status;
  readonly #overdue: Overdue;
  /** Aborted when the session is over or the user leaves: nothing is asked any more. */
  readonly #over = new AbortController();
  /** What the first prompt is for. */
  #entry: 'login' | 'register' = 'login';
  #end: 'left' | 'ended' | null = null;
  #wake: () => void = () => undefined;

  constructor(options: InteractiveOptions) {
    this.#options = options;
    this.#terminal = options.terminal;
    this.#peer = options.makePeer();
    this.#conversation = new Conversation({ holds: options.holds, keepUnstored: false });
    this.#status = new Status(this.#terminal, this.#conversation);
    this.#overdue = new Overdue({
      conversation: this.#conversation,
      status: this.#status,
      print: (lines) => this.#print(lines),
      showsStatus: () => this.#terminal.showsStatus,
      over: this.#over.signal,
    });
  }

  async run(given: SignInOptions): Promise<'left' | 'ended'> {
    const onStop = () => this.#finish('left');
    const { stop } = this.#options;
    if (stop.aborted) onStop();
    stop.addEventListener('abort', onStop, { once: true });
    this.#terminal.onLeave = onStop;
    const stopListening = this.#peer.on((event) => this.#takeEvent(event));
    try {
      await this.#signInAndConverse(given);
      return this.#end ?? 'left';
    } finally {
      stop.removeEventListener('abort', onStop);
      this.#terminal.onLeave = () => undefined;
      this.#status.clear();
      await this.#goOffline();
      stopListening();
    }
  }

  async #signInAndConverse(given: SignInOptions): Promise<void> {
    if (!(await this.#signIn(given))) return this.#finish('left');
    // Somebody may have logged on elsewhere in the same moment.
    if (this.#end !== null) return;
    const outbox = this.#peer.outbox();
    this.#conversation.begin(outbox);
    const resting = outbox.filter((message) => message.private).length;
    if (resting > 0) this.#print([renderRestingCount(resting)]);
    for (const row of this.#peer.history({ limit: historyRowsForNames })) this.#conversation.meet(row.with);
    this.#status.show();
    await this.#converse();
  }

  #finish(end: 'left' | 'ended'): void {
    this.#end ??= end;
    this.#over.abort();
    this.#wake();
  }

  async #goOffline(): Promise<void> {
    if (this.#end === 'left') this.#print(renderUnsent(this.#conversation.pending, this.#options.keepsOutbox));
    const closed = this.#peer.close().catch(() => undefined);
    await Promise.race([closed, pause(maxLeaveMs)]);
  }

  #print(lines: readonly Line[]): void {
    this.#terminal.print(lines);
  }

  // --- events -------------------------------------------------------------------------------------

  #takeEvent(event: PeerEvent): void {
    const news = this.#conversation.take(event);
    if (event.type === 'link' && event.state === 'down') this.#overdue.rest(event.name);
    if (event.type === 'introduced') this.#overdue.introduced(event.name);
    // Out of the status first: a message is never seen as pending and as accepted.
    this.#status.show();
    if (news) this.#print(renderEvent(event));
    if (event.type === 'ended') this.#finish('ended');
    this.#wake();
  }

  // --- signing in ---------------------------------------------------------------------------------

  async #ask(question: Question, more: Partial<Asked> = {}): Promise<string | null> {
    const answer = await this.#terminal.ask({ ...question, ...more, signal: this.#over.signal });
    if (answer.type === 'leave') this.#finish('left');
    return answer.type === 'line' ? answer.text : null;
  }

  /** For a command: to leave the question is to leave the command, not the program. */
  async #askWithin(question: Question): Promise<string | null> {
    const asked = { ...question, signal: this.#over.signal };
    const answer = await this.#status.whileAsking(() => this.#terminal.ask(asked));
    return answer.type === 'line' ? answer.text : null;
  }

  /** False where the user left. */
  async #signIn(first: SignInOptions): Promise<boolean> {
    let given = first;
    this.#entry = given.register ? 'register' : 'login';
    while (this.#end === null) {
      try {
        const how = await askSignIn(given, (question) => this.#askSignIn(question));
        if (how === null) return false;
        await this.#connect(how);
        return true;
      } catch (error) {
        if (this.#end !== null) return false;
        this.#print([renderError(error)]);
        // A name that is taken is no reason to make no account.
        given = { ...given, user: null, password: null, resume: false, register: this.#entry === 'register' };
      }
    }
    return false;
  }

  async #askSignIn(question: Question): Promise<string | null> {
    for (;;) {
      const answer = await this.#ask(question);
      if (question.secret || answer === null) return answer;
      const word = answer.trim().replace(/^\//, '');
      if (word === '' && this.#entry === 'register') {
        this.#entry = 'login';
        throw new CommandError('Nothing was registered.');
      }
      if (word === 'register') this.#entry = 'register';
      if (word === 'help' || word === 'register') this.#print([{ text: entryHelp[this.#entry], tone: 'status' }]);
      if (word !== 'help' && word !== '') return answer;
    }
  }

  async #connect(how: SignIn): Promise<void> {
    try {
      await this.#status.during(`Connecting to ${this.#options.center}…`, this.#unlessLeft(signIn(this.#peer, how)));
    } catch (error) {
      if (!(error instanceof ParleyError && error.code === 'invite_needed' && how.how === 'register')) throw error;
      this.#print([renderError(error)]);
      const invite = await this.#ask({ prompt: 'Invite code: ', secret: false });
      if (invite === null || invite.trim() === '') throw new CommandError('Nothing was registered.');
      await this.#connect({ ...how, invite: invite.trim() });
    }
  }

  /** Leaving must not wait for a center that does not answer. */
  #unlessLeft<T>(work: Promise<T>): Promise<T> {
    const left = new Promise<never>((_, reject) => {
      const onLeft = () => reject(new ParleyError('cancelled', 'Connecting was given up.'));
      this.#over.signal.addEventListener('abort', onLeft, { once: true });
    });
    return Promise.race([work, left]);
  }

  // --- commands -----------------------------------------------------------------------------------

  async #converse(): Promise<void> {
    let running: Promise<void> = Promise.resolve();
    let waiting = 0;
    while (this.#end === null) {
      const line = await this.#ask({ prompt: '>', secret: false }, { remembered: true, complete: this.#complete });
      if (line === null) return;
      // A paste often ends with a newline that nobody means to send.
      const command = this.#parse(line.replace(/\n+$/, ''));
      if (command === null) continue;
      if (command.command === 'quit') {
        await Promise.race([running, pause(maxLeaveMs)]);
        return this.#finish('left');
      }
      if (waiting >= maxCommandsWaiting) {
        this.#print([
          { text: 'Too many commands wait for the center. Try again when they are answered.', tone: 'error' },
        ]);
        continue;
      }
      waiting += 1;
      running = running
        .then(() => this.#run(command))
        .finally(() => {
          waiting -= 1;
        });
      if (runsAlone(command)) await running;
    }
  }

  readonly #complete = (before: string): readonly string[] => completions(before, this.#conversation.names);

  #parse(line: string): Command | null {
    try {
      return parseLine(line);
    } catch (error) {
      this.#print([renderError(error)]);
      return null;
    }
  }

  async #run(command: Command): Promise<void> {
    const context: CommandContext = {
      peer: this.#peer,
      ask: (question) => this.#askWithin(question),
      emptyOutbox: () => this.#emptyOutbox(),
      showOutbox: (messages) => this.#print(renderOutbox(messages, Date.now())),
    };
    try {
      const reply = await this.#status.during('Waiting for the center…', runCommand(context, command));
      this.#conversation.note(reply);
      this.#status.show();
      this.#print(renderReply(reply, Date.now()));
      if (reply.reply === 'message' || reply.reply === 'private') this.#overdue.watch(reply.message);
      if (reply.reply === 'logout') this.#loggedOut();
    } catch (error) {
      const lost = this.#end === null ? null : unkept(command, error);
      if (lost !== null) this.#print([renderError(lost)]);
      else if (this.#end === null) this.#print([renderError(error)]);
      else if (!(error instanceof CommandError || error instanceof ParleyError)) throw error;
    }
  }

  #loggedOut(): void {
    if (this.#end === null) this.#print([{ text: 'Logged out.', tone: 'status' }]);
    this.#finish('ended');
  }

  async #emptyOutbox(): Promise<OutgoingMessage[]> {
    const deadline = AbortSignal.timeout(outboxPatienceMs);
    const waiting = async () => {
      while (this.#conversation.awaitedCount > 0 && this.#end === null && !deadline.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          deadline.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    };
    await this.#status.during('Sending what is in the outbox first…', waiting());
    return this.#conversation.pending;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
