// A token bucket: how fast a peer may send, as the center told it in Hello.

export class Pace {
  #perSecond = 0;
  #burst = 0;
  #tokens = 0;
  #atMs = performance.now();

  /** Takes on the limits of a connection. perSecond 0: no limit. What was used up stays used up. */
  limit(perSecond: number, burst: number): void {
    const isFirst = this.#burst === 0;
    this.#refill();
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, burst);
    this.#tokens = isFirst ? this.#burst : Math.min(this.#tokens, this.#burst);
  }

  /** True if one more may go now, which is then counted. */
  take(): boolean {
    if (this.#perSecond === 0) return true;
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** How long until take() gives true. */
  get waitMs(): number {
    if (this.#perSecond === 0) return 0;
    this.#refill();
    return Math.max(0, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000));
  }

  #refill(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = now;
  }
}
