// What the timeline of an ended session says of its evidence. Pure.

import type { Entry } from '$lib/api/types/Entry';
import type { Event } from '$lib/api/types/Event';
import type { Span } from '$lib/api/types/Span';
import type { TranscriptLine } from '$lib/api/types/TranscriptLine';
import { videoTime } from '$lib/player/timeline';
import type { Mark } from '$lib/player/Player.svelte';

const KINDS: Partial<Record<Event['type'], Mark['kind']>> = {
  chat: 'said',
  noted: 'said',
  granted: 'allowed',
  denied: 'allowed',
  withdrawn: 'allowed',
  control_passed: 'allowed',
  file_carried: 'file',
  file_posted: 'file',
  file_deleted: 'file',
  shell_started: 'shell',
  joined: 'people',
  left: 'people'
};

/** The lines of the transcript as marks below the video. */
export function marksOf(transcript: TranscriptLine[], entries: Entry[], timeline: Span[]): Mark[] {
  const types = new Map(entries.map((e) => [e.seq, e.event.type]));
  return transcript.flatMap((line): Mark[] => {
    const ms = videoTime(timeline, line.at);
    if (ms === null) return [];
    const type = types.get(line.seq);
    const text = line.who ? `${line.who}: ${line.text}` : line.text;
    return [{ seq: line.seq, ms, kind: (type && KINDS[type]) ?? 'other', text }];
  });
}

export type LegalHold = Extract<Event, { type: 'legal_hold' }>;

/** The current legal hold of the session; null if there is none. */
export function legalHold(entries: Entry[]): LegalHold | null {
  const last = entries.findLast((e) => e.event.type === 'legal_hold')?.event as LegalHold | undefined;
  return last?.on ? last : null;
}

/** What is stored besides the video: the start of each shell, the time of each system information, and files of the chat. */
export function keptBeside(entries: Entry[]) {
  return {
    shells: entries.flatMap(({ at, event }) => (event.type === 'shell_started' ? [{ at, number: event.number }] : [])),
    systems: entries.flatMap(({ at, event }) =>
      event.type === 'system_info_read' ? [{ at, number: event.number }] : []
    ),
    files: entries.flatMap(({ event }) => (event.type === 'file_posted' ? [event] : []))
  };
}
