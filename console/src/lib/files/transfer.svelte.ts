// A file on its way: what both directions share.

import { Problem } from '$lib/api/client';

export type Course =
  | { is: 'queued' }
  | { is: 'running' }
  | { is: 'waiting' }
  | { is: 'paused' }
  | { is: 'checking' }
  /** The browser has not begun: it may ask whether it may save several files. */
  | { is: 'ready' }
  /** The browser has stopped it, and may go on. */
  | { is: 'stopped' }
  | { is: 'done'; where: string }
  | { is: 'failed'; why: string }
  | { is: 'cancelled' };

/** How long a broken connection is tried again. */
export const PATIENCE = 10 * 60_000;
const OVER = ['done', 'failed', 'cancelled'];

const number = () => crypto.getRandomValues(new Uint32Array(2)).reduce((all, n) => (all % 2 ** 20) * 2 ** 32 + n, 0);

export abstract class Transfer {
  readonly number = number();
  course = $state<Course>({ is: 'queued' });
  done = $state(0);
  size = $state<number | null>(null);
  /** Bytes a second. */
  rate = $state(0);
  private seen: { at: number; bytes: number }[] = [];

  constructor(
    readonly session: string,
    readonly way: 'to_customer' | 'from_customer',
    readonly name: string
  ) {}

  get over() {
    return OVER.includes(this.course.is);
  }

  /** Seconds that are left, as far as can be said. */
  get left(): number | null {
    return this.size !== null && this.rate > 0 && this.course.is === 'running'
      ? (this.size - this.done) / this.rate
      : null;
  }

  protected progress(bytes: number) {
    this.done = bytes;
    const now = performance.now();
    this.seen = [...this.seen.filter((s) => now - s.at < 3_000), { at: now, bytes }];
    const first = this.seen[0]!;
    if (now - first.at > 200) this.rate = Math.max(0, ((bytes - first.bytes) / (now - first.at)) * 1_000);
  }

  protected fail(why: string) {
    if (!this.over) this.course = { is: 'failed', why };
  }

  abstract run(): Promise<void>;
  abstract pause(): void;
  abstract resume(): void;
  abstract cancel(): void;
  /** The same once more, from the beginning. */
  abstract again(): Transfer;
}

/** What a broken connection looks like: it may come back. */
export const passes = (error: unknown) => error instanceof Problem && [0, 502, 503].includes(error.status);

export async function again<T>(ask: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE;
  for (let wait = 300; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      return await ask();
    } catch (error) {
      if (!passes(error) || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
