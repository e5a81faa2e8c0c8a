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

/** The first page of the settings. */
export const FIRST_PAGE = `/console/settings/${PAGES[0][0]}`;
