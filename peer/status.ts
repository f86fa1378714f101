// What stands above the prompt: messages that are not accepted yet, and what takes longer than a moment.
import type { Conversation } from './conversation.ts';
import { count, renderOutgoing } from './render.ts';
import type { Terminal } from './terminal.ts';

/** Whatever takes longer says so. */
export const progressAfterMs = 1_000;
/** Messages that are marked as pending; more are only counted. */
export const maxPendingShown = 3;

export class Status {
  readonly #terminal: Terminal;
  readonly #conversation: Conversation;
  /** Nothing is said about waiting while a command asks something. */
  #activity: 'quiet' | 'asking' | { waitingFor: string } = 'quiet';

  constructor(terminal: Terminal, conversation: Conversation) {
    this.#terminal = terminal;
    this.#conversation = conversation;
  }

  show(): void {
    const lines = this.#conversation.firstAwaited(maxPendingShown).map((message) => {
      const { text } = renderOutgoing({ ...message, state: 'pending' });
      return text.replaceAll(/\n */g, ' ↵ ');
    });
    const more = this.#conversation.awaitedCount - lines.length;
    if (more > 0) lines.push(`(pending) and ${count(more, 'more message')}`);
    if (typeof this.#activity !== 'string') lines.push(this.#activity.waitingFor);
    this.#terminal.setStatus(lines);
  }

  clear(): void {
    this.#terminal.setStatus([]);
  }

  /** Says what is waited for where that takes longer than a moment. */
  async during<T>(text: string, work: Promise<T>): Promise<T> {
    const timer = setInterval(() => {
      if (this.#activity !== 'quiet') return;
      this.#activity = { waitingFor: text };
      if (this.#terminal.showsStatus) this.show();
      else this.#terminal.print([{ text, tone: 'faint' }]);
    }, progressAfterMs);
    try {
      return await work;
    } finally {
      clearInterval(timer);
      this.#activity = 'quiet';
      this.show();
    }
  }

  /** While the user answers, nobody waits for the center. */
  async whileAsking<T>(answer: () => Promise<T>): Promise<T> {
    this.#activity = 'asking';
    this.show();
    const given = await answer();
    this.#activity = 'quiet';
    return given;
  }
}
