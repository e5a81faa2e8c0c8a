import { expect, test } from 'vitest';
import type { Queued } from '$lib/api/types/Queued';
import { groups, nextOf } from './groups';

const session = (id: string, queue: 'own' | 'team' | 'general', more: Partial<Queued> = {}) =>
  ({
    mine: false,
    open: queue !== 'own',
    shared: false,
    waits_since: 0,
    state: { id, queue: { is: queue } },
    ...more
  }) as unknown as Queued;
const names = (all: Queued[]) =>
  Object.fromEntries(groups(all, 'Service desk').map((g) => [g.name, g.sessions.map((q) => q.state.id)]));

test('each session stands in the group of whoever should look after it', () => {
  const all = [
    session('mine', 'own', { mine: true }),
    session('asked to join', 'own', { shared: true }),
    session('of the team', 'team'),
    session('of all', 'general'),
    session('of a colleague', 'own')
  ];
  expect(names(all)).toEqual({
    Yours: ['mine', 'asked to join'],
    'Team Service desk': ['of the team'],
    Everybody: ['of all'],
    'With others': ['of a colleague']
  });
});

test('who has waited longest comes next', () => {
  const waiting = [session('later', 'team', { waits_since: 20 }), session('first', 'general', { waits_since: 10 })];
  expect(nextOf(waiting)?.state.id).toBe('first');
  expect(nextOf([])).toBeUndefined();
});
