// What a session is for the person who works in it: participants, screen, control. Pure.

import type { Participant } from '$lib/api/types/Participant';
import type { Right } from '$lib/api/types/Right';
import type { SessionState } from '$lib/api/types/SessionState';
import type { ConnectionStatus } from '$lib/session/connection.svelte';

/** The part of the person in the session: helps, was invited from outside, or only watches. */
export type WorkspaceRole = 'technician' | 'expert' | 'supervisor';

export interface WorkspaceView {
  customer: Participant | undefined;
  /** The participant of this page. */
  me: Participant | undefined;
  /** Whether they own the session, and it is in no queue. */
  owns: boolean;
  /** Everybody present except the customer. */
  helpers: number;
  /** Whether nothing can be done here any more: it has ended, is on hold, or its connection is lost for good. */
  gone: boolean;
  /** Whether a screen can be seen here. */
  sharing: boolean;
  /** Whether the customer has granted control. */
  controllable: boolean;
  /** Whether the participant of this page has control. */
  controls: boolean;
  /** The name of the participant who has control. */
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
