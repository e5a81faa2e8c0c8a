// The permissions of other systems, in words.

import type { Scope } from '$lib/api/types/Scope';

const SCOPES: [Scope, string][] = [
  ['sessions:read', 'Read sessions and who is there'],
  ['sessions:write', 'Make, move, mark and end sessions'],
  ['evidence:read', 'Read transcripts, recordings and reports'],
  ['people:read', 'Read technicians and teams'],
  ['people:write', 'Change technicians and teams']
];

/** In the form of a group of checkboxes. */
export const SCOPE_OPTIONS = SCOPES.map(([value, label]) => ({ value, label, code: value }));
