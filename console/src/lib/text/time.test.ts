import { expect, test } from 'vitest';
import { ago, clock, clockSeconds, dateAndTime, percent, size, span } from './time';

// Numbers from a modified program, or JSON's null for an infinite number.
const NONSENSE = [null, NaN, Infinity, -Infinity, 8.64e15 + 1, undefined] as number[];

test.each(NONSENSE)('%s is no time', (at) => {
  for (const words of [dateAndTime, clock, clockSeconds]) expect(words(at)).toBe('–');
});
test.each([null, NaN, Infinity] as number[])('%s is no amount', (n) => {
  for (const words of [size, span, percent]) expect(words(n)).toBe('–');
});
test('times and amounts are read', () => {
  expect(dateAndTime(0)).toMatch(/19(69|70)/);
  expect(dateAndTime(8.64e15)).not.toBe('–');
  expect([size(1_500), span(65_000), percent(12.34)]).toEqual(['1.5 kB', '1:05', '12.3 %']);
  expect(ago(8.64e15 + 1, 9e15)).toBe('–');
});
