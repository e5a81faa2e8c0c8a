// Texts and colours for an incident's fields.

import type { Incident } from '$lib/api/types/Incident';
import type { IncidentInput } from '$lib/api/types/IncidentInput';
import type { Priority } from '$lib/api/types/Priority';
import type { Status } from '$lib/api/types/Status';
import type { Tone } from '$lib/ui/Tag.svelte';

export const STATUS: Record<Status, string> = {
  new: 'New',
  in_progress: 'In progress',
  waiting: 'Waiting',
  resolved: 'Resolved'
};
export const PRIORITY: Record<Priority, string> = { low: 'Low', normal: 'Normal', high: 'High', urgent: 'Urgent' };
const STATUS_TONE: Record<Status, Tone> = { new: 'soft', in_progress: 'warn', waiting: '', resolved: 'good' };
const PRIORITY_TONE: Record<Priority, Tone> = { low: '', normal: '', high: 'warn', urgent: 'alarm' };
export const statusTone = (s: Status) => STATUS_TONE[s];
export const priorityTone = (p: Priority) => PRIORITY_TONE[p];

/** An incident in the form that a request sends back. */
export const asInput = (i: Incident): IncidentInput => ({
  customer: i.customer.id,
  subject: i.subject,
  description: i.description,
  status: i.status,
  priority: i.priority,
  kind: i.kind,
  owner: i.owner?.id ?? null,
  team: i.team
});
