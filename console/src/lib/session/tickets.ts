import { post } from '$lib/api/client';
import type { Admission } from '$lib/api/types/Admission';

/** Asks for tickets: the first is there already, each later one comes for the token of the session. */
export function tickets(token: string, first: string): () => Promise<string> {
  let ticket: string | null = first;
  return async () => {
    const now = ticket ?? (await post<Admission>('/api/join/resume', { token })).ticket;
    ticket = null;
    return now;
  };
}
