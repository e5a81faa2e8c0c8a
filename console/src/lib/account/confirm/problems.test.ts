import { expect, test } from 'vitest';
import { saidBy } from './problems';

test('an address chooses words of ours and brings none', () => {
  expect(saidBy('late')).toContain('begin again');
  for (const other of ['Call +1 555 0100 now', '', 'toString', '__proto__', 'constructor', null]) {
    expect(saidBy(other)).toBe('');
  }
});
