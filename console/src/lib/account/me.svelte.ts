// The signed-in person; requested once.

import { goto } from '$app/navigation';
import { get, ApiError } from '$lib/api/client';
import type { Me } from '$lib/api/types/Me';

class Account {
  me = $state<Me | null>(null);

  async load(next: string) {
    if (this.me) return;
    try {
      this.me = await get<Me>('/api/me');
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) await goto(`/sign-in?next=${encodeURIComponent(next)}`);
    }
  }

  forget() {
    this.me = null;
  }
}

export const account = new Account();
