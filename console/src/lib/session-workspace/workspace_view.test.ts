import { describe, expect, test } from 'vitest';
import type { Participant } from '$lib/api/types/Participant';
import type { SessionState } from '$lib/api/types/SessionState';
import { customerText, workspaceView, type WorkspaceRole } from './workspace_view';

const person = (id: number, role: Participant['role'], more: Partial<Participant> = {}) =>
  ({
    id,
    role,
    name: `P${id}`,
    client: 'console',
    user: id,
    rights: [],
    presence: { is: 'here' },
    ...more
  }) as unknown as Participant;
const owner = person(1, 'technician');
const customer = person(2, 'customer', { user: null, client: 'program' });
const session = (more: Partial<SessionState> = {}) =>
  ({
    participants: [owner, customer],
    owner: { id: 1, name: 'P1' },
    queue: { is: 'own' },
    phase: { is: 'active' },
    grants: [],
    control: null,
    screen: null,
    ...more
  }) as unknown as SessionState;
const shared = { width: 1, height: 1 } as unknown as SessionState['screen'];
const view = (more: Partial<SessionState>, me = 1, role: WorkspaceRole = 'technician') =>
  workspaceView(session(more), me, 'here', role);

describe('workspaceView', () => {
  test('a screen is seen when it is granted and shared', () => {
    expect(view({ grants: ['view'], screen: null }).sharing).toBe(false);
    expect(view({ grants: ['view'], screen: shared }).sharing).toBe(true);
    expect(view({ grants: [], screen: shared }).sharing).toBe(false);
  });

  test('a guest sees what their invitation gives', () => {
    const guest = (rights: Participant['rights']) =>
      view(
        { participants: [owner, customer, person(3, 'expert', { rights })], grants: ['view'], screen: shared },
        3,
        'expert'
      );
    expect([guest([]).sharing, guest(['view']).sharing]).toEqual([false, true]);
  });

  test('one at a time controls, while the customer is here', () => {
    const granted = { grants: ['view', 'control'] as SessionState['grants'], control: 1 };
    expect(view(granted)).toMatchObject({ controllable: true, controls: true, controller: 'P1' });
    expect(view(granted, 4)).toMatchObject({ controllable: true, controls: false });
    const away = { ...customer, presence: { is: 'reconnecting' } } as Participant;
    expect(view({ ...granted, participants: [owner, away] })).toMatchObject({ controllable: false, controls: false });
  });

  test('a session in a queue belongs to nobody', () => {
    expect(view({}).owns).toBe(true);
    expect(view({ queue: { is: 'general' } }).owns).toBe(false);
    expect(view({}, 9).owns).toBe(false);
  });

  test.each([
    ['here', 'active', false],
    ['here', 'held', true],
    ['here', 'ended', true],
    ['over', 'active', true],
    ['reconnecting', 'active', false]
  ] as const)('with a connection that is %s, in a session that is %s, gone: %s', (status, phase, gone) => {
    const state = session({ phase: { is: phase } as SessionState['phase'] });
    expect(workspaceView(state, 1, status, 'technician').gone).toBe(gone);
  });

  test('before anything is known nothing can be done', () => {
    expect(workspaceView(null, 0, 'connecting', 'technician')).toMatchObject({
      owns: false,
      helpers: 0,
      gone: false,
      sharing: false,
      controls: false
    });
  });
});

test.each([
  [undefined, false, 'Waiting for the customer'],
  [customer, false, 'P2 is here'],
  [person(2, 'customer', { client: 'browser' }), false, 'P2 is here (browser)'],
  [person(2, 'customer', { presence: { is: 'gone' } as Participant['presence'] }), false, 'P2 has left'],
  [person(2, 'customer', { presence: { is: 'reconnecting' } as Participant['presence'] }), false, 'P2: reconnecting …'],
  [
    person(2, 'customer', { presence: { is: 'reconnecting' } as Participant['presence'] }),
    true,
    'P2’s computer restarts …'
  ]
])('%#: %s', (who, restarting, text) => expect(customerText(who, restarting)).toBe(text));
