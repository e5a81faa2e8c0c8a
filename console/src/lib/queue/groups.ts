// The sessions of the queue page, in its groups.

import type { Queued } from '$lib/api/types/Queued';

export interface Group {
  name: string;
  sessions: Queued[];
  /** The text while the group is empty; a group without a text is then left out. */
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

/** Those who have waited longest come first. */
export const nextOf = (waiting: Queued[]): Queued | undefined =>
  waiting.toSorted((a, b) => a.waits_since - b.waits_since)[0];
