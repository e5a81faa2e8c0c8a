// The targets of a transfer: a colleague, a team's queue, or the general one.

import type { Colleague } from '$lib/api/types/Colleague';
import type { Transfer } from '$lib/api/types/Transfer';

const TEAM = 'team:';
export const GENERAL = 'general';

/** The values of the list for a team and for a colleague. */
export const toTeam = (team: string) => TEAM + team;
export const toColleague = (id: number) => String(id);

/** The request for the selected value. */
export function transferTo(chosen: string, note: string): Transfer {
  if (chosen === GENERAL) return { to: 'general', note };
  if (chosen.startsWith(TEAM)) return { to: 'team', team: chosen.slice(TEAM.length), note };
  return { to: 'technician', technician: Number(chosen), note };
}

export const teamsOf = (colleagues: Colleague[]) => [...new Set(colleagues.map((c) => c.team).filter(Boolean))].sort();

/** Whether a colleague is available, in words. */
export function presenceText({ online, sessions }: Pick<Colleague, 'online' | 'sessions'>): string {
  if (!online) return 'away';
  return sessions ? `in ${sessions} session${sessions > 1 ? 's' : ''}` : 'free';
}
