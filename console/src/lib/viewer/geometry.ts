// Where things lie: points of the page on the shared screen, and the part of it that is looked at.

import type { Monitor } from '$lib/api/types/Monitor';

export interface Point {
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}

/** Everything in sight, pixel for pixel, or as wide as there is space. */
export type Fit = 'fit' | 'whole' | 'fill';
/** Everything, the monitor where the pointer is, or one of them by its number. */
export type MonitorChoice = 'all' | 'follow' | number;

/** Where on the shared screen a point of the page lies. */
export function pointOnScreen(box: DOMRect, screen: Size, clientX: number, clientY: number): Point {
  const along = (from: number, length: number, size: number, at: number) =>
    Math.max(0, Math.min(size - 1, Math.floor(((at - from) / length) * size)));
  return {
    x: along(box.left, box.width, screen.width, clientX),
    y: along(box.top, box.height, screen.height, clientY)
  };
}

/** The monitor on which a point lies; -1 where there is none. */
export function monitorAt(monitors: Monitor[], { x, y }: Point): number {
  return monitors.findIndex((m) => x >= m.x && x < m.x + m.width && y >= m.y && y < m.y + m.height);
}

/** The part of the screen that is looked at; null for all of it. */
export function visiblePart(monitors: Monitor[], choice: MonitorChoice, followed: number): Monitor | null {
  if (choice === 'all') return null;
  return monitors[choice === 'follow' ? followed : choice] ?? null;
}

/** How much larger than on the customer's screen a part of it is shown in this space. */
export function zoomOf(part: Size, space: Size, fit: Fit): number {
  if (fit === 'whole') return 1;
  const wide = space.width / part.width;
  return fit === 'fill' ? wide : Math.min(wide, space.height / part.height);
}
