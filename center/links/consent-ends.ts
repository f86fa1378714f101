// When consents of pairs that were introduced are over by time.
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { ConsentRecord } from '../store/store.ts';
import type { Timeout, Wheel } from '../wheel.ts';
import { pairOf, remember } from './remembered.ts';

export interface ConsentEndsOptions {
  clock: Clock;
  wheel: Wheel;
  log: Logger;
  /** Called about when the time of a consent between the two is over. */
  onOver(giver: number, asker: number): Promise<void>;
}

export class ConsentEnds {
  readonly #options: ConsentEndsOptions;
  readonly #ends = new Map<string, Timeout>();

  constructor(options: ConsentEndsOptions) {
    this.#options = options;
  }

  /** In place of what was watched for the two before. */
  watch({ giver, asker, untilMs }: ConsentRecord): void {
    const { clock, wheel, log, onOver } = this.#options;
    const pair = pairOf(giver, asker);
    const before = this.#ends.get(pair);
    if (before) wheel.cancel(before);
    const expire = (): void => {
      this.#ends.delete(pair);
      onOver(giver, asker).catch((error: unknown) => {
        log.warn({ err: error, giver, asker }, 'the end of a consent could not be told');
      });
    };
    const end: Timeout = { dueTick: 0, expire };
    const forgotten = remember(this.#ends, pair, end);
    if (forgotten) wheel.cancel(forgotten);
    wheel.schedule(end, Math.max(0, untilMs - clock.now()));
  }
}

/** With whom the account has this consent. */
export function otherOf({ giver, asker }: ConsentRecord, account: number): number {
  return giver === account ? asker : giver;
}
