// Why an external sign-in failed. The address names the reason by a key of this list; anything else is not shown, so
// that nobody can put their own text on the page where passwords are typed.

import type { SignInProblem } from '$lib/api/types/SignInProblem';

const TEXT: Record<SignInProblem, string> = {
  unavailable: 'Your organisation’s sign-in cannot be reached just now. Please tell your administrator.',
  refused: 'Your organisation’s sign-in did not let you in.',
  late: 'This sign-in was begun elsewhere, or too long ago. Please begin again.',
  unproven: 'What your organisation’s sign-in says of you does not hold. Please tell your administrator.',
  'no-group': 'Your account is in none of the groups that may sign in here.',
  disabled: 'Your account is disabled here.',
  other: 'That was somebody else.'
};

export const problemText = (problem: string | null): string =>
  problem !== null && Object.hasOwn(TEXT, problem) ? TEXT[problem as SignInProblem] : '';
