// Coordinates: points of the page on the shared screen, and the visible part of it.

import type { Monitor } from '$lib/api/types/Monitor';

export interface Point {
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}

/** Fit everything, pixel for pixel, or fit the width. */
export type Fit = 'fit' | 'whole' | 'fill';
/** Everything, the monitor with the pointer, or one of them by number. */
export type MonitorChoice = 'all' | 'follow' | number;

/** The position on the shared screen of a point of the page. */
export function pointOnScreen(box: DOMRect, screen: Size, clientX: number, clientY: number): Point {
  const along = (from: number, length: number, size: number, at: number) =>
    Math.max(0, Math.min(size - 1, Math.floor(((at - from) / length) * size)));
  return {
    x: along(box.left, box.width, screen.width, clientX),
    y: along(box.top, box.height, screen.height, clientY)
  };
}

/** The monitor at a point; -1 if there is none. */
export function monitorAt(monitors: Monitor[], { x, y }: Point): number {
  return monitors.findIndex((m) => x >= m.x && x < m.x + m.width && y >= m.y && y < m.y + m.height);
}

/** The visible part of the screen; null for all of it. */
export function visiblePart(monitors: Monitor[], choice: MonitorChoice, followed: number): Monitor | null {
  if (choice === 'all') return null;
  return monitors[choice === 'follow' ? followed : choice] ?? null;
}

/** The scale at which a part of it is shown in this space. */
export function zoomOf(part: Size, space: Size, fit: Fit): number {
  if (fit === 'whole') return 1;
  const wide = space.width / part.width;
  return fit === 'fill' ? wide : Math.min(wide, space.height / part.height);
}
