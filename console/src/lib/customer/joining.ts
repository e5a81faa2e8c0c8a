// How a customer's page identifies its invitation, and returns to its session after a reload.

import type { Invitation } from '$lib/api/types/Invitation';
import type { Pass } from '$lib/api/types/Pass';

/** The invitation's secret is behind `#`, so browsers never send it in an address. */
export const passOf = (secret: string): Pass =>
  secret.startsWith('key=') ? { by: 'key', key: secret.slice('key='.length) } : { by: 'link', token: secret };

/** What a page stores of its session. */
export interface Kept {
  token: string;
  invitation: Invitation;
}

/** Stores the session of an invitation for as long as the tab is open. */
export class SessionMemory {
  private readonly key: string;

  constructor(
    secret: string,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> = sessionStorage
  ) {
    this.key = `deskside-${secret.slice(0, 40)}`;
  }

  read(): Kept | null {
    const kept = this.storage.getItem(this.key);
    return kept === null ? null : (JSON.parse(kept) as Kept);
  }

  write(kept: Kept) {
    this.storage.setItem(this.key, JSON.stringify(kept));
  }

  forget() {
    this.storage.removeItem(this.key);
  }
}
