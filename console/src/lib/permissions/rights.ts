// The rights in words for administrators.

import type { Right } from '$lib/api/types/Right';

/** In the order in which customers are asked. */
const NAMES: Record<Right, string> = {
  view: 'See the screen',
  control: 'Control the screen',
  files: 'Files',
  clipboard: 'Clipboard',
  shell: 'Commands',
  system_info: 'System information',
  restart: 'Restart of the computer',
  elevate: 'Run as administrator'
};

export const rightName = (right: Right) => NAMES[right];

export const allRights = () => Object.keys(NAMES) as Right[];

/** In the form of a group of checkboxes. */
export const RIGHT_OPTIONS = allRights().map((value) => ({ value, label: rightName(value) }));
