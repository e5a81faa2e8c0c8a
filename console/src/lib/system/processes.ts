// The list of processes: filtered and sorted.

import type { Process } from '$lib/api/types/Process';
import { fits } from '$lib/text/fold';

export type SortKey = 'name' | 'cpu' | 'memory' | 'pid';

/** Names and numbers ascend, usage descends: the largest user is looked for. */
export const direction = (key: SortKey) => (key === 'name' || key === 'pid' ? 'ascending' : 'descending');

export function sorted(processes: Process[], filter: string, key: SortKey): Process[] {
  const fitting = processes.filter((p) => fits(`${p.name} ${p.command} ${p.user} ${p.pid}`, filter));
  return fitting.toSorted((a, b) => {
    if (key === 'name') return a.name.localeCompare(b.name);
    return key === 'pid' ? a.pid - b.pid : b[key] - a[key];
  });
}

/** A usage, rounded. */
export const usage = (used: number, all: number) => (all ? `${Math.round((used / all) * 100)} %` : '–');
