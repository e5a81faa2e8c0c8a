// Timeline entries as lines of a conversation. Pure.

import type { Entry } from '$lib/api/types/Entry';
import type { Participant } from '$lib/api/types/Participant';
import type { Right } from '$lib/api/types/Right';
import { leaf, shownName, shownText } from '$lib/text/shown_name';
import { size } from '$lib/text/time';
import { clientText, queueText, rightsText } from './wording';

export type Line =
  | { kind: 'said'; seq: number; at: number; who: string; text: string; mine: boolean }
  | { kind: 'file'; seq: number; at: number; who: string; mine: boolean; number: number; name: string; bytes: number }
  | { kind: 'note'; seq: number; at: number; who: string; text: string }
  | { kind: 'happened'; seq: number; at: number; text: string; tone: 'quiet' | 'notable' | 'alarm' };

/** The reader: the customer reads "you" where the technician reads a name. */
export type Reader = 'technician' | 'customer';

export function lines(entries: Entry[], people: Participant[], me: number, reader: Reader): Line[] {
  const names = new Map(people.map((p) => [p.id, shownName(p.name)]));
  const watchers = new Set<number>();
  for (const { event } of entries) {
    if (event.type !== 'joined') continue;
    names.set(event.id, shownName(event.name));
    if (event.role === 'supervisor') watchers.add(event.id);
  }
  let granted: Right[] = [];
  const all: Line[] = [];
  let run = null as Run | null;
  for (const entry of entries) {
    const { event } = entry;
    // Many transfers in a row are one line that is updated.
    if (event.type === 'file_carried') {
      const { by, way, bytes } = event;
      if (run?.by === by && run.way === way) {
        run = { by, way, count: run.count + 1, bytes: run.bytes + bytes };
        all[all.length - 1] = many(entry, run, names.get(by) ?? 'Somebody', by === me, leaf(event.path));
        continue;
      }
      run = { by, way, count: 1, bytes };
    }
    // A grant names the whole set; the new rights in it are those just allowed.
    const news = event.type === 'granted' ? event.rights.filter((r) => !granted.includes(r)) : [];
    if (event.type === 'granted') granted = event.rights;
    if (event.type === 'withdrawn') granted = granted.filter((r) => r !== event.right);
    const watch = watching(entry, watchers, names, me, reader);
    const line = watch === undefined ? toLine(entry, news, names, me, reader) : watch;
    if (!line) continue;
    if (event.type !== 'file_carried') run = null;
    all.push(line);
  }
  return all;
}

/** Joining and leaving of supervisors; undefined for every other entry. */
function watching(
  { seq, at, event }: Entry,
  watchers: Set<number>,
  names: Map<number, string>,
  me: number,
  reader: Reader
): Line | null | undefined {
  const goes = event.type === 'left' || event.type === 'dropped' || event.type === 'returned';
  if (!(event.type === 'joined' && event.role === 'supervisor') && !(goes && watchers.has(event.id))) return undefined;
  if (event.id === me || event.type === 'dropped' || event.type === 'returned') return null;
  const come =
    reader === 'customer' ? 'watches this session, to supervise the help you get' : 'watches as a supervisor';
  const text = `${names.get(event.id) ?? 'Somebody'} ${event.type === 'joined' ? come : 'no longer watches'}`;
  return { kind: 'happened', seq, at, text, tone: 'notable' };
}

/** Files that were transferred one after another. */
interface Run {
  by: number;
  way: 'to_customer' | 'from_customer';
  count: number;
  bytes: number;
}

function many({ seq, at }: Entry, { way, count, bytes }: Run, name: string, mine: boolean, last: string): Line {
  const done = way === 'to_customer' ? 'sent' : 'fetched';
  const text = `${mine ? 'You have' : `${name} has`} ${done} ${count} files (${size(bytes)}), ${last} the last`;
  return { kind: 'happened', seq, at, text, tone: 'notable' };
}

