// What other systems may do, in words.

import type { Scope } from '$lib/api/types/Scope';

const SCOPES: [Scope, string][] = [
  ['sessions:read', 'Read sessions and who is there'],
  ['sessions:write', 'Make, move, mark and end sessions'],
  ['evidence:read', 'Read transcripts, recordings and reports'],
  ['people:read', 'Read technicians and teams'],
  ['people:write', 'Change technicians and teams']
];

/** As a group of boxes offers them. */
export const SCOPE_OPTIONS = SCOPES.map(([value, label]) => ({ value, label, code: value }));
