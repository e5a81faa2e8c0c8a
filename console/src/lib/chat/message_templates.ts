// Messages that are said often: found by typing a slash, and filled in.

import type { Canned } from '$lib/api/types/Canned';
import type { SessionState } from '$lib/api/types/SessionState';
import { fits } from '$lib/text/fold';

/** More are not offered: another letter is quicker than a long list. */
const MOST = 8;

/** What is looked for: what was typed after a slash; null when a message is being written. */
export const wantedTemplate = (draft: string): string | null => (/^\/\S*( \S+)*$/.test(draft) ? draft.slice(1) : null);

export const offeredTemplates = (templates: Canned[], wanted: string): Canned[] =>
  templates.filter((t) => fits(`${t.title} ${t.text}`, wanted)).slice(0, MOST);

/** What stands for the variables of a template in this session. */
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

/** A template with its variables filled in; a name that is none stays as it is. */
export const filledIn = (text: string, values: Record<string, string>): string =>
  text.replace(/\{\{(\w+)\}\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? values[name]! : whole));
