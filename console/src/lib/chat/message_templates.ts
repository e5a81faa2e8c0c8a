// Message templates: found by typing a slash, and filled in.

import type { Canned } from '$lib/api/types/Canned';
import type { SessionState } from '$lib/api/types/SessionState';
import { fits } from '$lib/text/fold';

/** The most that are offered: another letter is quicker than a long list. */
const MOST = 8;

/** The search text after a slash; null when a message is being written. */
export const wantedTemplate = (draft: string): string | null => (/^\/\S*( \S+)*$/.test(draft) ? draft.slice(1) : null);

export const offeredTemplates = (templates: Canned[], wanted: string): Canned[] =>
  templates.filter((t) => fits(`${t.title} ${t.text}`, wanted)).slice(0, MOST);

/** The values of a template's variables in this session. */
export function templateValues(state: SessionState | null, technician: string): Record<string, string> {
  const customer = state?.participants.find((p) => p.role === 'customer')?.name;
  return {
    customer: customer ?? state?.incident.customer ?? '',
    technician,
    number: state?.incident.number ?? '',
    subject: state?.incident.subject ?? '',
    organisation: state?.organisation ?? ''
  };
}

/** A template with its variables filled in; unknown names stay as they are. */
export const filledIn = (text: string, values: Record<string, string>): string =>
  text.replace(/\{\{(\w+)\}\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? values[name]! : whole));
