// What the center says of links before the account's certificate is made, which takes milliseconds.
import type { parley } from '../../shared/protocol.js';

const maxFrames = 4000;

export class EarlyFrames {
  /** null: it is not early any more. */
  #frames: parley.Frame[] | null = [];

  /**
   * True if the frame is kept for later. All of it in the order in which it came: an introduction must not outlive the end
   * that follows it.
   */
  keeps(frame: parley.Frame): boolean {
    const { introduction, linkEnd, punchAt, tunnelOpened } = frame;
    if (this.#frames === null || !(introduction || linkEnd || punchAt || tunnelOpened)) return false;
    // What is left out comes again when it is asked for.
    if (this.#frames.length < maxFrames) this.#frames.push(frame);
    return true;
  }

  /** From now on nothing is kept; take gets what was. */
  end(take: (frame: parley.Frame) => void): void {
    const frames = this.#frames ?? [];
    this.#frames = null;
    for (const frame of frames) take(frame);
  }
}
