// What a session is for whoever works in it: who is here, what is shown, who controls. Pure.

import type { Participant } from '$lib/api/types/Participant';
import type { Right } from '$lib/api/types/Right';
import type { SessionState } from '$lib/api/types/SessionState';
import type { ConnectionStatus } from '$lib/session/connection.svelte';

/** As what somebody is in a session: helping it, invited from outside, or only watching. */
export type WorkspaceRole = 'technician' | 'expert' | 'supervisor';

export interface WorkspaceView {
  customer: Participant | undefined;
  /** Whose page this is. */
  me: Participant | undefined;
  /** The session belongs to them, and to no queue. */
  owns: boolean;
  /** Everybody but the customer who is here. */
  helpers: number;
  /** Nothing can be done here any more: it has ended, is on hold, or its connection is over. */
  gone: boolean;
  /** A screen can be seen here. */
  sharing: boolean;
  /** The customer lets somebody control. */
  controllable: boolean;
  /** Whose page this is controls. */
  controls: boolean;
  /** Who controls, by name. */
  controller: string | undefined;
  has: (right: Right) => boolean;
}

export function workspaceView(
  state: SessionState | null,
  myself: number,
  status: ConnectionStatus['is'],
  role: WorkspaceRole
): WorkspaceView {
  const people = state?.participants ?? [];
  const customer = people.find((p) => p.role === 'customer');
  const me = people.find((p) => p.id === myself);
  const phase = state?.phase.is;
  const has = (right: Right) => state?.grants.includes(right) ?? false;
  const sees = has('view') && (role === 'technician' || (me?.rights.includes('view') ?? false));
  const controllable = has('control') && customer?.presence.is === 'here';
  return {
    customer,
    me,
    owns: me?.user != null && me.user === state?.owner.id && state.queue.is === 'own',
    helpers: people.filter((p) => p.role !== 'customer' && p.presence.is !== 'gone').length,
    gone: status === 'over' || phase === 'ended' || phase === 'held',
    sharing: sees && state?.screen !== null,
    controllable,
    controls: controllable && state?.control === myself,
    controller: people.find((p) => p.id === state?.control)?.name,
    has
  };
}

/** Where the customer is, in words. */
export function customerText(customer: Participant | undefined, restarting: boolean): string {
  if (!customer) return 'Waiting for the customer';
  const { name } = customer;
  if (customer.presence.is === 'reconnecting')
    return restarting ? `${name}’s computer restarts …` : `${name}: reconnecting …`;
  if (customer.presence.is === 'gone') return `${name} has left`;
  return `${name} is here${customer.client === 'browser' ? ' (browser)' : ''}`;
}
