// The lines of a pipe, numbered from 1, read no faster than they are asked for.
import { CommandError } from './fields.ts';

/** A longer line ends the program: it cannot be a command, and what follows it cannot be trusted to be one. */
export const maxLineBytes = 1_048_576;

export interface InputLine {
  text: string;
  number: number;
}

const newline = 10;

/** Reads lines that end in LF or CRLF; the last may lack its end. Blank lines count. */
export class LineSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #unread: Buffer = Buffer.alloc(0);
  #searched = 0;
  #state: 'reading' | 'ended' = 'reading';
  #number = 0;
  #wake: (chunk: IteratorResult<Uint8Array>) => void = () => undefined;

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#chunks = input[Symbol.asyncIterator]();
  }

  /** How many lines were read. */
  get number(): number {
    return this.#number;
  }

  /** The next line; null at the end. Rejects with CommandError for a line that is too long or not UTF-8. */
  async next(): Promise<InputLine | null> {
    for (;;) {
      const end = this.#unread.indexOf(newline, this.#searched);
      if ((end < 0 ? this.#unread.length : end) > maxLineBytes) {
        this.#number += 1;
        this.end();
        throw new CommandError(`The line is too long: at most ${maxLineBytes} bytes. What follows it is not read.`);
      }
      if (end >= 0) return this.#line(end, end + 1);
      this.#searched = this.#unread.length;
      if (this.#state === 'ended') {
        return this.#unread.length === 0 ? null : this.#line(this.#unread.length, this.#unread.length);
      }
      const chunk = await this.#read();
      if (chunk.done === true) this.#state = 'ended';
      else this.#unread = Buffer.concat([this.#unread, chunk.value]);
    }
  }

  /**
   * Nothing more is wanted: what was not read yet is dropped, and next() resolves with null. Returns whether that is
   * anything, as far as is known.
   */
  end(): boolean {
    const isDropped = this.#unread.length > 0;
    this.#state = 'ended';
    this.#unread = Buffer.alloc(0);
    this.#wake({ done: true, value: undefined });
    return isDropped;
  }

  #read(): Promise<IteratorResult<Uint8Array>> {
    // Not Promise.race: that would keep every chunk's promise for as long as the input lasts.
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#chunks.next().then(resolve, reject);
    });
  }

  #line(end: number, next: number): InputLine {
    const bytes = this.#unread.subarray(0, end);
    this.#unread = this.#unread.subarray(next);
    this.#searched = 0;
    this.#number += 1;
    try {
      return { text: this.#decoder.decode(bytes).replace(/\r$/, ''), number: this.#number };
    } catch {
      throw new CommandError('The line is not UTF-8.');
    }
  }
}
