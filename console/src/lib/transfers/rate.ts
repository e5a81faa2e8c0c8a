// The rate of bytes over the last few seconds.

const WINDOW = 3_000;
/** Over a shorter time a rate is meaningless. */
const LEAST = 200;

export class Rate {
  private seen: { at: number; bytes: number }[] = [];

  /** Takes the total bytes at a time in milliseconds; returns bytes a second, or null when it is too early. */
  add(at: number, bytes: number): number | null {
    this.seen = [...this.seen.filter((s) => at - s.at < WINDOW), { at, bytes }];
    const first = this.seen[0]!;
    return at - first.at > LEAST ? Math.max(0, ((bytes - first.bytes) / (at - first.at)) * 1_000) : null;
  }
}
