import { expect, test } from 'vitest';
import { problemText } from './problems';

test('an address chooses words of ours and brings none', () => {
  expect(problemText('late')).toContain('begin again');
  for (const other of ['Call +1 555 0100 now', '', 'toString', '__proto__', 'constructor', null]) {
    expect(problemText(other)).toBe('');
  }
});
