// The sessions of the queue page, in the groups in which it shows them.

import type { Queued } from '$lib/api/types/Queued';

export interface Group {
  name: string;
  sessions: Queued[];
  /** What stands there while there are none; empty for a group that is then left out. */
  empty: string;
}

export function groups(all: Queued[], team: string): Group[] {
  const queue = (q: Queued) => q.state.queue.is;
  return [
    {
      name: 'Yours',
      sessions: all.filter((q) => q.mine || q.shared),
      empty: 'You have no sessions. Generate a session key on an incident.'
    },
    {
      name: `Team ${team}`,
      sessions: all.filter((q) => q.open && queue(q) === 'team'),
      empty: 'Your team’s queue is empty.'
    },
    {
      name: 'Everybody',
      sessions: all.filter((q) => queue(q) === 'general'),
      empty: 'The general queue is empty.'
    },
    { name: 'With others', sessions: all.filter((q) => !q.mine && !q.shared && !q.open), empty: '' }
  ];
}

/** Who has waited longest comes next. */
export const nextOf = (waiting: Queued[]): Queued | undefined =>
  waiting.toSorted((a, b) => a.waits_since - b.waits_since)[0];
