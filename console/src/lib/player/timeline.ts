// Where the moments of a session lie in its video, what moved when, and where the pointer was. Pure.

import type { Span } from '$lib/api/types/Span';

/** How long the video shows that nothing is shown, in milliseconds; as the server has it. */
const GAP = 3_000;

const length = (s: Span) => s.until - s.from;

/** Where a moment of the session lies in the video, in milliseconds; null before the first sharing. */
export function videoTime(timeline: Span[], at: number): number | null {
  const s = timeline.findLast((f) => f.from <= at);
  if (!s) return null;
  return s.at + Math.min(length(s), at - s.from) + Math.max(0, Math.min(at - s.until, GAP));
}

/** Why nothing is shown at this place of the video; null while something is. */
export function whyDark(timeline: Span[], ms: number): Span['end'] | null {
  const s = timeline.findLast((f) => f.at <= ms);
  return s && ms >= s.at + length(s) ? s.end : null;
}

/** When it was at this place of the video. */
export function sessionTime(timeline: Span[], ms: number): number | null {
  const s = timeline.findLast((f) => f.at <= ms);
  return s ? s.from + Math.min(ms - s.at, length(s)) : null;
}

/** Where to go on from here when idle stretches are skipped: the next movement, if that is not soon. */
export function nextActivity(activity: [number, number][], ms: number): number | null {
  const LEAD = 800;
  if (activity.some(([from, until]) => ms >= from - LEAD && ms <= until + LEAD)) return null;
  const next = activity.find(([from]) => from > ms);
  return next && next[0] - LEAD > ms ? next[0] - LEAD : null;
}

/** The last place of the pointer before a place of the video: entries of eight bytes, in order of time. */
export function pointerAt(track: DataView, ms: number): { x: number; y: number } | null {
  let [low, high] = [0, Math.floor(track.byteLength / 8)];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (track.getUint32(middle * 8) <= ms) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : { x: track.getUint16((low - 1) * 8 + 4), y: track.getUint16((low - 1) * 8 + 6) };
}
