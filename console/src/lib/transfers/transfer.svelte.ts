// A file on its way: what both directions share.

import { ApiError } from '$lib/api/client';
import { Backoff } from '$lib/api/backoff';
import { Rate } from './rate';

export type TransferStatus =
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

/** A number by which the server knows a transfer. */
const newNumber = () => crypto.getRandomValues(new Uint32Array(2)).reduce((all, n) => (all % 2 ** 20) * 2 ** 32 + n, 0);

export abstract class Transfer {
  readonly number = newNumber();
  status = $state<TransferStatus>({ is: 'queued' });
  done = $state(0);
  size = $state<number | null>(null);
  /** Bytes a second. */
  rate = $state(0);
  private measured = new Rate();

  constructor(
    readonly session: string,
    readonly direction: 'to_customer' | 'from_customer',
    readonly name: string
  ) {}

  get over() {
    return OVER.includes(this.status.is);
  }

  /** Seconds that are left, as far as can be said. */
  get left(): number | null {
    return this.size !== null && this.rate > 0 && this.status.is === 'running'
      ? (this.size - this.done) / this.rate
      : null;
  }

  protected progress(bytes: number) {
    this.done = bytes;
    this.rate = this.measured.add(performance.now(), bytes) ?? this.rate;
  }

  protected fail(why: string) {
    if (!this.over) this.status = { is: 'failed', why };
  }

  abstract run(): Promise<void>;
  abstract pause(): void;
  abstract resume(): void;
  abstract cancel(): void;
  /** The same once more, from the beginning. */
  abstract again(): Transfer;
}

/** Whether an error is a broken connection, which may come back. */
export const isTransient = (error: unknown) => error instanceof ApiError && [0, 502, 503].includes(error.status);

/** Asks until there is an answer, as long as only the connection is broken. */
export async function retry<T>(ask: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE;
  const backoff = new Backoff();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isTransient(error) || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, backoff.next()));
    }
  }
}
