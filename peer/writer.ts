// Where a peer in a pipe writes what happens: as lines to read, or (json.ts) as objects.
import type { Reply } from './command.ts';
import type { OutgoingMessage, PeerEvent } from './events.ts';
import { errorText, type Line, renderEvent } from './render.ts';
import { renderOutbox, renderOutboxRows, renderReply } from './render-reply.ts';

/** Which line of the input an answer belongs to. */
export interface Request {
  /** Counted from 1; 0: none. */
  line: number;
  command: string | undefined;
  id: string | number | undefined;
}

export interface Writer {
  event(event: PeerEvent): void;
  reply(reply: Reply, request: Request): void;
  error(error: unknown, request: Request): void;
  /** What a command shows before it asks. */
  outbox(messages: readonly OutgoingMessage[]): void;
  /** What was still not delivered when the peer stopped waiting. */
  left(messages: readonly OutgoingMessage[], why: string): void;
}

/** Lines on stdout; what went wrong, with the number of the line that asked for it, on stderr. */
export class TextWriter implements Writer {
  readonly #out: (text: string) => void;
  readonly #diagnose: (text: string) => void;

  constructor(out: (text: string) => void, diagnose: (text: string) => void) {
    this.#out = out;
    this.#diagnose = diagnose;
  }

  #lines(lines: readonly Line[]): void {
    for (const line of lines) this.#out(`${line.text}\n`);
  }

  event(event: PeerEvent): void {
    const lines = renderEvent(event);
    if (event.type !== 'pinned' && event.type !== 'notice') this.#lines(lines);
    else for (const line of lines) this.#diagnose(`peer: ${line.text}\n`);
  }

  reply(reply: Reply): void {
    this.#lines(renderReply(reply, Date.now()));
  }

  error(error: unknown, request: Request): void {
    this.#diagnose(`peer: ${request.line > 0 ? `line ${request.line}: ` : ''}${errorText(error)}\n`);
  }

  outbox(messages: readonly OutgoingMessage[]): void {
    this.#lines(renderOutbox(messages, Date.now()));
  }

  left(messages: readonly OutgoingMessage[], why: string): void {
    this.#diagnose(`peer: ${why}\n`);
    for (const line of renderOutboxRows(messages, Date.now())) this.#diagnose(`${line.text}\n`);
  }
}
