// Entries of the timeline as lines of a conversation. Pure.

import type { Entry } from '../api/types/Entry';
import type { Participant } from '../api/types/Participant';

export type Line =
  | { kind: 'said'; seq: number; at: number; who: string; text: string; mine: boolean }
  | { kind: 'happened'; seq: number; at: number; text: string; tone: 'quiet' | 'notable' | 'alarm' };

/** Whose eyes: the customer reads "you" where the technician reads a name. */
export type Reader = 'technician' | 'customer';

export function lines(entries: Entry[], people: Participant[], me: number, reader: Reader): Line[] {
  const names = new Map(people.map((p) => [p.id, p.name]));
  for (const { event } of entries) if (event.type === 'joined') names.set(event.id, event.name);
  return entries.flatMap((entry) => {
    const line = toLine(entry, names, me, reader);
    return line ? [line] : [];
  });
}

function toLine(entry: Entry, names: Map<number, string>, me: number, reader: Reader): Line | null {
  const { seq, at, event } = entry;
  const name = (id: number) => names.get(id) ?? 'Somebody';
  if (event.type === 'chat') {
    return { kind: 'said', seq, at, who: name(event.from), text: event.text, mine: event.from === me };
  }
  const customer = reader === 'customer';
  const happened = (text: string, tone: 'quiet' | 'notable' | 'alarm' = 'quiet'): Line => ({
    kind: 'happened',
    seq,
    at,
    text,
    tone
  });
  const wish = (rights: string[]) => (rights.includes('control') ? 'see and control' : 'see');
  switch (event.type) {
    case 'joined':
      return event.id === me ? null : happened(`${event.name} has joined${means(event.client)}`, 'notable');
    case 'returned':
      return event.id === me ? null : happened(`${name(event.id)} is back${means(event.client)}`, 'notable');
    case 'dropped':
      return event.id === me ? null : happened(`${name(event.id)} has lost the connection, reconnecting …`, 'alarm');
    case 'left':
      return event.id === me ? null : happened(`${name(event.id)} has left the conversation`, 'alarm');
    case 'asked':
      return happened(
        customer
          ? `${name(event.by)} asks to ${wish(event.rights)} your screen`
          : `You asked to ${wish(event.rights)} the screen`
      );
    case 'granted':
      return happened(
        customer
          ? `You allowed to ${wish(event.rights)} your screen`
          : `${name(event.by)} allows you to ${wish(event.rights)} the screen`,
        'notable'
      );
    case 'denied':
      return happened(customer ? 'You did not allow it' : `${name(event.by)} does not allow it`, 'alarm');
    case 'withdrawn': {
      const what = event.right === 'view' ? 'The screen is no longer visible' : 'The control of the screen has ended';
      const why = {
        customer: 'by the customer',
        technician: 'by the technician',
        session: '',
        recording: 'it cannot be recorded'
      };
      return happened(why[event.why] ? `${what} (${why[event.why]})` : what, 'notable');
    }
    case 'paused':
      return happened(customer ? 'You paused the screen' : `${name(event.by)} has paused the screen`, 'notable');
    case 'resumed':
      return happened(customer ? 'The screen is visible again' : `${name(event.by)} shows the screen again`, 'notable');
    case 'sharing_started':
      return happened(event.recorded ? 'The screen is shared and recorded' : 'The screen is shared');
    case 'screen_resized':
      return happened(`The screen is now ${event.width} × ${event.height}`);
    case 'sharing_failed':
      return happened(`The screen cannot be shared: ${event.reason}`, 'alarm');
    case 'recording_failed':
      return happened(`The recording cannot go on: ${event.reason}`, 'alarm');
    case 'held':
      return happened(
        customer
          ? 'The session has ended for now'
          : event.by
            ? `${event.by.name} has put the session on hold`
            : 'The session is on hold',
        'alarm'
      );
    case 'reopened':
      return happened(`${event.by.name} has opened the session again`, 'notable');
    case 'transferred':
      return happened(
        customer ? `${event.to.name} takes over` : `${event.by.name} has transferred the session to ${event.to.name}`,
        'notable'
      );
    case 'ended':
      return happened('The session has ended', 'alarm');
    default:
      return null;
  }
}

function means(client: string): string {
  return client === 'browser' ? ' (in the browser)' : client === 'program' ? ' (with the support program)' : '';
}

/** A message cut into text and web addresses; only http and https become links. */
export function pieces(text: string): { text: string; href?: string }[] {
  const parts: { text: string; href?: string }[] = [];
  let at = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"'`]+/g)) {
    const address = match[0].replace(/[.,)!?;:]+$/, '');
    if (!URL.canParse(address)) continue;
    if (match.index > at) parts.push({ text: text.slice(at, match.index) });
    parts.push({ text: address, href: address });
    at = match.index + address.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}
