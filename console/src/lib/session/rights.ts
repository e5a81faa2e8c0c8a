// The rights as administrators read them.

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
