// Data from the server: the newest result, and the error.

import { errorMessage } from './client';

export class Query<T> {
  /** The newest result; null before the first. It stays when a later request fails. */
  data = $state.raw<T | null>(null);
  /** The error as a sentence; empty if there is none. */
  problem = $state('');
  private newest = 0;

  constructor(private readonly read: () => Promise<T>) {}

  /** Requests it again. Answers to older requests are ignored. */
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

  /** Takes a result from elsewhere. */
  set(data: T) {
    this.newest += 1;
    [this.data, this.problem] = [data, ''];
  }

  /** Requests it now and periodically while the page is visible; the returned function stops that. */
  readonly poll = (every: number): (() => void) => {
    void this.load();
    const timer = setInterval(() => document.hidden || this.load(), every);
    return () => clearInterval(timer);
  };
}

/** Requests it at once. */
export function query<T>(read: () => Promise<T>): Query<T> {
  const made = new Query(read);
  void made.load();
  return made;
}

/** Requests it when told to: for queries that depend on something that comes later or changes. */
export const lazyQuery = <T>(read: () => Promise<T>) => new Query(read);
