import type { Unstored } from '$lib/api/types/Unstored';

/** Why the evidence of a session is not stored, and what happens next. */
export const storageProblem = ({ why, given_up }: Unstored) =>
  `${why}. ${given_up ? 'It is not retried automatically: an administrator can retry it on the session’s page.' : 'It is retried automatically.'}`;
