// The comparison of digits with one other account, over whichever link is used: asked for, under way, and shown.
import type { Introduced } from './introduction.ts';
import type { Link } from './link.ts';
import { Verification } from './verification.ts';

export class Comparison {
  readonly #self: Introduced;
  readonly #account: number;
  readonly #onDigits: (digits: string) => void;
  #run: Verification | null = null;
  /** The user asked for digits that have not come. */
  #isWanted = false;
  /** The link whose digits were shown. */
  #shownOf: Link | null = null;

  /** account: the other one's. onDigits: shows them to the user. */
  constructor(self: Introduced, account: number, onDigits: (digits: string) => void) {
    this.#self = self;
    this.#account = account;
    this.#onDigits = onDigits;
  }

  /** The user asks for digits. */
  begin(link: Link): void {
    this.#run ??= this.#runOn(link);
    this.#isWanted = true;
    this.#run.start();
  }

  /** What the other side sends on the link that is used. Throws bad_signature. */
  take(link: Link, frame: { commit: Uint8Array } | { reveal: Uint8Array }): void {
    // Whoever commits anew gets a nonce that was not shown to them.
    if ('commit' in frame && this.#run?.isAnswered) this.#run = null;
    this.#run ??= this.#runOn(link);
    this.#run.take(frame);
  }

  /** The link that it was on is not used any more. */
  leave(): void {
    this.#run = null;
  }

  /** There is another link: what the user asked for goes on there. */
  goOn(link: Link): void {
    if (this.#isWanted) this.begin(link);
  }

  /** There is no link any more. */
  giveUp(): void {
    this.#isWanted = false;
  }

  /** True if the digits that were shown last are of this very link. */
  isOf(link: Link): boolean {
    return link === this.#shownOf;
  }

  #runOn(link: Link): Verification {
    const other = { account: this.#account, key: link.channel.key };
    const run: Verification = new Verification(link, this.#self, other, (digits) => {
      // Another has taken its place.
      if (this.#run !== run) return;
      this.#run = null;
      this.#isWanted = false;
      this.#shownOf = link;
      this.#onDigits(digits);
    });
    return run;
  }
}
