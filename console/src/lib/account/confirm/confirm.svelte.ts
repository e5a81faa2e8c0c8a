// Confirmation of identity: one dialog for all requests that wait for it.

import { get, post } from '$lib/api/client';
import type { Confirmation } from '$lib/api/types/Confirmation';
import type { Proof } from '$lib/api/types/Proof';

class Confirming {
  /** Whether the dialog is open. */
  open = $state(false);
  private waiting: ((confirmed: boolean) => void)[] = [];

  /** Opens the dialog and waits for its result. */
  readonly ask = () =>
    new Promise<boolean>((resolve) => {
      this.waiting.push(resolve);
      this.open = true;
    });

  /** Resolves all waiting requests. */
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
