// The delay before the next try: longer after each failure, short again after a success.

export class Backoff {
  private wait: number;

  /** Delays in milliseconds, from the first to the longest. */
  constructor(
    private readonly first = 300,
    private readonly longest = 5_000
  ) {
    this.wait = first;
  }

  /** The delay before the next try. */
  next(): number {
    const now = this.wait;
    this.wait = Math.min(now * 2, this.longest);
    return now;
  }

  reset() {
    this.wait = this.first;
  }
}
