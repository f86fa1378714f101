// How acts travel to the engine's thread: many in one message, the frequent ones as bytes in one transferred buffer.
import type { ActName } from './acts.ts';
import type { AppendRun, Mark, StoreFailure } from './store.ts';

export interface Act {
  name: ActName;
  asked: unknown[];
}

/** To the thread. */
export interface BatchMessage {
  /** A code for each act, in order; the frequent acts follow their code, of the others only the code is here. */
  bytes: ArrayBuffer;
  length: number;
  /** The others. */
  acts: Act[];
}

export interface Failure {
  /** Which act of the batch. */
  index: number;
  reason: StoreFailure;
  text: string;
}

/** From the thread, once: it is open, or why not. */
export type OpenReply = { opened: true; from: number } | { opened: false; text: string };

/** From the thread: a batch is done; or the engine has stopped and nothing more will come. */
export type ThreadReply = BatchReply | { stopped: string };

export interface BatchReply {
  /** One for each act, undefined where it failed. */
  results: unknown[];
  failures: Failure[];
  /** The buffer of the batch, to be used again, and how much of it was used. */
  bytes: ArrayBuffer;
  length: number;
}

const code = { other: 0, append: 1, saveMarks: 2, advance: 3 } as const;
const smallestBytes = 64 * 1024;
const numberBytes = 8;

/** Gathers acts. What it is given is copied at once, so that the caller can go on using its buffers. */
export class BatchWriter {
  readonly #acts: Act[] = [];
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #length = 0;

  /** @param spare a buffer that is used no more */
  constructor(spare = new ArrayBuffer(smallestBytes)) {
    this.#bytes = new Uint8Array(spare);
    this.#view = new DataView(spare);
  }

  /** Bytes gathered. */
  get length(): number {
    return this.#length;
  }

  append(account: number, run: AppendRun): void {
    const { frames, marks } = run;
    this.#begin(code.append, 6 * numberBytes + frames.length, marks);
    this.#number(account);
    this.#number(run.first);
    this.#number(run.last);
    this.#number(run.count);
    this.#number(run.reservedTo);
    this.#blob(frames);
    this.#marks(marks);
  }

  saveMarks(account: number, marks: Mark[], reservedTo: number): void {
    this.#begin(code.saveMarks, 2 * numberBytes, marks);
    this.#number(account);
    this.#number(reservedTo);
    this.#marks(marks);
  }

  advance(account: number, generation: number, position: number, marks: Mark[]): void {
    this.#begin(code.advance, 3 * numberBytes, marks);
    this.#number(account);
    this.#number(generation);
    this.#number(position);
    this.#marks(marks);
  }

  /** Any other act; what it is asked is cloned when the batch is sent. */
  other(name: ActName, asked: unknown[]): void {
    this.#begin(code.other, 0, []);
    this.#acts.push({ name, asked });
  }

  /** Ends the gathering. */
  message(): BatchMessage {
    return { bytes: this.#bytes.buffer, length: this.#length, acts: this.#acts };
  }

  #begin(actCode: number, bytes: number, marks: Mark[]): void {
    let needed = this.#length + 1 + bytes + numberBytes;
    for (const mark of marks) needed += 4 * numberBytes + mark.outbox.length;
    if (needed > this.#bytes.length) this.#growTo(needed);
    this.#bytes[this.#length++] = actCode;
  }

  #growTo(needed: number): void {
    const grown = new Uint8Array(new ArrayBuffer(Math.max(needed, 2 * this.#bytes.length)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #number(value: number): void {
    this.#view.setFloat64(this.#length, value);
    this.#length += numberBytes;
  }

  #blob(bytes: Uint8Array): void {
    this.#number(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #marks(marks: Mark[]): void {
    this.#number(marks.length);
    for (const mark of marks) {
      this.#number(mark.sender);
      this.#number(mark.accepted);
      this.#number(mark.stored);
      this.#blob(mark.outbox);
    }
  }
}

/** The acts of a batch, in the order in which they were asked for. Frames and outboxes are views of its buffer. */
export function readBatch(message: BatchMessage): Act[] {
  const reader = new BatchReader(message);
  const acts: Act[] = [];
  let others = 0;
  while (reader.at < message.length) {
    const actCode = reader.byte();
    switch (actCode) {
      case code.append: {
        const account = reader.number();
        const first = reader.number();
        const last = reader.number();
        const count = reader.number();
        const reservedTo = reader.number();
        const frames = reader.blob();
        const marks = reader.marks();
        const run: AppendRun = { first, last, count, reservedTo, frames, marks };
        acts.push({ name: 'append', asked: [account, run] });
        break;
      }
      case code.saveMarks: {
        const account = reader.number();
        const reservedTo = reader.number();
        acts.push({ name: 'saveMarks', asked: [account, reader.marks(), reservedTo] });
        break;
      }
      case code.advance: {
        const account = reader.number();
        const generation = reader.number();
        const position = reader.number();
        acts.push({ name: 'advance', asked: [account, generation, position, reader.marks()] });
        break;
      }
      default: {
        const other = message.acts[others++];
        if (other === undefined) throw new RangeError('a batch names more acts than it holds');
        acts.push(other);
      }
    }
  }
  return acts;
}

class BatchReader {
  at = 0;
  readonly #bytes: ArrayBuffer;
  readonly #view: DataView;

  constructor(message: BatchMessage) {
    this.#bytes = message.bytes;
    this.#view = new DataView(message.bytes, 0, message.length);
  }

  byte(): number {
    return this.#view.getUint8(this.at++);
  }

  number(): number {
    const value = this.#view.getFloat64(this.at);
    this.at += numberBytes;
    return value;
  }

  blob(): Uint8Array {
    const length = this.number();
    const bytes = new Uint8Array(this.#bytes, this.at, length);
    this.at += length;
    return bytes;
  }

  marks(): Mark[] {
    const marks: Mark[] = [];
    for (let left = this.number(); left > 0; left--) {
      const sender = this.number();
      const accepted = this.number();
      const stored = this.number();
      marks.push({ sender, outbox: this.blob(), accepted, stored });
    }
    return marks;
  }
}
