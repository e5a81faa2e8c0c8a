import { post } from '$lib/api/client';
import type { Admission } from '$lib/api/types/Admission';

/** Requests tickets: the first is known already, each later one needs the session's token. */
export function tickets(token: string, first: string): () => Promise<string> {
  let ticket: string | null = first;
  return async () => {
    const now = ticket ?? (await post<Admission>('/api/join/resume', { token })).ticket;
    ticket = null;
    return now;
  };
}
