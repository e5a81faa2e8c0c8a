import { expect, test } from 'vitest';
import type { Colleague } from '$lib/api/types/Colleague';
import { GENERAL, presenceText, teamsOf, toColleague, toTeam, transferTo } from './transfer';

test.each([
  [GENERAL, { to: 'general', note: 'n' }],
  [toTeam('general'), { to: 'team', team: 'general', note: 'n' }],
  [toTeam('team:a'), { to: 'team', team: 'team:a', note: 'n' }],
  [toColleague(7), { to: 'technician', technician: 7, note: 'n' }]
])('%s', (chosen, request) => expect(transferTo(chosen, 'n')).toEqual(request));

test('each team once, and nobody without one', () => {
  const teams = ['Service desk', '', 'Network', 'Service desk'].map((team) => ({ team }) as Colleague);
  expect(teamsOf(teams)).toEqual(['Network', 'Service desk']);
});

test.each([
  [false, 0, 'away'],
  [true, 0, 'free'],
  [true, 1, 'in 1 session'],
  [true, 2, 'in 2 sessions']
])('online %s with %d: %s', (online, sessions, text) => expect(presenceText({ online, sessions })).toBe(text));
