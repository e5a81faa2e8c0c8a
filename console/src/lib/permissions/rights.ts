// The rights in words for administrators.

import type { Right } from '$lib/api/types/Right';

export const RIGHTS: [Right, string][] = [
  ['view', 'See the screen'],
  ['control', 'Control the screen'],
  ['files', 'Files'],
  ['clipboard', 'Clipboard'],
  ['shell', 'Commands'],
  ['system_info', 'System information'],
  ['restart', 'Restart of the computer'],
  ['elevate', 'Run as administrator']
];

export const rightName = (right: Right) => RIGHTS.find(([key]) => key === right)![1];

/** In the form of a group of checkboxes. */
export const RIGHT_OPTIONS = RIGHTS.map(([value, label]) => ({ value, label }));
export const allRights = () => RIGHTS.map(([right]) => right);
