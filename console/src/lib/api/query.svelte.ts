// Something that is read from the server: what came, and what went wrong.

import { errorMessage } from './client';

export class Query<T> {
  /** What was read last; null before. It stays when it cannot be read anew. */
  data = $state.raw<T | null>(null);
  /** Why it could not be read, for a person; empty while nothing failed. */
  problem = $state('');
  private newest = 0;

  constructor(private readonly read: () => Promise<T>) {}

  /** Reads it anew. Answers that come too late, after a newer question, count for nothing. */
  readonly load = async (): Promise<void> => {
    const mine = ++this.newest;
    try {
      const data = await this.read();
      if (mine !== this.newest) return;
      [this.data, this.problem] = [data, ''];
    } catch (error) {
      if (mine === this.newest) this.problem = errorMessage(error);
    }
  };

  /** Takes what somebody else has read or changed. */
  set(data: T) {
    this.newest += 1;
    [this.data, this.problem] = [data, ''];
  }

  /** Reads it now and every so often while the page is seen; the returned function ends that. */
  readonly poll = (every: number): (() => void) => {
    void this.load();
    const timer = setInterval(() => document.hidden || this.load(), every);
    return () => clearInterval(timer);
  };
}

/** Reads it at once. */
export function query<T>(read: () => Promise<T>): Query<T> {
  const made = new Query(read);
  void made.load();
  return made;
}

/** Reads it when it is asked to: for what depends on something that comes later or changes. */
export const lazyQuery = <T>(read: () => Promise<T>) => new Query(read);
