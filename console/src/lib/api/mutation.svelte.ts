// Something that is changed on the server: whether it is on its way, and what went wrong.

import { untrack } from 'svelte';
import { errorMessage } from './client';

export class Mutation<Arguments extends unknown[] = []> {
  /** It is on its way; running it again does nothing until it has ended. */
  pending = $state(false);
  /** Why the last run failed, for a person; empty while nothing did. */
  problem = $state('');
  /** The last run went well. */
  succeeded = $state(false);

  constructor(private readonly action: (...args: Arguments) => Promise<unknown>) {}

  /** Runs it, unless it runs already; says whether it went well. */
  readonly run = async (...args: Arguments): Promise<boolean> => {
    // An effect that runs it does not run again because of what comes of it.
    if (untrack(() => this.pending)) return false;
    this.reset();
    this.pending = true;
    try {
      await this.action(...args);
      this.succeeded = true;
    } catch (error) {
      this.problem = errorMessage(error);
    } finally {
      this.pending = false;
    }
    return this.succeeded;
  };

  /** Forgets what came of the last run. */
  reset() {
    this.problem = '';
    this.succeeded = false;
  }
}

/** What follows a success (closing a window, reading a list anew) belongs to the action: it is pending until then. */
export const mutation = <Arguments extends unknown[]>(action: (...args: Arguments) => Promise<unknown>) =>
  new Mutation<Arguments>(action);
