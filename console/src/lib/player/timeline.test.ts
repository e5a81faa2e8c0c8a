import { expect, test } from 'vitest';
import type { Span } from '$lib/api/types/Span';
import { nextActivity, pointerAt, sessionTime, videoTime, whyDark } from './timeline';

const timeline: Span[] = [
  { from: 1_000, until: 11_000, at: 0, end: 'paused' },
  { from: 71_000, until: 75_000, at: 13_000, end: 'stopped' }
];

test('moments lie where the server has put them', () => {
  expect([500, 1_000, 6_000, 11_500, 40_000, 71_000, 80_000].map((at) => videoTime(timeline, at))).toEqual([
    null,
    0,
    5_000,
    10_500,
    13_000,
    13_000,
    20_000
  ]);
});

test('it is known when nothing is shown, and why', () => {
  expect([0, 9_999, 10_000, 12_999, 13_000, 17_500].map((ms) => whyDark(timeline, ms))).toEqual([
    null,
    null,
    'paused',
    'paused',
    null,
    'stopped'
  ]);
  expect(sessionTime(timeline, 14_000)).toBe(72_000);
  expect(sessionTime(timeline, 11_500)).toBe(11_000);
});

test('rests are skipped, and movement is not', () => {
  const activity: [number, number][] = [
    [0, 2_000],
    [30_000, 31_000]
  ];
  expect([0, 2_500, 5_000, 29_500, 30_500, 40_000].map((ms) => nextActivity(activity, ms))).toEqual([
    null,
    null,
    29_200,
    null,
    null,
    null
  ]);
});

test('the pointer is where it was last', () => {
  const track = new DataView(new ArrayBuffer(16));
  track.setUint32(0, 100);
  track.setUint16(4, 7);
  track.setUint16(6, 8);
  track.setUint32(8, 300);
  track.setUint16(12, 9);
  track.setUint16(14, 10);
  expect(pointerAt(track, 50)).toBeNull();
  expect(pointerAt(track, 299)).toEqual({ x: 7, y: 8 });
  expect(pointerAt(track, 300)).toEqual({ x: 9, y: 10 });
});
