import { expect, test } from 'vitest';
import type { Canned } from '$lib/api/types/Canned';
import { filledIn, offeredTemplates, wantedTemplate } from './message_templates';

test.each([
  ['/', ''],
  ['/gree', 'gree'],
  ['/good mor', 'good mor'],
  ['', null],
  ['a/b', null],
  ['/two  blanks', null],
  ['/a\nb', null]
])('after %j one looks for %j', (draft, wanted) => expect(wantedTemplate(draft)).toBe(wanted));

test('offered are those that fit, and only a few', () => {
  const templates = Array.from(
    { length: 12 },
    (_, id) => ({ id, title: `Greeting ${id}`, text: 'Grüße', team: '' }) as Canned
  );
  expect(offeredTemplates(templates, 'grusse')).toHaveLength(8);
  expect(offeredTemplates(templates, 'greeting 11').map((t) => t.id)).toEqual([11]);
});

test('variables are filled in; a name that is none stays', () => {
  const values = { customer: 'Ada {{number}}', number: 'INC-1' };
  expect(filledIn('Hello {{customer}}, {{number}} {{nothing}} {{toString}}', values)).toBe(
    'Hello Ada {{number}}, INC-1 {{nothing}} {{toString}}'
  );
});
