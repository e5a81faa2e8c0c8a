import { expect, test } from 'vitest';
import { Backoff } from './backoff';

test('waits double up to the longest, and begin anew after a success', () => {
  const backoff = new Backoff(300, 1_000);
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([300, 600, 1_000, 1_000]);
  backoff.reset();
  expect(backoff.next()).toBe(300);
});
