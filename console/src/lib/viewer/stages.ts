// How long a picture takes, stage by stage: for the connection panel and the benchmark.

/** The stages of a picture in order. The customer's program measures the first two. */
export const STAGES = ['read', 'encode', 'decode', 'draw'] as const;
export type Stage = (typeof STAGES)[number];

/** Milliseconds: median and slow end. */
export interface Spread {
  p50: number;
  p95: number;
}
export type StageTimes = Record<Stage, Spread>;

/** How many pictures are kept. */
const MEMORY = 120;

export class Stages {
  private times: Record<Stage, number[]> = { read: [], encode: [], decode: [], draw: [] };
  private seen: { at: number; bytes: number }[] = [];

  /** A picture's times, in milliseconds. */
  add(at: number, bytes: number, times: Record<Stage, number>) {
    for (const stage of STAGES) push(this.times[stage], times[stage]);
    push(this.seen, { at, bytes });
  }

  /** The number of pictures. */
  get count(): number {
    return this.seen.length;
  }

  /** Median and slow end of each stage; null before the first picture. */
  all(): StageTimes | null {
    if (this.seen.length === 0) return null;
    return Object.fromEntries(STAGES.map((stage) => [stage, spread(this.times[stage])])) as StageTimes;
  }

  /** Pictures and bytes of the second before `now`. */
  lastSecond(now: number): { pictures: number; bytes: number } {
    const recent = this.seen.filter((s) => s.at > now - 1000);
    return { pictures: recent.length, bytes: recent.reduce((sum, s) => sum + s.bytes, 0) };
  }
}

function spread(times: number[]): Spread {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
  return { p50: at(0.5), p95: at(0.95) };
}

function push<T>(list: T[], value: T) {
  list.push(value);
  if (list.length > MEMORY) list.shift();
}
