// The moments of a session in its video, the spans in which something moved, and the positions of the pointer. Pure.

import type { Span } from '$lib/api/types/Span';

/** How long the video shows a placeholder frame, in milliseconds; the server has the same value. */
const GAP = 3_000;

const length = (s: Span) => s.until - s.from;

/** The position of a moment of the session in the video, in milliseconds; null before the first share. */
export function videoTime(timeline: Span[], at: number): number | null {
  const s = timeline.findLast((f) => f.from <= at);
  if (!s) return null;
  return s.at + Math.min(length(s), at - s.from) + Math.max(0, Math.min(at - s.until, GAP));
}

/** Why no screen is shown at this position of the video; null while one is. */
export function whyDark(timeline: Span[], ms: number): Span['end'] | null {
  const s = timeline.findLast((f) => f.at <= ms);
  return s && ms >= s.at + length(s) ? s.end : null;
}

/** The time of the session at this position of the video. */
export function sessionTime(timeline: Span[], ms: number): number | null {
  const s = timeline.findLast((f) => f.at <= ms);
  return s ? s.from + Math.min(ms - s.at, length(s)) : null;
}

/** Where playback continues when idle spans are skipped: the next movement, if that is not soon. */
export function nextActivity(activity: [number, number][], ms: number): number | null {
  const LEAD = 800;
  if (activity.some(([from, until]) => ms >= from - LEAD && ms <= until + LEAD)) return null;
  const next = activity.find(([from]) => from > ms);
  return next && next[0] - LEAD > ms ? next[0] - LEAD : null;
}

/** The last position of the pointer before a position of the video: entries of eight bytes, in order of time. */
export function pointerAt(track: DataView, ms: number): { x: number; y: number } | null {
  let [low, high] = [0, Math.floor(track.byteLength / 8)];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (track.getUint32(middle * 8) <= ms) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : { x: track.getUint16((low - 1) * 8 + 4), y: track.getUint16((low - 1) * 8 + 6) };
}
