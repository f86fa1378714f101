// Messages that take longer than a moment: those that wait for a link come to rest among the lines, and it is said why.
import { foldName } from '../shared/names.ts';
import type { Conversation } from './conversation.ts';
import type { OutgoingMessage } from './events.ts';
import { type Line, renderOutgoing, renderResting } from './render.ts';
import { progressAfterMs, type Status } from './status.ts';

export interface OverdueOptions {
  conversation: Conversation;
  status: Status;
  print(lines: readonly Line[]): void;
  /** Where pending messages are shown above the prompt, they need no line. */
  showsStatus(): boolean;
  /** Aborted when the session is over. */
  over: AbortSignal;
}

export class Overdue {
  readonly #options: OverdueOptions;
  /** Names, folded, to whom private messages were said to wait, and what for. */
  readonly #told = new Set<string>();

  constructor(options: OverdueOptions) {
    this.#options = options;
  }

  /** Looks again in a moment whether this message, just sent, is still pending. */
  watch(message: OutgoingMessage): void {
    const { over } = this.#options;
    const timer = setTimeout(() => this.#look(message), progressAfterMs);
    over.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  #look(message: OutgoingMessage): void {
    const { conversation, status, print, showsStatus } = this.#options;
    if (!conversation.isPending(message.id)) return;
    if (!message.private) {
      if (!showsStatus()) print([renderOutgoing(message)]);
      return;
    }
    // It may wait for days, which is nothing to stand above the prompt.
    conversation.rest(message.id);
    status.show();
    print([renderOutgoing(message)]);
    const name = foldName(message.to);
    if (this.#told.has(name)) return;
    this.#told.add(name);
    print([renderResting(message)]);
  }

  /** There is a consent with this account: if a message waits after that, it waits for something else. */
  introduced(name: string): void {
    this.#told.delete(foldName(name));
  }

  /** The link with this account is gone: what it had not brought over waits for the next one. */
  rest(name: string): void {
    const { conversation } = this.#options;
    for (const { id } of conversation.privatelyPending(name)) conversation.rest(id);
  }
}
