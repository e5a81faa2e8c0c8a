// Showing once more who one is: one window for whatever request needs it, however many wait for it.

import { get, post } from '$lib/api/client';
import type { Confirmation } from '$lib/api/types/Confirmation';
import type { Proof } from '$lib/api/types/Proof';

class Confirming {
  /** Whether the window is open. */
  open = $state(false);
  private waiting: ((confirmed: boolean) => void)[] = [];

  /** Opens the window, and waits for what comes of it. */
  readonly ask = () =>
    new Promise<boolean>((resolve) => {
      this.waiting.push(resolve);
      this.open = true;
    });

  /** Whoever waits goes on, or gives up. */
  end(confirmed: boolean) {
    this.open = false;
    for (const resolve of this.waiting.splice(0)) resolve(confirmed);
  }

  readonly ways = () => get<Confirmation>('/api/me/confirm');

  async prove(proof: Proof) {
    await post('/api/me/confirm', proof);
    this.end(true);
  }
}

export const confirming = new Confirming();
