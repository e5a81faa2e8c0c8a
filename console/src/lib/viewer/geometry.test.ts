import { describe, expect, it } from 'vitest';
import type { Monitor } from '$lib/api/types/Monitor';
import { monitorAt, pointOnScreen, visiblePart, zoomOf } from './geometry';

describe('pointOnScreen', () => {
  const box = { left: 100, top: 50, width: 960, height: 540 } as DOMRect;
  it.each([
    [100, 50, 0, 0],
    [1059.9, 589.9, 1919, 1079],
    [580, 320, 960, 540],
    [-5, 9999, 0, 1079]
  ])('%d,%d of the page is %d,%d of the screen', (clientX, clientY, x, y) => {
    expect(pointOnScreen(box, { width: 1920, height: 1080 }, clientX, clientY)).toEqual({ x, y });
  });
});

describe('monitors', () => {
  const monitors = [
    { name: 'left', x: 0, y: 0, width: 1280, height: 800 },
    { name: 'right', x: 1280, y: 0, width: 1920, height: 1080 }
  ] as Monitor[];
  it.each([
    [0, 0, 0],
    [1279, 799, 0],
    [1280, 1000, 1],
    [100, 900, -1]
  ])('%d,%d lies on number %d', (x, y, number) => expect(monitorAt(monitors, { x, y })).toBe(number));
  it('shows all, one by its number, or the one where the pointer is', () => {
    expect(visiblePart(monitors, 'all', 1)).toBeNull();
    expect(visiblePart(monitors, 0, 1)).toBe(monitors[0]);
    expect(visiblePart(monitors, 'follow', 1)).toBe(monitors[1]);
    expect(visiblePart(monitors, 7, 1)).toBeNull();
  });
  it.each([
    ['whole', 1],
    ['fill', 0.5],
    ['fit', 0.25]
  ] as const)('%s', (fit, zoom) => {
    expect(zoomOf({ width: 1280, height: 800 }, { width: 640, height: 200 }, fit)).toBe(zoom);
  });
});
