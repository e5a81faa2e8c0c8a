import { expect, test } from 'vitest';
import { Rate } from './rate';

test('a rate is of the last seconds, and never negative', () => {
  const rate = new Rate();
  expect(rate.add(0, 0)).toBeNull();
  expect(rate.add(100, 5_000)).toBeNull();
  expect(rate.add(1_000, 10_000)).toBe(10_000);
  // Older values no longer count.
  expect(rate.add(5_000, 10_000)).toBeNull();
  expect(rate.add(6_000, 12_000)).toBe(2_000);
  // After a lost connection the server may have stored less.
  expect(rate.add(6_500, 3_000)).toBe(0);
});
