// The entrance: who may begin with handshake and login now, and who waits for a turn. First come, first served.
import type { Origin, Sessions } from './sessions.ts';

/**
 * Begun in one turn of the event loop at most. What those before them still have to do comes in between: if all began
 * at once, each would take as long as all together, and none might be done in time.
 */
const beginsPerTurn = 16;

/** A connection that has sent its first bytes. */
export interface Arrival {
  readonly from: Origin;
  begin(): void;
}

/**
 * Arrivals begin in groups: libuv accepts one connection in each turn, and work done for one alone costs half as much
 * again as for many side by side (docs/performance.md). A group is complete when a turn brings no further one.
 */
export class Entrance {
  readonly #sessions: Sessions;
  readonly #perTurn: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<Arrival>();
  /** One came since the last turn. */
  #grows = false;
  #scheduled = false;

  constructor(sessions: Sessions, perTurn = beginsPerTurn) {
    this.#sessions = sessions;
    this.#perTurn = perTurn;
    sessions.onRoom = () => this.#schedule();
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** It begins when its group does, in the next turn or a little later. */
  arrive(arrival: Arrival): void {
    this.#waiting.add(arrival);
    this.#grows = true;
    this.#schedule();
  }

  /** It is gone, or has waited too long. */
  leave(arrival: Arrival): void {
    this.#waiting.delete(arrival);
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.size === 0) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    const isComplete = !this.#grows || this.#waiting.size >= this.#perTurn;
    this.#grows = false;
    // Where there is no place, the next one to be free asks for a turn.
    if (!isComplete || this.#beginGroup() > 0) this.#schedule();
  };

  #beginGroup(): number {
    let begun = 0;
    for (const arrival of this.#waiting) {
      if (begun >= this.#perTurn || !this.#sessions.begin(arrival.from)) break;
      this.#waiting.delete(arrival);
      begun++;
      arrival.begin();
    }
    return begun;
  }
}
