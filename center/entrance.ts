// The entrance: who may begin with handshake and login now, and who waits for a turn. First come, first served.
import type { Origin, Sessions } from './sessions.ts';

/**
 * Begun in one turn of the event loop at most. What those before them still have to do comes in between: if all began
 * at once, each would take as long as all together, and none might be done in time.
 */
const beginsPerTurn = 8;

/** A connection that has sent its first bytes. */
export interface Arrival {
  readonly from: Origin;
  begin(): void;
}

export class Entrance {
  readonly #sessions: Sessions;
  readonly #perTurn: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<Arrival>();
  /** Of this turn. */
  #begun = 0;
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

  /** Begins it now if nobody waits and this turn has not begun enough, else when its turn comes. */
  arrive(arrival: Arrival): void {
    if (this.#waiting.size === 0 && this.#begun < this.#perTurn && this.#sessions.begin(arrival.from)) {
      this.#begun++;
      this.#schedule();
      arrival.begin();
    } else {
      this.#waiting.add(arrival);
      this.#schedule();
    }
  }

  /** It is gone, or has waited too long. */
  leave(arrival: Arrival): void {
    this.#waiting.delete(arrival);
  }

  #schedule(): void {
    if (this.#scheduled || (this.#begun === 0 && this.#waiting.size === 0)) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.#begun = 0;
    for (const arrival of this.#waiting) {
      // Where there is no place, the next one to be free asks for a turn.
      if (this.#begun >= this.#perTurn || !this.#sessions.begin(arrival.from)) break;
      this.#waiting.delete(arrival);
      this.#begun++;
      arrival.begin();
    }
    if (this.#begun > 0) this.#schedule();
  };
}
