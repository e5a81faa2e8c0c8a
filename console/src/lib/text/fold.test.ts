import { expect, it } from 'vitest';
import { fits } from './fold';

it.each([
  ['ÖZGÜR Müller', 'özgür', true],
  ['ÖZGÜR Müller', 'muller ozgur', true],
  ['Straße', 'STRASSE', true],
  ['İstanbul', 'istanbul', true],
  ['Émile 50%', '50%', true],
  ['Émile 50', '%', false],
  ['请重启打印机谢谢', '打印', true],
  ['가', '각', false],
  ['anything', '', true]
])('%s, %s', (text, typed, found) => expect(fits(text, typed)).toBe(found));
