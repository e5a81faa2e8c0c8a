import type { Unstored } from '$lib/api/types/Unstored';

/** Why the evidence of a session is not stored, and what becomes of it. */
export const storageProblem = ({ why, given_up }: Unstored) =>
  `${why}. ${given_up ? 'It is not tried again by itself: an administrator can have it tried on the session’s page.' : 'It is tried again by itself.'}`;
