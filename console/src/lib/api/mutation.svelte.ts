// A change on the server: whether it is pending, and its error.

import { untrack } from 'svelte';
import { errorMessage } from './client';

export class Mutation<Arguments extends unknown[] = []> {
  /** Whether it is pending; running it again does nothing until it has ended. */
  pending = $state(false);
  /** The error of the last run as a sentence; empty if there is none. */
  problem = $state('');
  /** Whether the last run succeeded. */
  succeeded = $state(false);

  constructor(private readonly action: (...args: Arguments) => Promise<unknown>) {}

  /** Runs it, unless it is pending; returns whether it succeeded. */
  readonly run = async (...args: Arguments): Promise<boolean> => {
    // An effect that runs it must not depend on its result.
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

  /** Clears the result of the last run. */
  reset() {
    this.problem = '';
    this.succeeded = false;
  }
}

/** What follows a success (closing a dialog, reloading a list) belongs to the action: it is pending until then. */
export const mutation = <Arguments extends unknown[]>(action: (...args: Arguments) => Promise<unknown>) =>
  new Mutation<Arguments>(action);
