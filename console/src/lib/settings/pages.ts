// The pages of the settings, in the order of their navigation.

export const PAGES = [
  ['organisation', 'Organisation'],
  ['people', 'People'],
  ['permissions', 'Roles and policies'],
  ['mail', 'Mail'],
  ['recording', 'Recording'],
  ['security', 'Security'],
  ['integrations', 'Integrations']
] as const;

/** Where the settings begin. */
export const FIRST_PAGE = `/console/settings/${PAGES[0][0]}`;