function toLine(entry: Entry, news: Right[], names: Map<number, string>, me: number, reader: Reader): Line | null {
  const { seq, at, event } = entry;
  const name = (id: number) => names.get(id) ?? 'Somebody';
  if (event.type === 'chat') {
    return { kind: 'said', seq, at, who: name(event.from), text: shownText(event.text), mine: event.from === me };
  }
  if (event.type === 'file_posted') {
    const { number, name: file, bytes } = event;
    return {
      kind: 'file',
      seq,
      at,
      who: name(event.from),
      mine: event.from === me,
      number,
      name: shownName(file),
      bytes
    };
  }
  if (event.type === 'noted') return { kind: 'note', seq, at, who: event.by.name, text: shownText(event.text) };
  const customer = reader === 'customer';
  const happened = (text: string, tone: 'quiet' | 'notable' | 'alarm' = 'quiet'): Line => ({
    kind: 'happened',
    seq,
    at,
    text,
    tone
  });
  const your = customer ? 'your' : 'the';
  const wish = (rights: Right[]) => rightsText(rights, your);
  const who = (id: number) => (id === me ? 'You' : name(id));
  const has = (id: number) => (id === me ? 'have' : 'has');
  switch (event.type) {
    case 'joined':
      return event.id === me ? null : happened(`${name(event.id)} has joined${clientText(event.client)}`, 'notable');
    case 'returned':
      return event.id === me ? null : happened(`${name(event.id)} is back${clientText(event.client)}`, 'notable');
    case 'dropped':
      return event.id === me ? null : happened(`${name(event.id)} has lost the connection, reconnecting …`, 'alarm');
    case 'left':
      return event.id === me ? null : happened(`${name(event.id)} has left the conversation`, 'alarm');
    case 'asked':
      return happened(`${who(event.by)} ${event.by === me ? 'asked' : 'asks'} to ${wish(event.rights)}`);
    case 'granted':
      return happened(
        `${customer ? 'You allow' : `${name(event.by)} allows`} to ${wish(news.length ? news : event.rights)}`,
        'notable'
      );
    case 'denied':
      return happened(customer ? 'You did not allow it' : `${name(event.by)} does not allow it`, 'alarm');
    case 'withdrawn': {
      const what = {
        view: 'The screen is no longer visible',
        control: 'The control of the screen has ended',
        files: 'Files are no longer allowed',
        clipboard: 'The clipboard is no longer allowed',
        shell: 'Commands are no longer allowed',
        system_info: 'System information is no longer allowed',
        restart: 'Restarting the computer is no longer allowed',
        elevate: 'Running as administrator is no longer allowed'
      }[event.right];
      const why = {
        customer: 'by the customer',
        technician: 'by the technician',
        session: '',
        recording: 'it cannot be recorded'
      };
      return happened(why[event.why] ? `${what} (${why[event.why]})` : what, 'notable');
    }
    case 'paused':
      if (event.why === 'system')
        return happened('The system hides the screen: it asks for a password, or is locked', 'notable');
      return happened(customer ? 'You paused the screen' : `${name(event.by)} has paused the screen`, 'notable');
    case 'resumed':
      return happened(customer ? 'The screen is visible again' : `${name(event.by)} shows the screen again`, 'notable');
    case 'sharing_started':
      return happened(event.recorded ? 'The screen is shared and recorded' : 'The screen is shared');
    case 'screen_resized':
      return happened(`The screen is now ${event.width} × ${event.height}`);
    case 'input_blocked':
      return customer
        ? null
        : event.blocked
          ? happened('Keys and clicks do not reach the window in front: its program runs as administrator', 'alarm')
          : happened('Keys and clicks reach the window in front again');
    case 'sharing_failed':
      return happened(`The screen cannot be shared: ${shownName(event.reason)}`, 'alarm');
    case 'recording_failed':
      return happened(`The recording cannot go on: ${shownName(event.reason)}`, 'alarm');
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
    case 'queued': {
      const where = queueText(event.queue);
      return customer
        ? null
        : happened(
            event.by ? `${event.by.name} has put the session into ${where}` : `The session is back in ${where}`,
            'notable'
          );
    }
    case 'queue_moved':
      return happened(`Sessions of ${queueText(event.from)} are in ${queueText(event.to)} now`);
    case 'taken':
      return happened(customer ? `${event.by.name} takes over` : `${event.by.name} has taken the session`, 'notable');
    case 'inherited': {
      const gone = event.why === 'removed' ? 'may not go on' : 'did not come back';
      return happened(`${event.from.name} ${gone}: ${event.to.name} takes over`, 'notable');
    }
    case 'role_changed':
      return happened(
        event.by_role
          ? `${name(event.id)} has the role ${event.by_role.name} now`
          : `${name(event.id)} has no role any more`
      );
    case 'shared_with':
      return customer ? null : happened(`${event.by.name} asks ${event.with.name} to join`);
    case 'expert_invited':
      return happened(`${event.by.name} has invited ${event.invitation.name}`, 'notable');
    case 'control_wanted':
      return customer ? null : happened(`${who(event.by)} would like to control the screen`, 'notable');
    case 'control_passed':
      return happened(`${who(event.to)} ${event.to === me ? 'control' : 'controls'} ${your} screen now`, 'notable');
    case 'file_carried':
      return happened(
        event.way === 'to_customer'
          ? `${who(event.by)} ${has(event.by)} sent ${leaf(event.path)} (${size(event.bytes)})`
          : `${who(event.by)} ${has(event.by)} fetched ${leaf(event.path)} (${size(event.bytes)})`,
        'notable'
      );
    case 'file_failed':
      return happened(
        `${leaf(event.path)} could not be ${event.way === 'to_customer' ? 'sent' : 'fetched'}: ${shownName(event.reason)}`,
        'alarm'
      );
    case 'folder_made':
      return happened(`${who(event.by)} ${has(event.by)} made the folder ${leaf(event.path)}`);
    case 'file_renamed':
      return happened(`${who(event.by)} ${has(event.by)} renamed ${leaf(event.from)} to ${leaf(event.to)}`);
    case 'file_deleted':
      return happened(`${who(event.by)} ${has(event.by)} deleted ${leaf(event.path)}`);
    case 'clipboard_carried':
      return happened(
        event.way === 'to_customer'
          ? `${who(event.by)} ${has(event.by)} put ${event.kind === 'text' ? 'text' : 'a picture'} into ${customer ? 'your' : "the customer's"} clipboard`
          : `${who(event.by)} ${has(event.by)} read ${event.kind === 'text' ? 'text' : 'a picture'} from ${customer ? 'your' : "the customer's"} clipboard`
      );
    case 'shell_started':
      return happened(`${who(event.by)} ${has(event.by)} opened a command shell`, 'notable');
    case 'shell_ended':
      return happened('The command shell is closed');
    case 'system_info_read':
      return happened(`${who(event.by)} ${has(event.by)} read the system information`);
    case 'process_ended':
      return happened(
        `${who(event.by)} ${has(event.by)} ended the process ${shownName(event.name)} (${event.pid})`,
        'notable'
      );
    case 'restarting':
      return happened(
        customer
          ? `${who(event.by)} restarts your computer`
          : `${who(event.by)} ${event.by === me ? 'restart' : 'restarts'} the computer; the session waits for it`,
        'notable'
      );
    case 'screenshot_taken':
      return happened(`${who(event.by)} ${has(event.by)} put a picture of the screen into the journal`);
    case 'ended':
      return happened('The session has ended', 'alarm');
    // Keys and links, what the page shows elsewhere, and what is about the evidence.
    case 'created':
    case 'key_issued':
    case 'key_revoked':
    case 'link_revoked':
    case 'monitors_changed':
    case 'sharing_stopped':
    case 'attributed':
    case 'rated':
    case 'recorded':
    case 'stored':
    case 'watched':
    case 'exported':
    case 'legal_hold':
      return null;
  }
}
