// A transfer: what both directions share.

import { ApiError } from '$lib/api/client';
import { Backoff } from '$lib/api/backoff';
import { Rate } from './rate';

export type TransferStatus =
  | { is: 'queued' }
  | { is: 'running' }
  | { is: 'waiting' }
  | { is: 'paused' }
  | { is: 'checking' }
  /** The browser has not started: it may be asking whether to save several files. */
  | { is: 'ready' }
  /** The browser has stopped it and can resume. */
  | { is: 'stopped' }
  | { is: 'done'; where: string }
  | { is: 'failed'; why: string }
  | { is: 'cancelled' };

/** How long a broken connection is retried. */
export const PATIENCE = 10 * 60_000;
const OVER = ['done', 'failed', 'cancelled'];

/** A number that identifies a transfer for the server. */
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

  /** Estimated seconds left. */
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
  /** The same transfer again, from the beginning. */
  abstract again(): Transfer;
}

/** Whether an error is a broken connection, which may recover. */
export const isTransient = (error: unknown) => error instanceof ApiError && [0, 502, 503].includes(error.status);

/** Retries a request as long as only the connection is broken. */
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
