// To whom a session can be transferred: a colleague, a team's queue, or everybody's.

import type { Colleague } from '$lib/api/types/Colleague';
import type { Transfer } from '$lib/api/types/Transfer';

const TEAM = 'team:';
export const GENERAL = 'general';

/** What a list offers as the value for a team, and for a colleague. */
export const toTeam = (team: string) => TEAM + team;
export const toColleague = (id: number) => String(id);

/** The request for what was chosen in the list. */
export function transferTo(chosen: string, note: string): Transfer {
  if (chosen === GENERAL) return { to: 'general', note };
  if (chosen.startsWith(TEAM)) return { to: 'team', team: chosen.slice(TEAM.length), note };
  return { to: 'technician', technician: Number(chosen), note };
}

export const teamsOf = (colleagues: Colleague[]) => [...new Set(colleagues.map((c) => c.team).filter(Boolean))].sort();

/** Whether a colleague has time, in words. */
export function presenceText({ online, sessions }: Pick<Colleague, 'online' | 'sessions'>): string {
  if (!online) return 'away';
  return sessions ? `in ${sessions} session${sessions > 1 ? 's' : ''}` : 'free';
}
