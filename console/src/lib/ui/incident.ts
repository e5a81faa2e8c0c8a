// Words and colours for an incident's fields.

import type { Priority } from '../api/types/Priority';
import type { Status } from '../api/types/Status';

export const STATUS: Record<Status, string> = {
  new: 'New',
  in_progress: 'In progress',
  waiting: 'Waiting',
  resolved: 'Resolved'
};
export const PRIORITY: Record<Priority, string> = { low: 'Low', normal: 'Normal', high: 'High', urgent: 'Urgent' };
export const statusTone = (s: Status) => ({ new: 'soft', in_progress: 'warn', waiting: '', resolved: 'good' })[s];
export const priorityTone = (p: Priority) => ({ low: '', normal: '', high: 'warn', urgent: 'alarm' })[p];
